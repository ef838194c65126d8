// SPDX-License-Identifier: Apache-2.0
//
// Crossing threads: work for every worker, with an end on [main]; and waiting on [main] for what a
// plugin may never do.
#pragma once

#include <gateway/plugin.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "plugin_host/host.h"

namespace gw::plugin_host {

// [main] Runs `work(i)` on every worker i, each on its own thread, then `done` on [main]; never
// inside this call. The loops must be running.
void on_workers(Host& host, std::function<void(std::uint32_t)> work, std::function<void()> done);

// Something that ends once: by an answer from any thread, or at a deadline.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  // [main] `done` runs there, never inside this call: with what `give` was given, or with
  // GW_TIMEOUT after `timeout_ms`.
  static std::shared_ptr<Answer> expect(Host& host, std::uint32_t timeout_ms,
                                        std::function<void(gw_status, std::string)> done);
  // [any thread]
  void give(gw_status status, std::string message);

 private:
  Answer() = default;
  void end(gw_status status, std::string message);

  Host* host_ = nullptr;
  net::Timer timer_;
  std::function<void(gw_status, std::string)> done_;
  std::shared_ptr<Answer> self_;  // until it ends: the timer holds its address
};

}  // namespace gw::plugin_host
