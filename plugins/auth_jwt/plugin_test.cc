// SPDX-License-Identifier: Apache-2.0
//
// The plugin as a whole, over the fake host: what clients and services see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plugin_fixture_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the fixture and its helpers
using ::testing::HasSubstr;

TEST_F(AuthPlugin, GoodTokenPassesWithItsIdentity) {
  start();
  auto exchange = ask_token(token_for("alice"));
  EXPECT_EQ(exchange->status(), 200u);
  EXPECT_EQ(exchange->attribute("identity.subject"), "alice");
  EXPECT_EQ(exchange->attribute("identity.type"), "CUSTOMER");
  ASSERT_EQ(exchange->upstream_requests().size(), 1u);
  EXPECT_EQ(exchange->upstream_requests()[0].header("X-User-Id"), "alice");
  EXPECT_EQ(exchange->upstream_requests()[0].header("X-User-Type"), "CUSTOMER");
  EXPECT_EQ(host_.metric("gateway_auth_requests_total", {{"result", "accepted"}}), 1);
}

TEST_F(AuthPlugin, TypeIsEmptyWhenAbsent) {
  start();
  auto exchange = ask_token(token_of(TestKey::shared("rsa"), {{"sub", "alice"}}));
  ASSERT_EQ(exchange->upstream_requests().size(), 1u);
  EXPECT_EQ(exchange->upstream_requests()[0].header("X-User-Type"), "");
  EXPECT_EQ(exchange->attribute("identity.type"), "");
}

TEST_F(AuthPlugin, NoToken) {
  start();
  for (const Headers& headers : {Headers{}, Headers{{"Authorization", "Basic YTpi"}}}) {
    auto exchange = ask(headers);
    EXPECT_EQ(exchange->status(), 401u);
    EXPECT_EQ(exchange->error_code(), "USER_ID_REQUIRED");
    EXPECT_THAT(exchange->body(), HasSubstr("로그인이 필요합니다."));
    EXPECT_EQ(exchange->header("WWW-Authenticate"), "Bearer");
    EXPECT_TRUE(exchange->upstream_requests().empty());
  }
  EXPECT_EQ(host_.metric("gateway_auth_requests_total", {{"result", "missing"}}), 2);
}

TEST_F(AuthPlugin, BadTokenIsRefusedAlsoOnPublicPaths) {
  start();
  std::string forged = token_of(TestKey::shared("mallory"), {{"sub", "alice"}});
  for (const char* path : {"/api/v1/queue/status", "/api/v1/auth/login"}) {
    auto exchange = ask({{"Authorization", "Bearer " + forged}}, path);
    EXPECT_EQ(exchange->status(), 401u);
    EXPECT_EQ(exchange->error_code(), "INVALID_TOKEN");
    EXPECT_EQ(exchange->header("WWW-Authenticate"),
              "Bearer error=\"invalid_token\", error_description=\"Failed to validate the token\", "
              "error_uri=\"https://tools.ietf.org/html/rfc6750#section-3.1\"");
    EXPECT_FALSE(exchange->attribute("identity.subject"));
  }
  auto expired = ask({{"Authorization", "Bearer " + token_for("a", kNow - 60)}}, "/health");
  EXPECT_EQ(expired->status(), 401u);
  EXPECT_EQ(expired->error_code(), "EXPIRED_TOKEN");
  EXPECT_THAT(expired->header("WWW-Authenticate").value_or(""),
              HasSubstr("Jwt expired at 2025-12-31T23:59:00Z"));
}

TEST_F(AuthPlugin, MalformedHeaders) {
  start();
  std::string token = token_for("alice");
  for (const Headers& headers :
       {Headers{{"Authorization", "Bearer"}}, Headers{{"Authorization", "Bearer  " + token}},
        Headers{{"Authorization", "Bearer " + token}, {"authorization", "Bearer " + token}},
        Headers{{"Authorization", "Bearer " + token}, {"Authorization", "Basic YTpi"}},
        Headers{{"Authorization", "Basic YTpi"}, {"Authorization", "Bearer " + token}}}) {
    auto exchange = ask(headers);
    EXPECT_EQ(exchange->status(), 401u);
    EXPECT_EQ(exchange->error_code(), "INVALID_TOKEN");
    EXPECT_THAT(exchange->header("WWW-Authenticate").value_or(""),
                HasSubstr("Bearer token is malformed"));
  }
}

