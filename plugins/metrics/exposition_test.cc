// SPDX-License-Identifier: Apache-2.0
#include "exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/json.hpp>
#include <gateway/plugin.hpp>

#include "status_name.h"
#include "window_max.h"

namespace gw::metrics {
namespace {

using ::testing::HasSubstr;

Exposition sample_exposition() {
  Exposition exposition;
  static const gw_str label = str("service");
  static const double bounds[] = {0.01, 0.1};
  static const gw_family histogram{sizeof(gw_family),
                                   GW_HISTOGRAM,
                                   str("http_server_requests_seconds"),
                                   str("Time \\ it"),
                                   &label,
                                   1,
                                   2,
                                   bounds};
  static const gw_family counter{
      sizeof(gw_family), GW_COUNTER, str("tries_total"), str("Tries"), &label, 1, 0, nullptr};
  const std::uint64_t buckets[] = {1, 2, 4};
  for (const char* name : {"A", "B\"\n"}) {
    gw_str value = str(name);
    gw_sample sample{sizeof(gw_sample), 3, &histogram, &value, 1.5, 7, buckets};
    exposition.add(sample);
  }
  gw_str value = str("A");
  exposition.add({sizeof(gw_sample), 0, &counter, &value, 3, 0, nullptr});
  exposition.add_gauge("longest", "Longest", {{"a", "b"}}, 0.25);
  return exposition;
}

TEST(Exposition, PrometheusText) {
  std::string text = sample_exposition().prometheus_text();
  EXPECT_THAT(text, HasSubstr("# TYPE http_server_requests_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("http_server_requests_seconds_count{service=\"A\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("http_server_requests_seconds_sum{service=\"A\"} 1.5\n"));
  EXPECT_THAT(text,
              HasSubstr("http_server_requests_seconds_bucket{service=\"A\",le=\"0.01\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("http_server_requests_seconds_bucket{service=\"A\",le=\"0.1\"} 3\n"));
  EXPECT_THAT(text,
              HasSubstr("http_server_requests_seconds_bucket{service=\"A\",le=\"+Inf\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("{service=\"B\\\"\\n\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE tries_total counter\ntries_total{service=\"A\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("longest{a=\"b\"} 0.25\n"));
}

TEST(Exposition, ActuatorMetrics) {
  Exposition exposition = sample_exposition();
  EXPECT_EQ(exposition.names_json(),
            R"({"names":["http_server_requests_seconds","longest","tries_total"]})");
  auto timer = parse_json(exposition.family_json("http.server.requests").value());
  ASSERT_TRUE(timer.has_value());
  EXPECT_EQ((*timer)["name"], "http.server.requests");
  EXPECT_EQ((*timer)["baseUnit"], "seconds");
  EXPECT_EQ((*timer)["measurements"][0]["value"], 14);
  EXPECT_EQ((*timer)["measurements"][1]["value"], 3.0);
  EXPECT_EQ((*timer)["availableTags"][0]["values"].size(), 2u);
  EXPECT_TRUE(exposition.family_json("tries").has_value());
  EXPECT_FALSE(exposition.family_json("trie").has_value());
  EXPECT_FALSE(exposition.family_json("").has_value());
}

TEST(StatusName, AsSpring) {
  EXPECT_EQ(status_name(200), "OK");
  EXPECT_EQ(status_name(404), "NOT_FOUND");
  EXPECT_EQ(status_name(511), "NETWORK_AUTHENTICATION_REQUIRED");
  EXPECT_EQ(status_name(299), "CUSTOM");
  EXPECT_EQ(status_name(999), "CUSTOM");
  EXPECT_EQ(outcome_name(204), "SUCCESS");
  EXPECT_EQ(outcome_name(0), "UNKNOWN");
  EXPECT_EQ(method_label(method_index("DELETE")), "DELETE");
  EXPECT_EQ(method_label(method_index("BREW")), "OTHER");
  EXPECT_EQ(method_label(method_index("OTHER")), "OTHER");
}

TEST(WindowMax, ForgetsAfterMinutes) {
  constexpr std::uint64_t kMinute = 60'000'000'000;
  WindowMax max;
  max.record(5, 10 * kMinute);
  max.record(3, 10 * kMinute + 1);
  EXPECT_EQ(max.value(10 * kMinute + 2), 5u);
  max.record(4, 12 * kMinute);
  EXPECT_EQ(max.value(12 * kMinute), 5u);
  EXPECT_EQ(max.value(13 * kMinute), 4u);
  max.record(1, 13 * kMinute);
  EXPECT_EQ(max.value(13 * kMinute), 4u);
  EXPECT_EQ(max.value(20 * kMinute), 0u);
}

}  // namespace
}  // namespace gw::metrics
