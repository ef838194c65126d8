// SPDX-License-Identifier: Apache-2.0
#include "exposition.h"

#include <prometheus/text_serializer.h>

#include <gateway/json.hpp>
#include <gateway/plugin.hpp>
#include <limits>
#include <map>
#include <set>
#include <sstream>

namespace gw::metrics {
namespace {

using Json = nlohmann::ordered_json;

prometheus::MetricType type_of(std::uint32_t type) {
  switch (type) {
    case GW_COUNTER:
      return prometheus::MetricType::Counter;
    case GW_HISTOGRAM:
      return prometheus::MetricType::Histogram;
    default:
      return prometheus::MetricType::Gauge;
  }
}

void fill_histogram(const gw_sample& sample, prometheus::ClientMetric::Histogram& out) {
  out.sample_count = sample.count;
  out.sample_sum = sample.value;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < sample.bucket_count; ++i) {
    total += sample.buckets[i];
    bool last = i >= sample.family->bound_count;
    out.bucket.push_back(
        {total, last ? std::numeric_limits<double>::infinity() : sample.family->bounds[i]});
  }
}

// Spring's dots are Prometheus's underscores, and the unit or "_total" is not part of Spring's
// name.
bool names_family(std::string_view asked, std::string_view family) {
  if (asked.size() > family.size()) return false;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    char c = asked[i] == '.' || asked[i] == '-' ? '_' : asked[i];
    if (c != family[i]) return false;
  }
  std::string_view rest = family.substr(asked.size());
  return rest.empty() || rest == "_seconds" || rest == "_total" || rest == "_bytes" ||
         rest == "_seconds_total" || rest == "_bytes_total";
}

Json measurements(const prometheus::MetricFamily& family) {
  double sum = 0;
  std::uint64_t count = 0;
  for (const auto& metric : family.metric) {
    sum += metric.counter.value + metric.gauge.value + metric.histogram.sample_sum;
    count += metric.histogram.sample_count;
  }
  Json all = Json::array();
  if (family.type == prometheus::MetricType::Histogram) {
    all.push_back({{"statistic", "COUNT"}, {"value", count}});
    all.push_back({{"statistic", "TOTAL_TIME"}, {"value", sum}});
  } else {
    bool counter = family.type == prometheus::MetricType::Counter;
    all.push_back({{"statistic", counter ? "COUNT" : "VALUE"}, {"value", sum}});
  }
  return all;
}

Json tags(const prometheus::MetricFamily& family) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto& metric : family.metric)
    for (const auto& label : metric.label) values[label.name].insert(label.value);
  Json all = Json::array();
  for (const auto& [name, known] : values) all.push_back({{"tag", name}, {"values", known}});
  return all;
}

}  // namespace

prometheus::MetricFamily& Exposition::family(std::string_view name, std::string_view help,
                                             std::uint32_t type) {
  if (families_.empty() || families_.back().name != name)
    families_.push_back({std::string(name), std::string(help), type_of(type), {}});
  return families_.back();
}

void Exposition::add(const gw_sample& sample) {
  const gw_family& described = *sample.family;
  auto& metric =
      family(view(described.name), view(described.help), described.type).metric.emplace_back();
  for (std::uint32_t i = 0; i < described.label_count; ++i)
    metric.label.push_back(
        {std::string(view(described.labels[i])), std::string(view(sample.label_values[i]))});
  switch (described.type) {
    case GW_COUNTER:
      metric.counter.value = sample.value;
      break;
    case GW_HISTOGRAM:
      fill_histogram(sample, metric.histogram);
      break;
    default:
      metric.gauge.value = sample.value;
  }
}

void Exposition::add_gauge(std::string_view name, std::string_view help,
                           const std::vector<std::pair<std::string_view, std::string_view>>& labels,
                           double value) {
  auto& metric = family(name, help, GW_GAUGE).metric.emplace_back();
  for (const auto& [label, text] : labels)
    metric.label.push_back({std::string(label), std::string(text)});
  metric.gauge.value = value;
}

std::string Exposition::prometheus_text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_);
  return std::move(out).str();
}

std::string Exposition::names_json() const {
  std::set<std::string> names;
  for (const auto& known : families_) names.insert(known.name);
  return Json{{"names", names}}.dump();
}

std::optional<std::string> Exposition::family_json(std::string_view name) const {
  for (const auto& known : families_) {
    if (!names_family(name, known.name)) continue;
    Json json{{"name", name}, {"description", known.help}};
    if (known.name.find("_seconds") != std::string::npos) json["baseUnit"] = "seconds";
    json["measurements"] = measurements(known);
    json["availableTags"] = tags(known);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return std::nullopt;
}

}  // namespace gw::metrics
