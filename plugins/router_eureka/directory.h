// SPDX-License-Identifier: Apache-2.0
//
// Directory: who serves what, as the workers see it: one immutable snapshot of the configured
// services and of the registry, shared by all workers until the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "registry.h"

namespace gw::router {

struct Endpoint {
  std::string address;  // "10.0.0.7:8080", "unix:…"
  bool tls = false;
  std::uint64_t id = 0;  // a hash of the above, the token of attempts; never 0
};
std::uint64_t endpoint_id(std::string_view address, bool tls);

struct Service {
  std::string name;  // lower case: VIP or configured name
  std::string
      application;  // as Eureka spells it; empty: configured, out of the discovery locator's reach
  std::vector<Endpoint> endpoints;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

class Directory {
 public:
  static constexpr std::size_t kMissing = static_cast<std::size_t>(-1);

  // A configured service stands before one of the registry of the same name.
  Directory(std::vector<Service> configured, const Registry::Applications& registry);

  const std::vector<Service>& services() const { return services_; }
  // By name in lower case; kMissing when there is none.
  std::size_t find(std::string_view name) const;

 private:
  std::vector<Service> services_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> by_name_;
};

}  // namespace gw::router
