// SPDX-License-Identifier: Apache-2.0
//
// The plugin as a whole, over the fake host: its keys and its cache, over time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>

#include "plugin_fixture_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the fixture and its helpers
using ::testing::HasSubstr;

TEST_F(AuthPlugin, CacheEndsWithTheToken) {
  start("cache_entries = 10");
  std::string token = token_for("alice", kNow + 10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_token(token)->status(), 200u);
  EXPECT_EQ(host_.metric("gateway_auth_token_cache_hits_total"), 2);
  EXPECT_EQ(host_.metric("gateway_auth_token_cache_misses_total"), 1);
  EXPECT_EQ(host_.metric("gateway_auth_token_cache_entries"), 1);
  host_.set_wall_ms((kNow + 70) * 1000);
  EXPECT_EQ(ask_token(token)->error_code(), "EXPIRED_TOKEN");
}

TEST_F(AuthPlugin, CacheIsDroppedWithTheKey) {
  start("refresh_interval = \"10s\"");
  std::string token = token_for("alice");
  EXPECT_EQ(ask_token(token)->status(), 200u);
  jwks_ = jwks_of({TestKey::shared("rsa-2").jwk("k2")});
  host_.advance(10'000);
  EXPECT_EQ(host_.metric("gateway_auth_token_cache_entries"), 0);
  auto exchange = send_token(token);
  host_.advance(6'000);
  EXPECT_EQ(exchange->status(), 401u);
}

TEST_F(AuthPlugin, HealthyAfterTheFirstFetch) {
  start();
  EXPECT_EQ(host_.calls().size(), 1u);
  EXPECT_EQ(host_.health("jwks"), GW_UP);
  EXPECT_EQ(json::parse(host_.health_details("jwks"))["keys"], 1);
  EXPECT_EQ(host_.metric("gateway_auth_jwks_fetches_total", {{"result", "ok"}}), 1);
}

TEST_F(AuthPlugin, IssuerAwayAtStart) {
  down_ = true;
  start();
  EXPECT_EQ(host_.health("jwks"), GW_DOWN);
  EXPECT_THAT(host_.health_details("jwks"), HasSubstr("connection refused"));
  auto exchange = ask_token(token_for("alice"));
  EXPECT_EQ(exchange->status(), 503u);
  EXPECT_EQ(exchange->error_code(), "SERVICE_UNAVAILABLE");
  EXPECT_TRUE(exchange->header("Retry-After"));
  EXPECT_EQ(ask({}, "/health")->status(), 200u);
  EXPECT_EQ(ask({})->status(), 401u);
  down_ = false;
  host_.advance(70'000);  // it tries again by itself
  EXPECT_EQ(host_.health("jwks"), GW_UP);
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 200u);
}

TEST_F(AuthPlugin, LastGoodKeysStayWhenTheIssuerFails) {
  start("refresh_interval = \"10s\"");
  std::string token = token_for("alice");
  struct Failure {
    bool down;
    std::uint32_t status;
    std::string body;
  };
  for (const Failure& failure :
       {Failure{true, 200, jwks_}, Failure{false, 500, jwks_}, Failure{false, 404, "{}"},
        Failure{false, 200, "<html>"}, Failure{false, 200, "{\"keys\":[]}"},
        Failure{false, 200, jwks_of({TestKey::rsa(1024).jwk()})}}) {
    down_ = failure.down;
    http_status_ = failure.status;
    jwks_ = failure.body;
    std::size_t before = host_.calls().size();
    host_.advance(11'000);
    EXPECT_GT(host_.calls().size(), before);
    EXPECT_EQ(host_.health("jwks"), GW_UP);
    EXPECT_THAT(host_.health_details("jwks"), HasSubstr("\"error\""));
    EXPECT_EQ(ask_token(token)->status(), 200u);
    // Not in the cache, so verified with the old key.
    EXPECT_EQ(ask_token(token_for("user-" + std::to_string(before)))->status(), 200u);
  }
  EXPECT_GE(host_.metric("gateway_auth_jwks_fetches_total", {{"result", "failed"}}), 6);
}

TEST_F(AuthPlugin, NewKeyIsFetchedWhileTheRequestWaits) {
  start();
  host_.advance(30'000);
  jwks_ = jwks_of({TestKey::shared("rsa").jwk("k1"), TestKey::shared("rsa-2").jwk("k2")});
  std::string token = token_of(TestKey::shared("rsa-2"), {{"sub", "bob"}}, "k2");
  EXPECT_EQ(ask_token(token)->status(), 200u);
  EXPECT_EQ(host_.calls().size(), 2u);
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 200u);
}

TEST_F(AuthPlugin, UnknownKeysCauseOneFetchPerCoolDown) {
  start("key_cool_down = \"5s\"\nkey_wait = \"8s\"");
  host_.advance(30'000);
  std::vector<std::unique_ptr<gw::testing::Exchange>> all;
  auto flood = [&] {
    for (int i = 0; i < 50; ++i) {
      std::string kid = "no-" + std::to_string(all.size());
      all.push_back(send_token(token_of(TestKey::shared("mallory"), {{"sub", "m"}}, kid)));
    }
  };
  std::size_t before = host_.calls().size();
  flood();
  host_.run();
  EXPECT_EQ(host_.calls().size(), before + 1);
  flood();
  host_.advance(4'900);
  EXPECT_EQ(host_.calls().size(), before + 1);
  // A key that is new now is found at the end of the cool-down, whatever strangers have asked for.
  jwks_ = jwks_of({TestKey::shared("rsa").jwk("k1"), TestKey::shared("rsa-2").jwk("k2")});
  auto bob = send_token(token_of(TestKey::shared("rsa-2"), {{"sub", "bob"}}, "k2"));
  host_.advance(200);
  EXPECT_EQ(host_.calls().size(), before + 2);
  EXPECT_EQ(bob->status(), 200u);
  for (const auto& exchange : all) EXPECT_EQ(exchange->status(), 401u);
}

TEST_F(AuthPlugin, KeyPublishedDuringAFetchIsFoundByTheNext) {
  start();
  host_.advance(30'000);
  std::optional<std::string> later;  // what the issuer answers from now on
  std::size_t before = host_.calls().size();
  std::unique_ptr<gw::testing::Exchange> bob;
  host_.on_call([&](const gw::testing::CallRequest&) {
    // While the old set is on its way, a key is published and a token of it arrives.
    std::string now = later.value_or(jwks_);
    if (!later) {
      later = jwks_of({TestKey::shared("rsa").jwk("k1"), TestKey::shared("rsa-2").jwk("k2")});
      bob = send_token(token_of(TestKey::shared("rsa-2"), {{"sub", "bob"}}, "k2"));
    }
    return gw::testing::CallAnswer{GW_OK, 200, now, "", {}};
  });
  auto stranger = send_token(token_of(TestKey::shared("mallory"), {{"sub", "m"}}, "no"));
  host_.advance(100);
  EXPECT_EQ(stranger->status(), 401u);
  ASSERT_NE(bob, nullptr);
  EXPECT_TRUE(bob->paused());
  host_.advance(5'000);
  EXPECT_EQ(bob->status(), 200u);
  EXPECT_EQ(host_.calls().size(), before + 2);
}

TEST_F(AuthPlugin, WaitingIsBounded) {
  start("max_waiting = 3");
  host_.advance(30'000);
  silent_ = true;
  std::vector<std::unique_ptr<gw::testing::Exchange>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(send_token(token_of(TestKey::shared("mallory"), {{"sub", "m"}}, "no")));
  host_.run();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(all[static_cast<std::size_t>(i)]->paused());
  EXPECT_EQ(all[3]->status(), 401u);
  EXPECT_EQ(all[4]->status(), 401u);
  all[0]->leave();  // a client that leaves while it waits
  host_.advance(9'000);
  EXPECT_EQ(all[1]->status(), 503u);  // the fetch came to nothing, so nobody can say
}

TEST_F(AuthPlugin, KeysFromAFile) {
  std::string path = ::testing::TempDir() + std::to_string(::getpid()) + "auth_jwt_keys.json";
  auto put = [&](const std::string& text) {
    FILE* file = std::fopen(path.c_str(), "w");
    std::fputs(text.c_str(), file);
    std::fclose(file);
  };
  put(jwks_);
  start("jwks_file = \"" + path + "\"\nrefresh_interval = \"10s\"");
  EXPECT_TRUE(host_.calls().empty());
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 200u);
  put(jwks_of({TestKey::shared("rsa").jwk("k1"), TestKey::shared("rsa-2").jwk("k2")}));
  host_.advance(10'000);
  EXPECT_EQ(ask_token(token_of(TestKey::shared("rsa-2"), {{"sub", "bob"}}, "k2"))->status(), 200u);
  std::filesystem::remove(path);
  host_.advance(10'000);
  EXPECT_EQ(host_.health("jwks"), GW_UP);
  EXPECT_EQ(ask_token(token_for("carol"))->status(), 200u);
}

class AuthPluginWorkers : public AuthPlugin {
 protected:
  AuthPluginWorkers() : AuthPlugin(3) {}
};

TEST_F(AuthPluginWorkers, OneFetchServesAllWorkers) {
  start();
  EXPECT_EQ(host_.calls().size(), 1u);
  host_.advance(30'000);
  jwks_ = jwks_of({TestKey::shared("rsa").jwk("k1"), TestKey::shared("rsa-2").jwk("k2")});
  std::vector<std::unique_ptr<gw::testing::Exchange>> all;
  for (std::uint32_t worker = 0; worker < 3; ++worker)
    all.push_back(send(
        {{"Authorization", "Bearer " + token_of(TestKey::shared("rsa-2"), {{"sub", "bob"}}, "k2")}},
        "/x", "GET", worker));
  host_.run();
  for (const auto& exchange : all) EXPECT_EQ(exchange->status(), 200u);
  EXPECT_EQ(host_.calls().size(), 2u);
}

}  // namespace
}  // namespace gw::auth
