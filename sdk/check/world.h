// SPDX-License-Identifier: Apache-2.0
//
// A fake host with the plugin between a client and a service that echoes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check/loaded.h"
#include "testing/fake_host.h"

namespace gw::check {

// What one exchange came to, as its client and the service saw it.
struct Outcome {
  bool streamed = false;
  std::uint32_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::string> sent;  // bodies that reached the service

  bool operator==(const Outcome&) const = default;
};

// Whatever is wrong is thrown as std::runtime_error.
class World {
 public:
  static constexpr std::uint32_t kWorkers = 2;

  World(const Loaded& loaded, const std::string& config);
  // Takes the plugin down; destroying a world without it does so too, but says nothing.
  void end();

  void start();
  // Adds what the plugin needs of other filters. Answers come in the same pieces as the request.
  std::unique_ptr<testing::Exchange> begin(testing::RequestSpec request);
  // Until it is over, on a clock that runs ahead; a stream is left after a while.
  Outcome run(const testing::RequestSpec& request);
  // testing::replay
  std::vector<std::string> replay(const std::string& recording);
  // Throws what the host has noted so far.
  void expect_no_breach();

  testing::FakeHost& host() { return host_; }
  bool serves() const;  // as filter or router

 private:
  const Loaded& loaded_;
  testing::FakeHost host_{kWorkers};
  std::unique_ptr<testing::Instance> router_;
  std::unique_ptr<testing::Instance> plugin_;
};

}  // namespace gw::check
