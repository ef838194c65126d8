// SPDX-License-Identifier: Apache-2.0
//
// Metrics: counters, gauges and histograms of the process; the registry behind gw.metrics/1.
//
// Every series has one cell per worker. A cell is written by its worker alone, with plain loads and
// stores that are atomic only so that a reader on another thread sees whole numbers: counting costs
// an addition, no locked instruction. Readers sum the cells.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::base {

// Values as GW_COUNTER ... in gateway/abi/observe.h.
enum class MetricType : std::uint32_t { kCounter = 1, kGauge = 2, kHistogram = 3 };

struct MetricFamily {
  MetricType type = MetricType::kCounter;
  std::string name;  // Prometheus: [a-zA-Z_:][a-zA-Z0-9_:]*
  std::string help;
  std::vector<std::string> labels;  // [a-zA-Z_][a-zA-Z0-9_]*, not "le" for histograms
  std::vector<double> bounds;       // histogram: finite upper bounds, rising
};

// One series on one worker. Only that worker's thread may write it.
class MetricCell {
 public:
  // Counter (negative or NaN is ignored) or gauge.
  void add(double delta);
  // Gauge: this worker's share of the sum.
  void set(double value);
  // Histogram; NaN is ignored.
  void observe(double value);

 private:
  friend class MetricsRegistry;
  MetricCell(MetricType type, const std::vector<double>* bounds);

  MetricType type_;
  const std::vector<double>* bounds_;  // the family's
  std::atomic<double> value_{0};
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;  // histogram: bounds + 1
};

// Any thread. Cells live as long as the registry, so counts stay when the instance that asked for
// them is gone.
class MetricsRegistry {
 public:
  // `max_series`: distinct label values over all families; what is refused beyond it is counted in
  // gateway_metric_series_refused_total (which is not counted as one of them).
  explicit MetricsRegistry(std::size_t max_series = 10000);
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // The cell of a series on one worker (workers count from 0, below kMaxWorkers); the same when
  // asked again. Null: not a valid family, one of that name differs in type, labels or bounds, the
  // wrong number of label values, or no room. Takes a lock: ask once and keep the cell.
  MetricCell* cell(std::uint32_t worker, const MetricFamily& family,
                   std::span<const std::string_view> label_values);

  struct Sample {
    const MetricFamily* family;
    std::span<const std::string> label_values;
    double value;                            // counter, gauge; histogram: sum
    std::uint64_t count;                     // histogram
    std::span<const std::uint64_t> buckets;  // histogram: bounds + 1, not cumulative
  };
  // Every series, families in order of name, series in order of their label values. Holds the
  // registry's lock: `visitor` must not ask for cells.
  void visit(const std::function<void(const Sample& sample)>& visitor) const;

  std::size_t series_count() const;

  static constexpr std::uint32_t kMaxWorkers = 1024;
  static constexpr std::size_t kMaxLabels = 16;
  static constexpr std::size_t kMaxLabelValueBytes = 512;
  static constexpr std::size_t kMaxBounds = 64;

 private:
  struct Series;
  struct Family;
  Family* family_for(const MetricFamily& family);
  Series* series_for(Family& family, std::span<const std::string_view> label_values);
  static MetricCell& cell_of(Series& series, std::uint32_t worker, MetricType type,
                             const std::vector<double>* bounds);

  mutable std::mutex mutex_;
  std::size_t max_series_;
  std::size_t series_count_ = 0;
  MetricCell* refused_ = nullptr;  // written under the lock
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
};

}  // namespace gw::base
