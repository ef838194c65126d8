// SPDX-License-Identifier: Apache-2.0
#include "balancer.h"

namespace gw::router {

void Balancer::set_directory(std::shared_ptr<const Directory> directory) {
  std::vector<std::uint32_t> next(directory->services().size(), seed_);
  for (std::size_t i = 0; i < next.size() && directory_ != nullptr; ++i) {
    std::size_t before = directory_->find(directory->services()[i].name);
    if (before != Directory::kMissing) next[i] = next_[before];
  }
  next_ = std::move(next);
  directory_ = std::move(directory);
}

const Endpoint* Balancer::choose(std::size_t service, const Tried& tried, std::uint64_t now_ns) {
  const auto& endpoints = directory_->services()[service].endpoints;
  if (endpoints.empty() || tried.full()) return nullptr;
  const std::size_t start = next_[service]++ % endpoints.size();
  if (tried.count == 0 && avoided_.empty()) return &endpoints[start];  // nearly always
  return first_fit(endpoints, start, tried, now_ns);
}

const Endpoint* Balancer::first_fit(const std::vector<Endpoint>& endpoints, std::size_t start,
                                    const Tried& tried, std::uint64_t now_ns) const {
  const Endpoint* last_resort = nullptr;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const Endpoint& endpoint = endpoints[(start + i) % endpoints.size()];
    if (tried.contains(endpoint.id)) continue;
    if (!avoided(endpoint.id, now_ns)) return &endpoint;
    if (last_resort == nullptr) last_resort = &endpoint;
  }
  return last_resort;
}

bool Balancer::avoided(std::uint64_t id, std::uint64_t now_ns) const {
  auto found = avoided_.find(id);
  return found != avoided_.end() && found->second > now_ns;
}

void Balancer::unreachable(std::uint64_t id, std::uint64_t now_ns) {
  if (avoided_.size() >= kMostAvoided)
    std::erase_if(avoided_, [&](const auto& entry) { return entry.second <= now_ns; });
  if (avoided_.size() < kMostAvoided || avoided_.contains(id)) avoided_[id] = now_ns + kAvoidNs;
}

}  // namespace gw::router
