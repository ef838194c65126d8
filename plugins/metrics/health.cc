// SPDX-License-Identifier: Apache-2.0
#include "health.h"

#include <gateway/plugin.h>

#include <gateway/json.hpp>

namespace gw::metrics {
namespace {

using Json = nlohmann::ordered_json;

const char* status_text(std::int32_t status) {
  switch (status) {
    case GW_UP:
      return "UP";
    case GW_OUT_OF_SERVICE:
      return "OUT_OF_SERVICE";
    case GW_DOWN:
      return "DOWN";
    default:
      return "UNKNOWN";
  }
}

// Spring's order of severity (SimpleStatusAggregator): UNKNOWN is milder than UP.
int severity(std::int32_t status) {
  switch (status) {
    case GW_DOWN:
      return 3;
    case GW_OUT_OF_SERVICE:
      return 2;
    case GW_UP:
      return 1;
    default:
      return 0;
  }
}

HealthAnswer answer(std::int32_t status, const Json& body) {
  std::uint32_t code = status == GW_DOWN || status == GW_OUT_OF_SERVICE ? 503 : 200;
  return {code, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json component_json(std::int32_t status, const std::string& details_json) {
  Json json{{"status", status_text(status)}};
  if (!details_json.empty()) {
    auto details = parse_json(details_json);
    if (details && details->is_object() && !details->empty()) json["details"] = *details;
  }
  return json;
}

}  // namespace

Health::Health(const HealthPolicy& policy) : policy_(policy) {
  for (const char* name : {"ping", "livenessState", "readinessState"}) add(name, GW_UP, {});
}

void Health::add(std::string_view component, std::int32_t status, std::string_view details_json) {
  components_[std::string(component)] = {status, std::string(details_json)};
}

HealthAnswer Health::whole() const {
  std::int32_t worst = GW_UNKNOWN;
  Json all = Json::object();
  for (const auto& [name, component] : components_) {
    bool decides = !policy_.undecisive.contains(name);
    if (decides && severity(component.status) > severity(worst)) worst = component.status;
    all[name] = component_json(component.status, component.details_json);
  }
  Json body{{"status", status_text(worst)}};
  if (policy_.show_details) body["components"] = std::move(all);
  body["groups"] = {"liveness", "readiness"};
  return answer(worst, body);
}

HealthAnswer Health::group(const std::set<std::string>& members) const {
  std::int32_t worst = GW_UNKNOWN;
  Json all = Json::object();
  for (const std::string& name : members) {
    auto found = components_.find(name);
    if (found == components_.end()) continue;
    if (severity(found->second.status) > severity(worst)) worst = found->second.status;
    all[name] = component_json(found->second.status, found->second.details_json);
  }
  Json body{{"status", status_text(worst)}};
  if (policy_.show_details) body["components"] = std::move(all);
  return answer(worst, body);
}

std::optional<HealthAnswer> Health::part(std::string_view name) const {
  if (name == "liveness") return group({"livenessState"});
  if (name == "readiness") {
    std::set<std::string> members = policy_.readiness;
    members.insert("readinessState");
    return group(members);
  }
  auto found = components_.find(std::string(name));
  if (found == components_.end() || !policy_.show_details) return std::nullopt;
  return answer(found->second.status,
                component_json(found->second.status, found->second.details_json));
}

}  // namespace gw::metrics
