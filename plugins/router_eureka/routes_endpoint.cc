// SPDX-License-Identifier: Apache-2.0
#include "routes_endpoint.h"

#include <gateway/json.hpp>

#include "locator.h"

namespace gw::router {
namespace {

constexpr std::string_view kBase = "/actuator/gateway";

std::string located_json(const Service& service) {
  nlohmann::ordered_json json{
      {"predicate", "Paths: [/" + service.name + "/**], match trailing slash: true"},
      {"route_id", std::string(kLocatorPrefix) + service.application},
      {"filters",
       {"[[RewritePath /" + service.name + "/?(?<remaining>.*) = '/${remaining}'], order = 1]"}},
      {"uri", "lb://" + service.name},
      {"order", 0}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Verdict answer_json(Exchange x, std::string_view body) {
  return x.reply(200, {{"Content-Type", "application/json"}}, body);
}

}  // namespace

bool is_routes_endpoint(std::string_view path) {
  return path.starts_with(kBase) && (path.size() == kBase.size() || path[kBase.size()] == '/');
}

Verdict answer_routes(Exchange x, const RouteTable& routes, bool locator,
                      const Directory& directory, std::string_view own_application) {
  gw_request request = x.request();
  std::string_view rest = view(request.path).substr(kBase.size());
  bool all = rest == "/routes", one = rest.starts_with("/routes/") && rest.size() > 8;
  if (!all && !one) return x.fail(404, "ENDPOINT_NOT_FOUND");
  if (view(request.method) != "GET" && view(request.method) != "HEAD")
    return x.fail(405, "METHOD_NOT_ALLOWED", {}, {{"Allow", "GET, HEAD"}});
  std::string_view id = all ? std::string_view() : rest.substr(8);
  std::string list;
  for (const auto& route : routes.all()) {
    if (one && route->definition.id == id) return answer_json(x, route_json(*route));
    if (all) list += (list.empty() ? "" : ",") + route_json(*route);
  }
  for (const Service& service : directory.services()) {
    if (!locator || !is_located(service, own_application)) continue;
    if (one && id.starts_with(kLocatorPrefix) &&
        id.substr(kLocatorPrefix.size()) == service.application)
      return answer_json(x, located_json(service));
    if (all) list += (list.empty() ? "" : ",") + located_json(service);
  }
  return all ? answer_json(x, "[" + list + "]") : x.fail(404, "NOT_FOUND");
}

std::size_t count_routes(const RouteTable& routes, bool locator, const Directory& directory,
                         std::string_view own_application) {
  std::size_t count = routes.all().size();
  if (!locator) return count;
  for (const Service& service : directory.services()) count += is_located(service, own_application);
  return count;
}

}  // namespace gw::router
