// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/json.hpp>
#include <gateway/plugin.hpp>
#include <optional>

#include "testing/fake_host.h"

namespace gw::metrics {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class MetricsPlugin : public ::testing::Test {
 protected:
  void start(const char* config = "") {
    metrics.emplace(host, gw_plugin_entry, config);
    ASSERT_TRUE(metrics->created());
    ASSERT_EQ(metrics->start(), GW_OK);
  }
  nlohmann::json json(const testing::Exchange& exchange) {
    return parse_json(exchange.body()).value_or(nlohmann::json());
  }

  testing::FakeHost host;
  std::optional<testing::Instance> metrics;
};

TEST_F(MetricsPlugin, HealthAndInfo) {
  start(R"(info = '{"app":{"name":"gateway-server"}}')");
  testing::Exchange health(host, {&*metrics}, {"GET", "/actuator/health"});
  host.run();
  EXPECT_EQ(health.status(), 200u);
  EXPECT_EQ(health.header("content-type"), "application/vnd.spring-boot.actuator.v3+json");
  EXPECT_EQ(json(health)["status"], "UP");
  EXPECT_EQ(json(health)["groups"].size(), 2u);
  testing::Exchange liveness(host, {&*metrics}, {"GET", "/actuator/health/liveness"});
  testing::Exchange unknown(host, {&*metrics}, {"GET", "/actuator/health/mongo"});
  testing::Exchange info(host, {&*metrics}, {"GET", "/actuator/info"});
  testing::Exchange links(host, {&*metrics}, {"GET", "/actuator"});
  host.run();
  EXPECT_EQ(liveness.status(), 200u);
  EXPECT_EQ(unknown.status(), 404u);
  EXPECT_EQ(info.body(), R"({"app":{"name":"gateway-server"}})");
  EXPECT_EQ(json(links)["_links"]["health"]["href"], "//localhost/actuator/health");
}

TEST_F(MetricsPlugin, OtherPathsAndMethods) {
  start();
  testing::Exchange unknown(host, {&*metrics}, {"GET", "/actuator/env"});
  testing::Exchange deep(host, {&*metrics}, {"GET", "/actuator/health/a/b"});
  testing::Exchange post(host, {&*metrics}, {"POST", "/actuator/health"});
  host.run();
  EXPECT_EQ(unknown.status(), 404u);
  EXPECT_EQ(unknown.error_code(), "ENDPOINT_NOT_FOUND");
  EXPECT_EQ(deep.status(), 404u);
  EXPECT_EQ(post.status(), 405u);
  EXPECT_EQ(post.error_code(), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(post.header("allow"), "GET, HEAD");
}

TEST_F(MetricsPlugin, CountsRequests) {
  start();
  testing::RequestSpec routed{"GET", "/api/v1/products"};
  routed.attributes = {{"route.id", "products"}, {"route.uri", "lb://PRODUCT-SERVICE"}};
  for (int i = 0; i < 3; ++i) {
    testing::Exchange exchange(host, {&*metrics}, routed);
    host.run();
  }
  testing::Exchange actuator(host, {&*metrics}, {"GET", "/actuator/health"});
  testing::Exchange odd(host, {&*metrics}, {"BREW", "/x"});
  host.run();
  EXPECT_EQ(
      host.metric(
          "spring_cloud_gateway_requests_seconds",
          {{"routeId", "products"}, {"routeUri", "lb://PRODUCT-SERVICE"}, {"httpMethod", "GET"}}),
      3);
  EXPECT_EQ(host.metric("http_server_requests_seconds", {{"uri", "UNKNOWN"}, {"method", "GET"}}),
            3);
  EXPECT_EQ(host.metric("http_server_requests_seconds", {{"uri", "/actuator/health"},
                                                         {"status", "200"},
                                                         {"outcome", "SUCCESS"},
                                                         {"exception", "none"},
                                                         {"error", "none"}}),
            1);
  EXPECT_EQ(host.metric("http_server_requests_seconds", {{"method", "OTHER"}}), 1);

  testing::Exchange scrape(host, {&*metrics}, {"GET", "/actuator/prometheus"});
  host.run();
  EXPECT_EQ(scrape.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(scrape.body(), HasSubstr("# TYPE http_server_requests_seconds histogram"));
  EXPECT_THAT(scrape.body(), HasSubstr("http_server_requests_seconds_max{method=\"GET\""));
  EXPECT_THAT(scrape.body(), HasSubstr("le=\"0.01\""));
  testing::Exchange names(host, {&*metrics}, {"GET", "/actuator/metrics"});
  testing::Exchange one(host, {&*metrics}, {"GET", "/actuator/metrics/http.server.requests"});
  testing::Exchange none(host, {&*metrics}, {"GET", "/actuator/metrics/nothing"});
  host.run();
  EXPECT_THAT(json(names)["names"], Contains("http_server_requests_seconds"));
  EXPECT_EQ(json(one)["measurements"][0]["statistic"], "COUNT");
  EXPECT_EQ(none.status(), 404u);
}

TEST_F(MetricsPlugin, ShowsTheReportsOfTheHost) {
  start();
  host.set_report("plugins", R"({"generations":[]})");
  testing::Exchange report(host, {&*metrics}, {"GET", "/actuator/plugins"});
  testing::Exchange none(host, {&*metrics}, {"GET", "/actuator/secrets"});
  testing::Exchange changing(host, {&*metrics}, {"POST", "/actuator/plugins"});
  testing::Exchange links(host, {&*metrics}, {"GET", "/actuator"});
  host.run();
  EXPECT_EQ(report.status(), 200u);
  EXPECT_EQ(report.body(), R"({"generations":[]})");
  EXPECT_EQ(none.status(), 404u);
  EXPECT_EQ(changing.status(), 405u);
  EXPECT_EQ(json(links)["_links"]["plugins"]["href"], "//localhost/actuator/plugins");
}

TEST_F(MetricsPlugin, BadConfigurationIsExplained) {
  for (const char* wrong :
       {"buckets_ms = [10, 5]", "buckets_ms = [0]", "uris = [\"/a/**/b\"]", "info = '[1]'"}) {
    testing::FakeHost other;
    testing::Instance instance(other, gw_plugin_entry, wrong);
    EXPECT_FALSE(instance.created()) << wrong;
    EXPECT_EQ(instance.complaints().size(), 1u) << wrong;
  }
}

}  // namespace
}  // namespace gw::metrics
