// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace gw::base {
namespace {

using Values = std::vector<std::string_view>;

MetricFamily counter(std::string name, std::vector<std::string> labels = {}) {
  return {MetricType::kCounter, std::move(name), "help", std::move(labels), {}};
}

struct Seen {
  std::string name;
  std::vector<std::string> labels;
  double value;
  std::uint64_t count;
  std::vector<std::uint64_t> buckets;
};

std::vector<Seen> all(const MetricsRegistry& metrics) {
  std::vector<Seen> seen;
  metrics.visit([&](const MetricsRegistry::Sample& sample) {
    if (sample.family->name == "gateway_metric_series_refused_total") return;
    seen.push_back({sample.family->name,
                    {sample.label_values.begin(), sample.label_values.end()},
                    sample.value,
                    sample.count,
                    {sample.buckets.begin(), sample.buckets.end()}});
  });
  return seen;
}

TEST(Metrics, SumsOverWorkersInOrder) {
  MetricsRegistry metrics;
  auto requests = counter("requests_total", {"route"});
  metrics.cell(1, requests, Values{"b"})->add(2);
  metrics.cell(0, requests, Values{"b"})->add(1.5);
  metrics.cell(0, requests, Values{"a"})->add(1);
  metrics.cell(0, counter("a_total"), {})->add(7);
  auto seen = all(metrics);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].name, "a_total");
  EXPECT_EQ(seen[1].labels, std::vector<std::string>{"a"});
  EXPECT_EQ(seen[2].value, 3.5);
  EXPECT_EQ(metrics.series_count(), 3u);
}

TEST(Metrics, TheSameSeriesIsTheSameCell) {
  MetricsRegistry metrics;
  auto family = counter("x_total", {"a"});
  MetricCell* cell = metrics.cell(0, family, Values{"1"});
  EXPECT_EQ(metrics.cell(0, family, Values{"1"}), cell);
  EXPECT_NE(metrics.cell(1, family, Values{"1"}), cell);
  EXPECT_NE(metrics.cell(0, family, Values{"2"}), cell);
}

TEST(Metrics, EachTypeTakesItsOwnOperations) {
  MetricsRegistry metrics;
  MetricCell* count = metrics.cell(0, counter("c_total"), {});
  MetricCell* gauge = metrics.cell(0, {MetricType::kGauge, "g", "", {}, {}}, {});
  count->add(1);
  count->add(-1);
  count->add(std::nan(""));
  count->add(std::numeric_limits<double>::infinity());
  count->set(9);
  count->observe(9);
  gauge->set(5);
  gauge->add(-2);
  auto seen = all(metrics);
  EXPECT_EQ(seen[0].value, 1);
  EXPECT_EQ(seen[1].value, 3);
}

TEST(Metrics, HistogramBucketsIncludeTheirBound) {
  MetricsRegistry metrics;
  MetricFamily family{MetricType::kHistogram, "h_seconds", "", {}, {0.1, 1}};
  MetricCell* cell = metrics.cell(0, family, {});
  for (double value : {0.05, 0.1, 0.5, 1.0, 3.0}) cell->observe(value);
  cell->observe(std::nan(""));
  metrics.cell(1, family, {})->observe(2);
  auto seen = all(metrics);
  EXPECT_EQ(seen[0].buckets, (std::vector<std::uint64_t>{2, 2, 2}));
  EXPECT_EQ(seen[0].count, 6u);
  EXPECT_DOUBLE_EQ(seen[0].value, 6.65);
}

TEST(Metrics, FamiliesMustAgree) {
  MetricsRegistry metrics;
  ASSERT_NE(metrics.cell(0, counter("x", {"a"}), Values{"1"}), nullptr);
  EXPECT_EQ(metrics.cell(0, counter("x", {"b"}), Values{"1"}), nullptr);
  EXPECT_EQ(metrics.cell(0, counter("x"), {}), nullptr);
  EXPECT_EQ(metrics.cell(0, {MetricType::kGauge, "x", "", {"a"}, {}}, Values{"1"}), nullptr);
  EXPECT_EQ(metrics.cell(0, counter("x", {"a"}), {}), nullptr);
  auto other_help = counter("x", {"a"});
  other_help.help = "said differently";
  EXPECT_NE(metrics.cell(0, other_help, Values{"1"}), nullptr);
}

