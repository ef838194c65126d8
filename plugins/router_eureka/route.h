// SPDX-License-Identifier: Apache-2.0
//
// Routes: which requests they are for, what they change, where they lead. A table is made when the
// configuration is read and immutable afterwards; all workers share it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filter.h"
#include "predicate.h"

namespace gw::router {

// Where a route leads: a service by name (lb://), or one endpoint. Of a URI only scheme, host and
// port count, as in Spring.
struct Target {
  std::string service;  // lower case; empty: `address` is the endpoint
  std::string address;  // "host:port", "unix:path"
  bool tls = false;

  bool is_service() const { return !service.empty(); }
};

// Why a target of https or wss is refused: requests to it would all fail.
inline constexpr const char* kNoTls = "the gateway does not speak TLS to services";

// "lb://AUTH-SERVICE", "http://host[:port]", "https://…", "ws://…", "wss://…", "unix:path". The
// error; empty: none.
std::string parse_target(std::string_view uri, Target& out);

// "host:port" with a name or number (IPv6 in brackets), or "unix:path".
bool is_endpoint_address(std::string_view text);

// A host name or number as it may stand in an address; IPv6 without brackets too.
bool is_host(std::string_view text);

struct RouteDefinition {
  std::string id, uri;
  std::vector<std::string> predicates, filters;
  std::int64_t order = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::uint32_t connect_timeout_ms = 0;   // 0: the server's default
  std::uint32_t response_timeout_ms = 0;  // likewise
  std::uint32_t idle_timeout_ms = 0;      // likewise
  std::uint64_t body_limit = 0;           // likewise
};

struct Route {
  RouteDefinition definition;
  Target target;
  std::vector<std::unique_ptr<Predicate>> predicates;
  std::vector<std::unique_ptr<Filter>> filters;  // default filters merged in
  std::vector<std::uint32_t> filter_orders;      // as shown by the Actuator
  std::size_t index = 0;                         // in the table

  bool matches(const RequestView& request, PathCaptures& captures) const;
};

// A route, or null with `error` saying which predicate or filter is wrong and why.
std::unique_ptr<Route> compile_route(RouteDefinition definition,
                                     const std::vector<std::string>& default_filters,
                                     std::string& error);

class RouteTable {
 public:
  // Takes the routes in the order of the configuration; they are searched by `order`, then by
  // place.
  explicit RouteTable(std::vector<std::unique_ptr<Route>> routes);
  RouteTable() = default;

  // The first that matches, or null. `captures` holds the variables of its path.
  const Route* find(const RequestView& request, PathCaptures& captures) const;
  const Route* find_id(std::string_view id) const;
  const std::vector<std::unique_ptr<Route>>& all() const { return routes_; }

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

// The object of /actuator/gateway/routes.
std::string route_json(const Route& route);

}  // namespace gw::router
