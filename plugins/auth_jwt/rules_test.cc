// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <gtest/gtest.h>

namespace gw::auth {
namespace {

TEST(Rules, DefaultPublicPaths) {
  Rules rules;
  add_default_rules(rules);
  auto is_public = [&](const char* method, const char* path) {
    return rules.decide(method, path).access == Access::kPublic;
  };
  for (const char* path :
       {"/actuator", "/actuator/health", "/health", "/health/live", "/swagger-ui/index.html",
        "/swagger-ui.html", "/v3/api-docs", "/v3/api-docs/swagger-config", "/.well-known/jwks.json",
        "/auth-service/v3/api-docs", "/reservation-seat-service/v3/api-docs/x",
        "/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh",
        "/api/v1/auth/check-email"})
    for (const char* method : {"GET", "HEAD", "POST", "DELETE"})
      EXPECT_TRUE(is_public(method, path)) << method << path;
  for (const char* path :
       {"/api/v1/products", "/api/v1/products/7", "/api/v1/arthalls", "/api/v1/arthalls/1/2",
        "/api/v1/auth/oauth/kakao", "/api/v1/auth/oauth/kakao/callback"}) {
    EXPECT_TRUE(is_public("GET", path)) << path;
    for (const char* method : {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get"})
      EXPECT_FALSE(is_public(method, path)) << method << path;
  }
  EXPECT_TRUE(is_public("POST", "/api/v1/tickets/5/use"));
  EXPECT_FALSE(is_public("GET", "/api/v1/tickets/5/use"));
  for (const char* path :
       {"/", "/api/v1/queue/lineup", "/api/v1/products/7/8", "/api/v1/Products",
        "/api/v1/auth/logout", "/api/v1/auth/login/", "/api/v1/auth/login/x", "/actuators",
        "/payment-service/v3/api-docs", "/api/v1/tickets/use", "/api/v1/tickets//use",
        "/api/v1/auth/oauth/kakao/link", "/swagger-ui.html/x"})
    for (const char* method : {"GET", "POST"})
      EXPECT_FALSE(is_public(method, path)) << method << path;
}

TEST(Rules, FirstMatchWinsAndNothingMeansToken) {
  Rules rules;
  EXPECT_EQ(rules.add({"GET"}, "/admin/health", Access::kPublic), "");
  EXPECT_EQ(rules.add({}, "/admin/**", Access::kDeny), "");
  EXPECT_EQ(rules.add({}, "/ops/**", Access::kToken, 3), "");
  EXPECT_EQ(rules.add({}, "/**", Access::kPublic), "");
  EXPECT_EQ(rules.decide("GET", "/admin/health").access, Access::kPublic);
  EXPECT_EQ(rules.decide("POST", "/admin/health").access, Access::kDeny);
  EXPECT_EQ(rules.decide("GET", "/ops/x").requirement, 3u);
  EXPECT_EQ(rules.decide("GET", "/ops/x").access, Access::kToken);
  EXPECT_EQ(rules.decide("GET", "/x").access, Access::kPublic);
  EXPECT_EQ(Rules().decide("GET", "/x").access, Access::kToken);
}

TEST(Rules, BadPatternIsNamed) {
  Rules rules;
  EXPECT_NE(rules.add({}, "/a/**/b", Access::kPublic).find("\"/a/**/b\": "), std::string::npos);
  EXPECT_EQ(rules.decide("GET", "/a/b").access, Access::kToken);
}

}  // namespace
}  // namespace gw::auth
