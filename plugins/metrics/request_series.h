// SPDX-License-Identifier: Apache-2.0
//
// The two timers that Spring's dashboards live on, per worker:
//   http_server_requests_seconds{method,status,outcome,uri,exception,error}
//   spring_cloud_gateway_requests_seconds{routeId,routeUri,outcome,status,httpStatusCode,httpMethod}
// What a label may be is bounded here, so that no client can make series: unknown methods are
// OTHER, uri is one of the configured patterns, UNKNOWN or NOT_FOUND. A request costs a look into
// two hash tables of numbers; labels are built once per series.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <gateway/path_pattern.hpp>
#include <gateway/plugin.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exposition.h"
#include "window_max.h"

namespace gw::metrics {

struct Request {
  std::string_view method;
  std::string_view path;
  std::string_view route_id;  // empty: not routed
  std::string_view route_uri;
  std::uint32_t status = 0;     // 0: none was sent
  std::string_view error_code;  // of the gateway's own error answer
  std::uint64_t duration_ns = 0;
};

struct SeriesOptions {
  std::vector<double> bounds_s;   // of the histograms, rising
  std::vector<PathPattern> uris;  // of the gateway's own answers
};

// Maxima of http_server_requests_seconds, shared by the workers. Thread-safe.
class Maxima {
 public:
  static constexpr std::size_t kMost = 2048;
  struct Labels {
    std::string method, status, outcome, uri, error;
    bool operator==(const Labels&) const = default;
  };

  // The maximum of a series, made when new; null when there are kMost. Lives as long as this.
  WindowMax* find(const Labels& labels);
  void write_to(Exposition& exposition, std::uint64_t now_ns);

 private:
  struct Entry {
    Labels labels;
    WindowMax max;
  };
  std::mutex mutex_;
  std::deque<Entry> entries_;
};

// One worker's series. On its thread.
class RequestSeries {
 public:
  static constexpr std::uint32_t kMostRoutes = 1000;
  static constexpr std::uint32_t kMostErrors = 60;

  // What it is given outlives it.
  RequestSeries(Worker worker, const SeriesOptions& options, Maxima& maxima);
  void record(const Request& request, std::uint64_t now_ns);

 private:
  struct Served {
    gw_cell* cell;
    WindowMax* max;
  };
  struct Route {
    std::string id, uri;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  std::uint32_t uri_index(const Request& request) const;
  std::string_view uri_label(std::uint32_t index) const;
  std::uint32_t error_index(const Request& request);
  Served make_served(std::uint32_t method, std::uint32_t status, std::uint32_t uri,
                     std::uint32_t error);
  std::uint32_t route_index(std::string_view id, std::string_view uri);
  gw_cell* make_routed(const Route& route, std::uint32_t method, std::uint32_t status);

  Worker worker_;
  const SeriesOptions& options_;
  Maxima& maxima_;
  std::unordered_map<std::uint64_t, Served> served_;
  std::unordered_map<std::uint64_t, gw_cell*> routed_;
  std::vector<Route> routes_;
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> newest_route_;
  std::vector<std::string> errors_;
};

}  // namespace gw::metrics