TEST_F(AuthPlugin, IdentityOfTheClientIsStripped) {
  start();
  const Headers claims = {
      {"X-User-Id", "root"},    {"x-user-id", "root"},    {"X_USER_ID", "root"},
      {"x-User_iD", "root"},    {"X-User-Type", "ADMIN"}, {"X-USER-TYPE", "ADMIN"},
      {"x_user_type", "ADMIN"}, {"X-User-Ids", "kept"},   {"X-User-Id", "again"}};
  auto check = [](const gw::testing::Exchange& exchange, std::optional<std::string> id,
                  std::optional<std::string> type) {
    ASSERT_EQ(exchange.upstream_requests().size(), 1u);
    const auto& request = exchange.upstream_requests()[0];
    int ids = 0, types = 0;
    for (const auto& [name, value] : request.headers) {
      EXPECT_NE(value, "root");
      EXPECT_NE(value, "ADMIN");
      EXPECT_NE(value, "again");
      ids += name == "X-User-Id";
      types += name == "X-User-Type";
    }
    EXPECT_EQ(ids, id ? 1 : 0);
    EXPECT_EQ(types, type ? 1 : 0);
    EXPECT_EQ(request.header("X-User-Id"), id);
    EXPECT_EQ(request.header("X-User-Type"), type);
    EXPECT_EQ(request.header("X-User-Ids"), "kept");
  };
  check(*ask(claims, "/health"), std::nullopt, std::nullopt);
  Headers with_token = claims;
  with_token.emplace_back("Authorization", "Bearer " + token_for("alice"));
  check(*ask(with_token, "/health"), "alice", "CUSTOMER");
  check(*ask(with_token), "alice", "CUSTOMER");
  // A token that stands before them is one token, however often the walk over the headers restarts.
  std::rotate(with_token.begin(), with_token.end() - 1, with_token.end());
  check(*ask(with_token), "alice", "CUSTOMER");
}

TEST_F(AuthPlugin, PublicPathsNeedNoToken) {
  start();
  EXPECT_EQ(ask({}, "/api/v1/products?page=1")->status(), 200u);
  EXPECT_EQ(ask({}, "/api/v1/products", "HEAD")->status(), 401u);
  EXPECT_EQ(ask({}, "/api/v1/products", "POST")->status(), 401u);
  EXPECT_EQ(ask({}, "/.well-known/jwks.json")->status(), 200u);
}

TEST_F(AuthPlugin, RulesOfOnesOwnComeFirst) {
  start(R"(
rules = [
  { paths = ["/health/secret"], access = "deny" },
  { methods = ["GET"], paths = ["/shop/**", "/"], access = "public" },
  { paths = ["/admin/**"], access = "token", claim = "role", value = "ADMIN" },
])");
  std::string alice = "Bearer " + token_for("alice");
  std::string admin =
      "Bearer " + token_of(TestKey::shared("rsa"), {{"sub", "root"}, {"role", {"USER", "ADMIN"}}});
  EXPECT_EQ(ask({}, "/shop/x")->status(), 200u);
  EXPECT_EQ(ask({}, "/")->status(), 200u);
  EXPECT_EQ(ask({}, "/health/x")->status(), 200u);
  EXPECT_EQ(ask({}, "/health/secret")->status(), 401u);
  EXPECT_EQ(ask({}, "/admin/x")->status(), 401u);
  EXPECT_EQ(ask({{"Authorization", admin}}, "/admin/x")->status(), 200u);
  for (const char* path : {"/health/secret", "/admin/x"}) {
    auto refused = ask({{"Authorization", alice}}, path);
    EXPECT_EQ(refused->status(), 403u);
    EXPECT_EQ(refused->error_code(), "ACCESS_DENIED");
    EXPECT_THAT(refused->header("WWW-Authenticate").value_or(""), HasSubstr("insufficient_scope"));
  }
}

TEST_F(AuthPlugin, TokensAreNeverLogged) {
  start();
  std::string forged = token_of(TestKey::shared("mallory"), {{"sub", "alice"}});
  ask_token(forged);
  EXPECT_TRUE(host_.logged("token refused"));
  EXPECT_FALSE(host_.logged(forged.substr(0, 20)));
  EXPECT_FALSE(host_.logged(forged.substr(forged.size() - 20)));
}

}  // namespace
}  // namespace gw::auth
