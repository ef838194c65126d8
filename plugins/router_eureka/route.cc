// SPDX-License-Identifier: Apache-2.0
#include "route.h"

#include <algorithm>
#include <gateway/json.hpp>

namespace gw::router {
namespace {

// "host[:port]" of a URI's authority, with the scheme's port where none is given.
std::string parse_authority(std::string_view authority, std::string_view default_port,
                            std::string& out) {
  if (authority.find('@') != std::string_view::npos)
    return "user and password have no place in a route's uri";
  std::size_t colon = authority.rfind(':');
  bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  out = std::string(authority) + (has_port ? "" : ":" + std::string(default_port));
  return is_endpoint_address(out) ? "" : "'" + std::string(authority) + "' is not host:port";
}

// Default and route filters are both numbered from 1, and merged stably.
void merge_filters(Route& route, std::vector<std::unique_ptr<Filter>> defaults,
                   std::vector<std::unique_ptr<Filter>> own) {
  for (std::size_t i = 0; i < std::max(defaults.size(), own.size()); ++i) {
    for (auto* list : {&defaults, &own}) {
      if (i >= list->size()) continue;
      route.filters.push_back(std::move((*list)[i]));
      route.filter_orders.push_back(static_cast<std::uint32_t>(i + 1));
    }
  }
}

bool compile_filters(const std::vector<std::string>& texts,
                     std::vector<std::unique_ptr<Filter>>& out, std::string& error) {
  for (const std::string& text : texts) {
    out.push_back(compile_filter(parse_shortcut(text), error));
    if (out.back() != nullptr) continue;
    error = "filter '" + text + "': " + error;
    return false;
  }
  return true;
}

}  // namespace

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == ':';
  });
}

bool is_endpoint_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    return text.size() > 5 && text.size() <= 5 + 107 && text.find('\0') == std::string_view::npos;
  }
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = text.substr(0, colon);
  std::uint64_t port = 0;
  if (!parse_unsigned(text.substr(colon + 1), port) || port == 0 || port > 65535) return false;
  if (host.starts_with('['))
    return host.size() > 2 && host.ends_with(']') && is_host(host.substr(1, host.size() - 2));
  return is_host(host) && host.find(':') == std::string_view::npos;
}

std::string parse_target(std::string_view uri, Target& out) {
  if (uri.starts_with("unix:")) {
    out.address = uri;
    return is_endpoint_address(uri) ? "" : "not a socket's path (at most 107 bytes)";
  }
  std::size_t scheme_end = uri.find("://");
  if (scheme_end == std::string_view::npos) return "not a URI: scheme://host is expected";
  std::string scheme = lower_case(uri.substr(0, scheme_end));
  std::string_view authority = uri.substr(scheme_end + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  bool balanced = scheme == "lb" || scheme.starts_with("lb:");
  if (scheme.starts_with("lb:")) scheme.erase(0, 3);
  if (balanced) {
    if (!is_host(authority)) return "not the name of a service: '" + std::string(authority) + "'";
    out.service = lower_case(authority);
    return scheme == "lb" || scheme == "http" || scheme == "ws" || scheme == "https" ||
                   scheme == "wss"
               ? ""
               : "unknown scheme '" + scheme + "'";
  }
  out.tls = scheme == "https" || scheme == "wss";
  if (!out.tls && scheme != "http" && scheme != "ws")
    return "unknown scheme '" + scheme + "'; known are lb, http, https, ws, wss, unix";
  return parse_authority(authority, out.tls ? "443" : "80", out.address);
}

bool Route::matches(const RequestView& request, PathCaptures& captures) const {
  return std::all_of(predicates.begin(), predicates.end(),
                     [&](const auto& predicate) { return predicate->matches(request, captures); });
}

std::unique_ptr<Route> compile_route(RouteDefinition definition,
                                     const std::vector<std::string>& default_filters,
                                     std::string& error) {
  auto route = std::make_unique<Route>();
  error = parse_target(definition.uri, route->target);
  if (route->target.tls) error = kNoTls;
  if (!error.empty()) {
    error = "uri '" + definition.uri + "': " + error;
    return nullptr;
  }
  for (const std::string& text : definition.predicates) {
    route->predicates.push_back(compile_predicate(parse_shortcut(text), error));
    if (route->predicates.back() != nullptr) continue;
    error = "predicate '" + text + "': " + error;
    return nullptr;
  }
  std::vector<std::unique_ptr<Filter>> defaults, own;
  if (!compile_filters(default_filters, defaults, error) ||
      !compile_filters(definition.filters, own, error))
    return nullptr;
  merge_filters(*route, std::move(defaults), std::move(own));
  route->definition = std::move(definition);
  return route;
}

RouteTable::RouteTable(std::vector<std::unique_ptr<Route>> routes) : routes_(std::move(routes)) {
  std::stable_sort(routes_.begin(), routes_.end(), [](const auto& a, const auto& b) {
    return a->definition.order < b->definition.order;
  });
  for (std::size_t i = 0; i < routes_.size(); ++i) routes_[i]->index = i;
}

const Route* RouteTable::find(const RequestView& request, PathCaptures& captures) const {
  for (const auto& route : routes_) {
    captures.count = 0;
    if (route->matches(request, captures)) return route.get();
  }
  captures.count = 0;
  return nullptr;
}

const Route* RouteTable::find_id(std::string_view id) const {
  for (const auto& route : routes_)
    if (route->definition.id == id) return route.get();
  return nullptr;
}

std::string route_json(const Route& route) {
  nlohmann::ordered_json json;
  std::string predicate;
  for (const auto& one : route.predicates)
    predicate += (predicate.empty() ? "" : " && ") + one->text();
  json["predicate"] = route.predicates.size() > 1 ? "(" + predicate + ")" : predicate;
  json["route_id"] = route.definition.id;
  auto& filters = json["filters"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < route.filters.size(); ++i)
    filters.push_back("[[" + route.filters[i]->text() +
                      "], order = " + std::to_string(route.filter_orders[i]) + "]");
  json["uri"] = route.definition.uri;
  json["order"] = route.definition.order;
  for (const auto& [key, value] : route.definition.metadata) json["metadata"][key] = value;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace gw::router
