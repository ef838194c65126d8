// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gw::base {

namespace {

constexpr std::size_t kMaxFamilies = 2000;
constexpr std::size_t kMaxNameBytes = 200;
constexpr std::size_t kMaxHelpBytes = 1000;

// Written by one thread: a load and a store, no read-modify-write.
void bump(std::atomic<double>& cell, double delta) {
  cell.store(cell.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
}

bool is_name(std::string_view text, bool colons) {
  if (text.empty() || text.size() > kMaxNameBytes || (text[0] >= '0' && text[0] <= '9'))
    return false;
  return std::all_of(text.begin(), text.end(), [colons](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

bool is_valid(const MetricFamily& family) {
  bool histogram = family.type == MetricType::kHistogram;
  if (!histogram && family.type != MetricType::kCounter && family.type != MetricType::kGauge)
    return false;
  if (!is_name(family.name, true) || family.help.size() > kMaxHelpBytes) return false;
  if (family.labels.size() > MetricsRegistry::kMaxLabels) return false;
  for (auto label = family.labels.begin(); label != family.labels.end(); ++label)
    if (!is_name(*label, false) || (histogram && *label == "le") ||
        std::find(family.labels.begin(), label, *label) != label)
      return false;
  if (family.bounds.size() > MetricsRegistry::kMaxBounds || (!histogram && !family.bounds.empty()))
    return false;
  for (std::size_t i = 0; i < family.bounds.size(); ++i)
    if (!std::isfinite(family.bounds[i]) || (i > 0 && family.bounds[i] <= family.bounds[i - 1]))
      return false;
  return true;
}

}  // namespace

MetricCell::MetricCell(MetricType type, const std::vector<double>* bounds)
    : type_(type), bounds_(bounds) {
  if (type == MetricType::kHistogram)
    buckets_ = std::make_unique<std::atomic<std::uint64_t>[]>(bounds->size() + 1);
}

void MetricCell::add(double delta) {
  bool allowed = type_ == MetricType::kGauge ? std::isfinite(delta)
                                             : type_ == MetricType::kCounter && delta >= 0;
  if (allowed && std::isfinite(delta)) bump(value_, delta);
}

void MetricCell::set(double value) {
  if (type_ == MetricType::kGauge) value_.store(value, std::memory_order_relaxed);
}

void MetricCell::observe(double value) {
  if (type_ != MetricType::kHistogram || std::isnan(value)) return;
  // A bound is part of its bucket (Prometheus: le).
  auto bucket = std::lower_bound(bounds_->begin(), bounds_->end(), value) - bounds_->begin();
  std::atomic<std::uint64_t>& count = buckets_[static_cast<std::size_t>(bucket)];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  bump(value_, value);
}

struct MetricsRegistry::Series {
  std::vector<std::unique_ptr<MetricCell>> cells;  // by worker; null where none was asked for
};

struct MetricsRegistry::Family {
  MetricFamily family;
  std::map<std::vector<std::string>, Series> series;  // by label values
};

MetricsRegistry::MetricsRegistry(std::size_t max_series) : max_series_(max_series) {
  MetricFamily refused{MetricType::kCounter,
                       "gateway_metric_series_refused_total",
                       "Series refused because there were too many.",
                       {},
                       {}};
  refused_ = &cell_of(*series_for(*family_for(refused), {}), 0, refused.type, nullptr);
}

MetricsRegistry::~MetricsRegistry() = default;

MetricsRegistry::Family* MetricsRegistry::family_for(const MetricFamily& family) {
  auto found = families_.find(family.name);
  if (found != families_.end()) {
    const MetricFamily& known = found->second->family;
    bool same =
        known.type == family.type && known.labels == family.labels && known.bounds == family.bounds;
    return same ? found->second.get() : nullptr;
  }
  if (families_.size() >= kMaxFamilies || !is_valid(family)) return nullptr;
  auto made = std::make_unique<Family>();
  made->family = family;
  return families_.emplace(family.name, std::move(made)).first->second.get();
}

MetricsRegistry::Series* MetricsRegistry::series_for(
    Family& family, std::span<const std::string_view> label_values) {
  std::vector<std::string> values(label_values.begin(), label_values.end());
  auto found = family.series.find(values);
  if (found != family.series.end()) return &found->second;
  if (refused_ != nullptr && series_count_ >= max_series_) {
    refused_->add(1);
    return nullptr;
  }
  if (refused_ != nullptr) ++series_count_;
  return &family.series[std::move(values)];
}

MetricCell& MetricsRegistry::cell_of(Series& series, std::uint32_t worker, MetricType type,
                                     const std::vector<double>* bounds) {
  if (series.cells.size() <= worker) series.cells.resize(worker + 1);
  std::unique_ptr<MetricCell>& cell = series.cells[worker];
  if (cell == nullptr) cell.reset(new MetricCell(type, bounds));
  return *cell;
}

MetricCell* MetricsRegistry::cell(std::uint32_t worker, const MetricFamily& family,
                                  std::span<const std::string_view> label_values) {
  if (worker >= kMaxWorkers || label_values.size() != family.labels.size()) return nullptr;
  for (std::string_view value : label_values)
    if (value.size() > kMaxLabelValueBytes) return nullptr;
  std::lock_guard lock(mutex_);
  Family* known = family_for(family);
  if (known == nullptr) return nullptr;
  Series* series = series_for(*known, label_values);
  if (series == nullptr) return nullptr;
  return &cell_of(*series, worker, known->family.type, &known->family.bounds);
}

void MetricsRegistry::visit(const std::function<void(const Sample& sample)>& visitor) const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> buckets;
  for (const auto& [name, family] : families_) {
    for (const auto& [labels, series] : family->series) {
      bool histogram = family->family.type == MetricType::kHistogram;
      buckets.assign(histogram ? family->family.bounds.size() + 1 : 0, 0);
      Sample sample{&family->family, labels, 0, 0, buckets};
      for (const auto& cell : series.cells) {
        if (cell == nullptr) continue;
        sample.value += cell->value_.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < buckets.size(); ++i)
          buckets[i] += cell->buckets_[i].load(std::memory_order_relaxed);
      }
      for (std::uint64_t count : buckets) sample.count += count;
      visitor(sample);
    }
  }
}

std::size_t MetricsRegistry::series_count() const {
  std::lock_guard lock(mutex_);
  return series_count_;
}

}  // namespace gw::base
