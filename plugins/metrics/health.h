// SPDX-License-Identifier: Apache-2.0
//
// Health as Spring Boot's Actuator shows it: components, the worst of them as the whole, and the
// probe groups. Knows no ABI but the status numbers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace gw::metrics {

struct HealthPolicy {
  bool show_details = true;          // management.endpoint.health.show-details
  std::set<std::string> undecisive;  // shown, but without a say in the whole
  std::set<std::string> readiness;   // have a say in the readiness group, besides readinessState
};

struct HealthAnswer {
  std::uint32_t http_status;
  std::string body;
};

class Health {
 public:
  // ping, livenessState and readinessState are there from the start, and UP.
  explicit Health(const HealthPolicy& policy);

  // A component's state (GW_UP ...); what is not a JSON object in `details_json` is left out.
  void add(std::string_view component, std::int32_t status, std::string_view details_json);

  HealthAnswer whole() const;
  // "liveness", "readiness" or a component; nothing when there is no such thing.
  std::optional<HealthAnswer> part(std::string_view name) const;

 private:
  struct Component {
    std::int32_t status;
    std::string details_json;
  };
  HealthAnswer group(const std::set<std::string>& members) const;

  const HealthPolicy& policy_;
  std::map<std::string, Component> components_;
};

}  // namespace gw::metrics
