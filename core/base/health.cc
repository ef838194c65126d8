// SPDX-License-Identifier: Apache-2.0
#include "base/health.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace gw::base {

std::uint64_t HealthRegistry::new_owner() {
  std::lock_guard lock(mutex_);
  return ++last_owner_;
}

bool HealthRegistry::report(std::uint64_t owner, std::string_view component, HealthStatus status,
                            std::string_view details_json) {
  if (component.empty() || component.size() > kMaxNameBytes) return false;
  if (details_json.size() > kMaxDetailsBytes) details_json = {};
  std::lock_guard lock(mutex_);
  auto found = components_.find(component);
  bool known = found != components_.end() && found->second.contains(owner);
  if (!known && count_ >= kMaxComponents) return false;
  if (found == components_.end()) found = components_.try_emplace(std::string(component)).first;
  Report& report = found->second[owner];
  report.status = status;
  report.details_json.assign(details_json);
  if (!known) ++count_;
  return true;
}

void HealthRegistry::remove(std::uint64_t owner) {
  std::lock_guard lock(mutex_);
  for (auto it = components_.begin(); it != components_.end();) {
    count_ -= it->second.erase(owner);
    it = it->second.empty() ? components_.erase(it) : std::next(it);
  }
}

void HealthRegistry::visit(const std::function<void(const Entry& entry)>& visitor) const {
  std::vector<std::pair<std::string, Report>> worst;
  {
    std::lock_guard lock(mutex_);
    worst.reserve(components_.size());
    for (const auto& [name, reports] : components_) {
      auto chosen = std::max_element(
          reports.begin(), reports.end(),
          [](const auto& a, const auto& b) { return a.second.status < b.second.status; });
      worst.emplace_back(name, chosen->second);
    }
  }
  for (const auto& [name, report] : worst) visitor({name, report.status, report.details_json});
}

HealthStatus HealthRegistry::overall() const {
  std::lock_guard lock(mutex_);
  HealthStatus worst = HealthStatus::kUp;
  for (const auto& [name, reports] : components_)
    for (const auto& [owner, report] : reports) worst = std::max(worst, report.status);
  return worst;
}

}  // namespace gw::base
