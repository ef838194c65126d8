// SPDX-License-Identifier: Apache-2.0
//
// The router on one worker: finds the route, lets its filters change the request, picks an endpoint
// for each attempt.
#pragma once

#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "settings.h"
#include "trip.h"

namespace gw::router {

// Names of attributes as numbers.
struct RouteAttributes {
  std::uint32_t id = 0, uri = 0;
};

class RoutingPart {
 public:
  // `settings` outlives it.
  RoutingPart(Context context, Worker worker, const Settings& settings, RouteAttributes attributes,
              std::shared_ptr<const Directory> directory);

  void set_directory(std::shared_ptr<const Directory> directory);

  Verdict choose(Exchange x, void*& slot, const gw_attempt* previous, gw_endpoint& out);
  void outcome(void* slot, const gw_attempt& attempt);
  Verdict on_response_head(Exchange x, void* slot);

 private:
  // Null when nothing matches. `path`: the request's, made what filters start from. Fills captures_.
  Trip* find_route(Exchange x, const ExchangeView& request, std::string_view& path);
  Trip* find_discovered(Exchange x, const ExchangeView& request, std::string_view& path);
  bool apply_filters(Exchange x, const ExchangeView& request, std::string_view path, Trip& trip);
  Verdict pick(Exchange x, Trip& trip, const gw_attempt* previous, gw_endpoint& out);
  void fill(const Trip& trip, std::string_view address, bool tls, std::uint64_t id,
            gw_endpoint& out) const;
  std::size_t service_index(const Trip& trip) const;
  AttemptCells& cells_of(std::string_view service);

  Context context_;
  Worker worker_;
  const Settings& settings_;
  RouteAttributes attributes_;
  Balancer balancer_;
  std::vector<std::size_t> route_services_;  // route -> service of the directory, or kMissing
  std::vector<AttemptCells*> route_cells_;   // by a route's index
  std::unordered_map<std::string, std::unique_ptr<AttemptCells>, TextHash, std::equal_to<>> cells_;
  PathCaptures captures_;       // of the request that is being routed
  std::string path_, scratch_;  // between requests only their memory matters
};

}  // namespace gw::router
