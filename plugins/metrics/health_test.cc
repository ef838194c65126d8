// SPDX-License-Identifier: Apache-2.0
#include "health.h"

#include <gateway/plugin.h>
#include <gtest/gtest.h>

#include <gateway/json.hpp>

namespace gw::metrics {
namespace {

TEST(Health, WithNothingReportedItIsUp) {
  HealthPolicy policy;
  HealthAnswer answer = Health(policy).whole();
  EXPECT_EQ(answer.http_status, 200u);
  EXPECT_EQ(
      answer.body,
      R"({"status":"UP","components":{"livenessState":{"status":"UP"},"ping":{"status":"UP"},)"
      R"("readinessState":{"status":"UP"}},"groups":["liveness","readiness"]})");
}

TEST(Health, TheWorstComponentIsTheWhole) {
  HealthPolicy policy;
  Health health(policy);
  health.add("redis", GW_UP, R"({"version":"7.0.0"})");
  health.add("eureka", GW_UNKNOWN, "not json");
  EXPECT_EQ(parse_json(health.whole().body)->at("status"), "UP");
  health.add("jwks", GW_OUT_OF_SERVICE, "[1]");
  EXPECT_EQ(health.whole().http_status, 503u);
  EXPECT_EQ(parse_json(health.whole().body)->at("status"), "OUT_OF_SERVICE");
  health.add("redis", GW_DOWN, R"({"error":"refused"})");
  auto body = *parse_json(health.whole().body);
  EXPECT_EQ(body["status"], "DOWN");
  EXPECT_EQ(body["components"]["redis"]["details"]["error"], "refused");
  EXPECT_FALSE(body["components"]["eureka"].contains("details"));
  EXPECT_FALSE(body["components"]["jwks"].contains("details"));
}

TEST(Health, AComponentMayBeShownWithoutASay) {
  HealthPolicy policy;
  policy.undecisive = {"redis"};
  Health health(policy);
  health.add("redis", GW_DOWN, {});
  EXPECT_EQ(health.whole().http_status, 200u);
  EXPECT_EQ(parse_json(health.whole().body)->at("components").at("redis").at("status"), "DOWN");
}

TEST(Health, ProbesAndComponentsStandAlone) {
  HealthPolicy policy;
  Health health(policy);
  health.add("redis", GW_DOWN, {});
  EXPECT_EQ(health.part("liveness")->http_status, 200u);
  EXPECT_EQ(health.part("liveness")->body,
            R"({"status":"UP","components":{"livenessState":{"status":"UP"}}})");
  EXPECT_EQ(health.part("readiness")->http_status, 200u);
  EXPECT_EQ(health.part("redis")->http_status, 503u);
  EXPECT_EQ(health.part("redis")->body, R"({"status":"DOWN"})");
  EXPECT_FALSE(health.part("mongo").has_value());

  HealthPolicy strict;
  strict.readiness = {"redis", "absent"};
  Health depends(strict);
  depends.add("redis", GW_DOWN, {});
  EXPECT_EQ(depends.part("readiness")->http_status, 503u);
}

TEST(Health, DetailsCanBeHidden) {
  HealthPolicy policy;
  policy.show_details = false;
  Health health(policy);
  health.add("redis", GW_DOWN, R"({"error":"x"})");
  EXPECT_EQ(health.whole().body, R"({"status":"DOWN","groups":["liveness","readiness"]})");
  EXPECT_FALSE(health.part("redis").has_value());
}

}  // namespace
}  // namespace gw::metrics