TEST(Metrics, RefusesWhatPrometheusWouldNotTake) {
  MetricsRegistry metrics;
  auto histogram = [](std::vector<std::string> labels, std::vector<double> bounds) {
    return MetricFamily{MetricType::kHistogram, "h", "", std::move(labels), std::move(bounds)};
  };
  const MetricFamily bad[] = {
      counter(""),
      counter("1x"),
      counter("a-b"),
      counter("a b"),
      counter("\xea\xb0\x80"),
      counter("x", {"a:b"}),
      counter("x", {""}),
      counter("x", {"a", "a"}),
      counter("x", std::vector<std::string>(17, "a")),
      {static_cast<MetricType>(9), "x", "", {}, {}},
      {MetricType::kGauge, "x", "", {}, {1}},
      histogram({"le"}, {1}),
      histogram({}, {1, 1}),
      histogram({}, {2, 1}),
      histogram({}, {std::numeric_limits<double>::infinity()}),
      histogram({}, {std::nan("")}),
  };
  for (const MetricFamily& family : bad) {
    Values values(family.labels.size(), "v");
    EXPECT_EQ(metrics.cell(0, family, values), nullptr) << family.name;
  }
  std::string longest(MetricsRegistry::kMaxLabelValueBytes + 1, 'v');
  EXPECT_EQ(metrics.cell(0, counter("x", {"a"}), Values{longest}), nullptr);
  EXPECT_EQ(metrics.cell(MetricsRegistry::kMaxWorkers, counter("x"), {}), nullptr);
}

TEST(Metrics, CapsSeriesAndCountsWhatItRefuses) {
  MetricsRegistry metrics(2);
  auto family = counter("x_total", {"user"});
  EXPECT_NE(metrics.cell(0, family, Values{"1"}), nullptr);
  EXPECT_NE(metrics.cell(0, family, Values{"2"}), nullptr);
  EXPECT_EQ(metrics.cell(0, family, Values{"3"}), nullptr);
  EXPECT_EQ(metrics.cell(1, family, Values{"4"}), nullptr);
  EXPECT_NE(metrics.cell(1, family, Values{"2"}), nullptr);
  double refused = 0;
  metrics.visit([&](const auto& sample) {
    if (sample.family->name == "gateway_metric_series_refused_total") refused = sample.value;
  });
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(metrics.series_count(), 2u);
}

TEST(Metrics, ReadersSeeWhileWorkersWrite) {
  MetricsRegistry metrics;
  constexpr int kWorkers = 3, kRounds = 20000;
  std::vector<std::thread> workers;
  for (std::uint32_t worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([&, worker] {
      MetricCell* cell = metrics.cell(worker, counter("n_total"), {});
      MetricCell* seconds = metrics.cell(worker, {MetricType::kHistogram, "s", "", {}, {1, 2}}, {});
      for (int i = 0; i < kRounds; ++i) {
        cell->add(1);
        seconds->observe(i % 3);
      }
    });
  double last = 0;
  for (int i = 0; i < 100; ++i)
    for (const Seen& seen : all(metrics))
      if (seen.name == "n_total") {
        EXPECT_GE(seen.value, last);
        last = seen.value;
      }
  for (auto& worker : workers) worker.join();
  auto seen = all(metrics);
  EXPECT_EQ(seen[0].value, kWorkers * kRounds);
  EXPECT_EQ(seen[1].count, static_cast<std::uint64_t>(kWorkers * kRounds));
}

}  // namespace
}  // namespace gw::base
