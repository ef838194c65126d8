// SPDX-License-Identifier: Apache-2.0
#include "routing_part.h"

#include "locator.h"
#include "routes_endpoint.h"

namespace gw::router {
namespace {

constexpr std::string_view kResults[] = {"answered",  "refused",          "connect_timeout",
                                         "broken",    "response_timeout", "bad_answer",
                                         "abandoned", "overloaded"};
constexpr std::size_t kMostServiceLabels = 2000;

std::uint32_t random_seed(Context context) {
  std::uint32_t seed = 0;
  context.random(&seed, sizeof seed);
  return seed;
}

// No endpoint is left to try.
Verdict give_up(Exchange x, const gw_attempt* previous) {
  if (previous == nullptr) return x.fail(503, "SERVICE_UNAVAILABLE");
  switch (previous->result) {
    case GW_ATTEMPT_CONNECT_TIMEOUT:
    case GW_ATTEMPT_RESPONSE_TIMEOUT:
      return x.fail(504, "EXTERNAL_API_TIMEOUT");
    case GW_ATTEMPT_OVERLOADED:
      return x.fail(503, "SERVICE_UNAVAILABLE", {}, {{"Retry-After", "1"}});
    default:
      return x.fail(502, "EXTERNAL_API_ERROR");
  }
}

}  // namespace

RoutingPart::RoutingPart(Context context, Worker worker, const Settings& settings,
                         RouteAttributes attributes, std::shared_ptr<const Directory> directory)
    : context_(context),
      worker_(worker),
      settings_(settings),
      attributes_(attributes),
      balancer_(random_seed(context)) {
  for (const auto& route : settings_.routes.all()) {
    const Target& target = route->target;
    route_cells_.push_back(&cells_of(target.is_service() ? target.service : target.address));
  }
  set_directory(std::move(directory));
}

void RoutingPart::set_directory(std::shared_ptr<const Directory> directory) {
  route_services_.clear();
  for (const auto& route : settings_.routes.all())
    route_services_.push_back(directory->find(route->target.service));
  balancer_.set_directory(std::move(directory));
}

Verdict RoutingPart::choose(Exchange x, void*& slot, const gw_attempt* previous, gw_endpoint& out) {
  if (slot != nullptr) return pick(x, *static_cast<Trip*>(slot), previous, out);
  ExchangeView request(x);
  if (is_routes_endpoint(request.path))
    return answer_routes(x, settings_.routes, settings_.locator != nullptr, balancer_.directory(),
                         settings_.eureka.self.application);
  std::string_view path = request.path;
  Trip* trip = find_route(x, request, path);
  if (trip == nullptr) return x.fail(404, "ENDPOINT_NOT_FOUND");
  // The locator's path is shorter than the request's.
  const bool changes = !trip->route->filters.empty() || path.size() != request.path.size();
  if (changes && !apply_filters(x, request, path, *trip)) return GW_REPLIED;
  slot = trip;
  return pick(x, *trip, nullptr, out);
}

Trip* RoutingPart::find_route(Exchange x, const ExchangeView& request, std::string_view& path) {
  const Route* route = settings_.routes.find(request, captures_);
  if (route == nullptr)
    return settings_.locator != nullptr ? find_discovered(x, request, path) : nullptr;
  Trip* trip = x.make<Trip>();
  trip->route = route;
  trip->service = route->target.service;
  trip->cells = route_cells_[route->index];
  trip->body_limit = route->definition.body_limit;
  x.set_attribute(attributes_.id, route->definition.id);
  x.set_attribute(attributes_.uri, route->definition.uri);
  return trip;
}

Trip* RoutingPart::find_discovered(Exchange x, const ExchangeView& request,
                                   std::string_view& path) {
  auto found = locate(balancer_.directory(), settings_.eureka.self.application, request.path);
  if (!found) return nullptr;
  Trip* trip = x.make<Trip>();
  trip->route = settings_.locator.get();
  trip->service = x.keep(found->service->name);
  trip->cells = &cells_of(found->service->name);
  scratch_ = kLocatorPrefix;
  x.set_attribute(attributes_.id, scratch_ += found->service->application);
  scratch_ = "lb://";
  x.set_attribute(attributes_.uri, scratch_ += found->service->name);
  path = found->path;
  return trip;
}

// False: answered.
bool RoutingPart::apply_filters(Exchange x, const ExchangeView& request, std::string_view path,
                                Trip& trip) {
  path_ = path;
  ExchangeHeaders headers(x, GW_REQUEST);
  RequestChange change{headers, captures_, path_, scratch_};
  for (const auto& filter : trip.route->filters) {
    filter->on_request(change);
    if (path_.empty()) break;  // a filter gave up: no later one may make a path of that
  }
  if (change.preserve_host) trip.flags |= GW_ENDPOINT_PRESERVE_HOST;
  trip.host = change.host;
  if (change.body_limit != 0) trip.body_limit = change.body_limit;
  if (path_ == request.path) return true;
  gw_status status = x.set_target(path_, request.query);
  if (status == GW_OK) return true;
  // The client's path, put where the route wants it, is ambiguous (or too long).
  if (status == GW_INVALID) {
    x.fail(400, "BAD_REQUEST");
  } else {
    x.fail(500, "INTERNAL_SERVER_ERROR");
  }
  return false;
}

Verdict RoutingPart::pick(Exchange x, Trip& trip, const gw_attempt* previous, gw_endpoint& out) {
  trip.last_failed = true;  // until an endpoint is there
  if (trip.service.empty()) {
    if (previous != nullptr) return give_up(x, previous);
    const Target& target = trip.route->target;
    fill(trip, target.address, target.tls, 1, out);
  } else {
    std::size_t service = service_index(trip);
    if (service == Directory::kMissing) return give_up(x, previous);
    const Endpoint* endpoint = balancer_.choose(service, trip.tried, context_.monotonic_ns());
    if (endpoint == nullptr) return give_up(x, previous);
    trip.tried.add(endpoint->id);
    // A copy: the directory may be replaced while the exchange goes on.
    fill(trip, x.keep(endpoint->address), endpoint->tls, endpoint->id, out);
  }
  trip.last_failed = false;
  return GW_CONTINUE;
}

void RoutingPart::fill(const Trip& trip, std::string_view address, bool tls, std::uint64_t id,
                       gw_endpoint& out) const {
  out.flags = trip.flags | (tls ? static_cast<std::uint32_t>(GW_ENDPOINT_TLS) : 0u);
  out.address = str(address);
  out.host = str(trip.host);
  out.connect_timeout_ms = trip.route->definition.connect_timeout_ms;
  out.response_timeout_ms = trip.route->definition.response_timeout_ms;
  out.idle_timeout_ms = trip.route->definition.idle_timeout_ms;
  out.body_limit = trip.body_limit;
  out.token = id;
}

std::size_t RoutingPart::service_index(const Trip& trip) const {
  if (trip.route == settings_.locator.get()) return balancer_.directory().find(trip.service);
  return route_services_[trip.route->index];
}

void RoutingPart::outcome(void* slot, const gw_attempt& attempt) {
  auto* trip = static_cast<Trip*>(slot);
  if (trip == nullptr) return;
  auto result = static_cast<std::size_t>(attempt.result);
  if (attempt.result >= 0 && result < trip->cells->by_result.size()) {
    gw_cell*& cell = trip->cells->by_result[result];
    if (cell == nullptr) {
      static const gw_str kLabels[] = {str("service"), str("result")};
      gw_family family{sizeof(gw_family),
                       GW_COUNTER,
                       str("gateway_upstream_attempts_total"),
                       str("Attempts to get an answer of a service"),
                       kLabels,
                       2,
                       0,
                       nullptr};
      cell = worker_.cell(family, {trip->cells->service, kResults[result]});
    }
    tables.metrics->add(cell, 1);
  }
  trip->last_failed = attempt.result != GW_ATTEMPT_ANSWERED;
  if (attempt.result == GW_ATTEMPT_ANSWERED) balancer_.reachable(attempt.token);
  if (attempt.result == GW_ATTEMPT_REFUSED || attempt.result == GW_ATTEMPT_CONNECT_TIMEOUT)
    balancer_.unreachable(attempt.token, context_.monotonic_ns());
}

// Only answers of a service are changed, not the gateway's own error answers.
Verdict RoutingPart::on_response_head(Exchange x, void* slot) {
  auto* trip = static_cast<Trip*>(slot);
  if (trip == nullptr || trip->last_failed || trip->route->filters.empty()) return GW_CONTINUE;
  ExchangeHeaders headers(x, GW_RESPONSE);
  std::uint32_t status = tables.exchange->status(x.raw());
  ResponseChange change{headers, status};
  for (const auto& filter : trip->route->filters) filter->on_response(change);
  if (change.status != status) tables.exchange->set_status(x.raw(), change.status);
  return GW_CONTINUE;
}

// Names come from the configuration and the registry; were they too many, the rest share one.
AttemptCells& RoutingPart::cells_of(std::string_view service) {
  auto found = cells_.find(service);
  if (found == cells_.end() && cells_.size() >= kMostServiceLabels)
    found = cells_.find(service = "OTHER");
  if (found == cells_.end()) {
    auto cells = std::make_unique<AttemptCells>();
    cells->service = service;
    found = cells_.emplace(std::string(service), std::move(cells)).first;
  }
  return *found->second;
}

}  // namespace gw::router
