// SPDX-License-Identifier: Apache-2.0
#include "request_series.h"

#include <array>

#include "status_name.h"

namespace gw::metrics {
namespace {

constexpr std::uint32_t kUriUnknown = 0, kUriNotFound = 1, kUriFirst = 2;
constexpr std::uint32_t kNoError = 0;
constexpr double kNanosecond = 1e-9;

std::uint64_t key(std::uint32_t a, std::uint32_t method, std::uint32_t status, std::uint32_t b) {
  return std::uint64_t{a} << 40 | std::uint64_t{b} << 20 | status << 4 | method;
}

std::string status_label(std::uint32_t status) {
  return status == 0 ? "UNKNOWN" : std::to_string(status);
}

}  // namespace

WindowMax* Maxima::find(const Labels& labels) {
  std::lock_guard lock(mutex_);
  for (Entry& entry : entries_)
    if (entry.labels == labels) return &entry.max;
  if (entries_.size() == kMost) return nullptr;
  Entry& entry = entries_.emplace_back();
  entry.labels = labels;
  return &entry.max;
}

void Maxima::write_to(Exposition& exposition, std::uint64_t now_ns) {
  std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    const Labels& labels = entry.labels;
    exposition.add_gauge("http_server_requests_seconds_max", "Longest of the last minutes",
                         {{"method", labels.method},
                          {"status", labels.status},
                          {"outcome", labels.outcome},
                          {"uri", labels.uri},
                          {"exception", labels.error},
                          {"error", labels.error}},
                         static_cast<double>(entry.max.value(now_ns)) * kNanosecond);
  }
}

RequestSeries::RequestSeries(Worker worker, const SeriesOptions& options, Maxima& maxima)
    : worker_(worker), options_(options), maxima_(maxima) {
  errors_.emplace_back("none");
}

void RequestSeries::record(const Request& request, std::uint64_t now_ns) {
  std::uint32_t method = method_index(request.method);
  std::uint32_t status = request.status >= 100 && request.status < 1000 ? request.status : 0;
  double seconds = static_cast<double>(request.duration_ns) * kNanosecond;

  std::uint32_t uri = uri_index(request), error = error_index(request);
  auto [served, is_new] = served_.try_emplace(key(uri, method, status, error));
  if (is_new) served->second = make_served(method, status, uri, error);
  tables.metrics->observe(served->second.cell, seconds);
  if (served->second.max != nullptr) served->second.max->record(request.duration_ns, now_ns);

  if (request.route_id.empty()) return;
  std::uint32_t route = route_index(request.route_id, request.route_uri);
  auto [routed, first] = routed_.try_emplace(key(route, method, status, 0));
  if (first) routed->second = make_routed(routes_[route], method, status);
  tables.metrics->observe(routed->second, seconds);
}

std::uint32_t RequestSeries::uri_index(const Request& request) const {
  if (!request.route_id.empty()) return kUriUnknown;
  for (std::size_t i = 0; i < options_.uris.size(); ++i)
    if (options_.uris[i].match(request.path)) return static_cast<std::uint32_t>(i) + kUriFirst;
  return request.status == 404 ? kUriNotFound : kUriUnknown;
}

std::string_view RequestSeries::uri_label(std::uint32_t index) const {
  if (index == kUriUnknown) return "UNKNOWN";
  if (index == kUriNotFound) return "NOT_FOUND";
  return options_.uris[index - kUriFirst].text();
}

// Like Spring's `exception`, but with the envelope's code; only of failures of the gateway itself.
std::uint32_t RequestSeries::error_index(const Request& request) {
  if (request.error_code.empty() || request.status < 500) return kNoError;
  for (std::size_t i = 1; i < errors_.size(); ++i)
    if (errors_[i] == request.error_code) return static_cast<std::uint32_t>(i);
  bool full = errors_.size() == kMostErrors;
  if (full && errors_.back() == "OTHER") return kMostErrors - 1;
  errors_.emplace_back(errors_.size() + 1 == kMostErrors ? "OTHER" : request.error_code);
  return static_cast<std::uint32_t>(errors_.size() - 1);
}

RequestSeries::Served RequestSeries::make_served(std::uint32_t method, std::uint32_t status,
                                                 std::uint32_t uri, std::uint32_t error) {
  Maxima::Labels labels{std::string(method_label(method)), status_label(status),
                        std::string(outcome_name(status)), std::string(uri_label(uri)),
                        errors_[error]};
  static constexpr std::array<std::string_view, 6> kNames = {"method", "status",    "outcome",
                                                             "uri",    "exception", "error"};
  std::array<gw_str, kNames.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = str(kNames[i]);
  gw_family family{sizeof(gw_family),
                   GW_HISTOGRAM,
                   str("http_server_requests_seconds"),
                   str("Duration of HTTP server request handling"),
                   names.data(),
                   names.size(),
                   static_cast<std::uint32_t>(options_.bounds_s.size()),
                   options_.bounds_s.data()};
  gw_cell* cell = worker_.cell(family, {labels.method, labels.status, labels.outcome, labels.uri,
                                        labels.error, labels.error});
  return {cell, maxima_.find(labels)};
}

// A route keeps its number; one whose uri changed in a reload is another route.
std::uint32_t RequestSeries::route_index(std::string_view id, std::string_view uri) {
  auto found = newest_route_.find(id);
  if (found != newest_route_.end() && routes_[found->second].uri == uri) return found->second;
  if (routes_.size() + 1 >= kMostRoutes) {
    if (routes_.size() < kMostRoutes) routes_.push_back({"OTHER", "OTHER"});
    return kMostRoutes - 1;
  }
  auto index = static_cast<std::uint32_t>(routes_.size());
  routes_.push_back({std::string(id), std::string(uri)});
  newest_route_[std::string(id)] = index;
  return index;
}

gw_cell* RequestSeries::make_routed(const Route& route, std::uint32_t method,
                                    std::uint32_t status) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "routeId", "routeUri", "outcome", "status", "httpStatusCode", "httpMethod"};
  std::array<gw_str, kNames.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = str(kNames[i]);
  gw_family family{sizeof(gw_family),
                   GW_HISTOGRAM,
                   str("spring_cloud_gateway_requests_seconds"),
                   str("Duration of requests by route"),
                   names.data(),
                   names.size(),
                   static_cast<std::uint32_t>(options_.bounds_s.size()),
                   options_.bounds_s.data()};
  // HttpStatus.Series says SUCCESSFUL where Micrometer says SUCCESS.
  std::string_view outcome = status / 100 == 2 ? "SUCCESSFUL" : outcome_name(status);
  std::string_view name = status == 0 ? "UNKNOWN" : status_name(status);
  return worker_.cell(
      family, {route.id, route.uri, outcome, name, status_label(status), method_label(method)});
}

}  // namespace gw::metrics
