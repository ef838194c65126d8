// SPDX-License-Identifier: Apache-2.0
#include "actuator.h"

#include <gateway/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "exposition.h"
#include "health.h"

namespace gw::metrics {
namespace {

constexpr std::string_view kBase = "/actuator";
constexpr std::string_view kActuatorJson = "application/vnd.spring-boot.actuator.v3+json";

Verdict answer_json(Exchange x, std::uint32_t status, std::string_view body) {
  return x.reply(status, {{"Content-Type", kActuatorJson}}, body);
}

Verdict not_found(Exchange x) {
  return x.fail(404, "ENDPOINT_NOT_FOUND");
}

Verdict answer_health(Context context, const HealthPolicy& policy, Exchange x,
                      std::string_view part) {
  Health health(policy);
  tables.health->visit(
      context.raw(),
      [](void* user, const gw_health_entry* entry) {
        static_cast<Health*>(user)->add(view(entry->component), entry->status,
                                        view(entry->details_json));
      },
      &health);
  if (part.empty()) {
    HealthAnswer whole = health.whole();
    return answer_json(x, whole.http_status, whole.body);
  }
  auto found = health.part(part);
  return found ? answer_json(x, found->http_status, found->body) : not_found(x);
}

Exposition expose(Context context, Maxima& maxima) {
  Exposition exposition;
  tables.metrics->visit(
      context.raw(),
      [](void* user, const gw_sample* sample) { static_cast<Exposition*>(user)->add(*sample); },
      &exposition);
  maxima.write_to(exposition, context.monotonic_ns());
  return exposition;
}

Verdict answer_metrics(Context context, Maxima& maxima, Exchange x, std::string_view name) {
  Exposition exposition = expose(context, maxima);
  if (name.empty()) return answer_json(x, 200, exposition.names_json());
  auto found = exposition.family_json(name);
  return found ? answer_json(x, 200, *found) : not_found(x);
}

// The host's own reports stand beside Spring's endpoints, each under its name.
std::optional<std::string> host_report(Context context, std::string_view name) {
  std::optional<std::string> found;
  if (!GW_HAS(tables.report, read)) return found;
  tables.report->read(
      context.raw(), str(name),
      [](void* user, gw_str json) {
        static_cast<std::optional<std::string>*>(user)->emplace(view(json));
      },
      &found);
  return found;
}

std::vector<std::string> host_reports(Context context) {
  std::vector<std::string> names;
  if (GW_HAS(tables.report, visit))
    tables.report->visit(
        context.raw(),
        [](void* user, gw_str name) {
          static_cast<std::vector<std::string>*>(user)->emplace_back(view(name));
        },
        &names);
  return names;
}

// What Spring's discovery page lists; links are relative to the host that was asked.
Verdict answer_links(Context context, Exchange x) {
  std::string base = "//" + std::string(view(x.request().authority)) + std::string(kBase);
  nlohmann::ordered_json links;
  auto add = [&](const char* name, const char* path, bool templated) {
    links[name] = {{"href", base + path}, {"templated", templated}};
  };
  add("self", "", false);
  for (const std::string& name : host_reports(context))
    add(name.c_str(), ("/" + name).c_str(), false);
  add("health", "/health", false);
  add("health-path", "/health/{*path}", true);
  add("info", "/info", false);
  add("prometheus", "/prometheus", false);
  add("metrics", "/metrics", false);
  add("metrics-requiredMetricName", "/metrics/{requiredMetricName}", true);
  add("gateway", "/gateway/routes", false);
  nlohmann::ordered_json body;
  body["_links"] = std::move(links);
  return answer_json(x, 200, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

Verdict answer_actuator(Context context, const Settings& settings, Maxima& maxima, Exchange x) {
  gw_request request = x.request();
  std::string_view rest = view(request.path).substr(kBase.size());
  if (!rest.empty() && rest.front() != '/') return GW_CONTINUE;  // /actuators
  if (rest == "/gateway" || rest.starts_with("/gateway/")) return GW_CONTINUE;

  enum class Endpoint {
    kNone,
    kLinks,
    kHealth,
    kInfo,
    kMetrics,
    kPrometheus
  } endpoint = Endpoint::kNone;
  std::string_view part;
  auto below = [&](std::string_view name) {  // "/name/part"
    if (!rest.starts_with(name) || rest.size() <= name.size() + 1 || rest[name.size()] != '/')
      return false;
    part = rest.substr(name.size() + 1);
    return part.find('/') == std::string_view::npos;
  };
  if (rest.empty()) endpoint = Endpoint::kLinks;
  if (rest == "/health" || below("/health")) endpoint = Endpoint::kHealth;
  if (rest == "/info") endpoint = Endpoint::kInfo;
  if (rest == "/metrics" || below("/metrics")) endpoint = Endpoint::kMetrics;
  if (rest == "/prometheus") endpoint = Endpoint::kPrometheus;
  std::optional<std::string> report;
  if (endpoint == Endpoint::kNone && rest.size() > 1) report = host_report(context, rest.substr(1));
  if (endpoint == Endpoint::kNone && !report) return not_found(x);

  std::string_view method = view(request.method);
  if (method != "GET" && method != "HEAD")
    return x.fail(405, "METHOD_NOT_ALLOWED", {}, {{"Allow", "GET, HEAD"}});
  if (report) return answer_json(x, 200, *report);
  switch (endpoint) {
    case Endpoint::kLinks:
      return answer_links(context, x);
    case Endpoint::kHealth:
      return answer_health(context, settings.health, x, part);
    case Endpoint::kInfo:
      return answer_json(x, 200, settings.info_json);
    case Endpoint::kMetrics:
      return answer_metrics(context, maxima, x, part);
    case Endpoint::kPrometheus:
      return x.reply(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                     expose(context, maxima).prometheus_text());
    case Endpoint::kNone:
      break;
  }
  return not_found(x);
}

}  // namespace gw::metrics
