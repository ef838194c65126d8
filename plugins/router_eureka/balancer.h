// SPDX-License-Identifier: Apache-2.0
//
// Balancer: one worker's choice among the endpoints of a service. Round robin from a random start;
// an endpoint that was tried for this request is not tried again, and one that could not be reached
// is passed over for a while, unless all are. No allocation in steady state.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "directory.h"

namespace gw::router {

// The endpoints that one request has tried.
struct Tried {
  static constexpr std::size_t kMost = 8;
  std::array<std::uint64_t, kMost> ids{};
  std::uint32_t count = 0;

  bool contains(std::uint64_t id) const {
    return std::find(ids.begin(), ids.begin() + count, id) != ids.begin() + count;
  }
  void add(std::uint64_t id) {
    if (!contains(id) && !full()) ids[count++] = id;
  }
  bool full() const { return count == kMost; }
};

class Balancer {
 public:
  static constexpr std::uint64_t kAvoidNs = 10'000'000'000;  // after a failure to connect
  static constexpr std::size_t kMostAvoided = 1024;

  explicit Balancer(std::uint32_t seed) : seed_(seed) {}

  void set_directory(std::shared_ptr<const Directory> directory);
  const Directory& directory() const { return *directory_; }

  // Null: none is there, or all were tried. The endpoint lives as long as the directory.
  const Endpoint* choose(std::size_t service, const Tried& tried, std::uint64_t now_ns);
  void unreachable(std::uint64_t id, std::uint64_t now_ns);
  void reachable(std::uint64_t id) {
    if (!avoided_.empty()) avoided_.erase(id);
  }

 private:
  // From `start` on, around.
  const Endpoint* first_fit(const std::vector<Endpoint>& endpoints, std::size_t start,
                            const Tried& tried, std::uint64_t now_ns) const;
  bool avoided(std::uint64_t id, std::uint64_t now_ns) const;

  std::uint32_t seed_;
  std::shared_ptr<const Directory> directory_;
  std::vector<std::uint32_t> next_;                           // by service
  std::unordered_map<std::uint64_t, std::uint64_t> avoided_;  // endpoint -> until
};

}  // namespace gw::router
