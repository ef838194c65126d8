// SPDX-License-Identifier: Apache-2.0
//
// The process's series as a scraper or Spring's /actuator/metrics wants them. Copies what it is
// given, because samples are views that die.
#pragma once

#include <gateway/plugin.h>
#include <prometheus/metric_family.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::metrics {

class Exposition {
 public:
  // Families as they come, the series of one behind each other (gw.metrics/1.visit).
  void add(const gw_sample& sample);
  // A series of a family that is not the host's.
  void add_gauge(std::string_view family, std::string_view help,
                 const std::vector<std::pair<std::string_view, std::string_view>>& labels,
                 double value);

  // text/plain; version=0.0.4
  std::string prometheus_text() const;
  // {"names":[…]}
  std::string names_json() const;
  // One family by its name here or by Spring's ("http.server.requests"): measurements over all
  // series and the tags there are. Nothing when there is no such family.
  std::optional<std::string> family_json(std::string_view name) const;

 private:
  prometheus::MetricFamily& family(std::string_view name, std::string_view help,
                                   std::uint32_t type);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace gw::metrics
