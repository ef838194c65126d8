// SPDX-License-Identifier: Apache-2.0
//
// Health: what every part of the process last said about the components it depends on; the registry
// behind gw.health/1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace gw::base {

// From good to bad; values as GW_UP ... in gateway/abi/observe.h.
enum class HealthStatus : std::int32_t { kUp = 1, kUnknown = 2, kOutOfService = 3, kDown = 4 };

// Any thread: every call takes one lock. Bounded: kMaxComponents reports, kMaxDetailsBytes each.
class HealthRegistry {
 public:
  static constexpr std::size_t kMaxComponents = 1000;
  static constexpr std::size_t kMaxNameBytes = 128;
  static constexpr std::size_t kMaxDetailsBytes = std::size_t{64} << 10;

  // Who reports: an instance, or a room of the core. Never 0, never the same twice.
  std::uint64_t new_owner();

  // Replaces what the owner said about `component` before. False: no room, or an empty or too long
  // name; details that are too long are left out.
  bool report(std::uint64_t owner, std::string_view component, HealthStatus status,
              std::string_view details_json);
  // Forgets all that the owner said.
  void remove(std::uint64_t owner);

  struct Entry {
    std::string_view component;
    HealthStatus status;
    std::string_view details_json;
  };
  // In order of name; of several reports about one component the worst (of equals, the oldest
  // owner's). `visitor` runs without the lock, on a copy.
  void visit(const std::function<void(const Entry& entry)>& visitor) const;
  // The worst of all; kUp when nothing was reported.
  HealthStatus overall() const;

 private:
  struct Report {
    HealthStatus status;
    std::string details_json;
  };
  using Reports = std::map<std::uint64_t, Report>;  // by owner; never empty

  mutable std::mutex mutex_;
  std::uint64_t last_owner_ = 0;
  std::size_t count_ = 0;
  std::map<std::string, Reports, std::less<>> components_;
};

}  // namespace gw::base
