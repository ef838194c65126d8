// SPDX-License-Identifier: Apache-2.0
//
// The plugin as a whole, over the fake host: what clients and services see of it.
#include <gateway/plugin.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <gateway/plugin.hpp>
#include <memory>
#include <optional>

#include "testing/fake_host.h"
#include "token_maker_test.h"

namespace gw::auth {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::jwks_of;
using ::testing::Not;
using testing::signed_token;
using testing::TestKey;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kNow = 1'767'225'600;  // where the fake host's clock starts
constexpr char kJwksUri[] = "http://issuer/jwks.json";

// Sends everything to one endpoint, so that a test sees what a service would.
struct Onward {
  Onward(Context, Config) {}
  struct Part {
    Part(Onward&, Worker) {}
    Verdict choose(gw::Exchange, void*&, const gw_attempt*, gw_endpoint& out) {
      out.address = str("127.0.0.1:1");
      return GW_CONTINUE;
    }
  };
};
const gw_plugin kOnward = {
    sizeof(gw_plugin),
    GW_ABI,
    "id = \"onward\"\nversion = \"1.0.0\"\nabi = \"1.0\"\nlicence = \"Apache-2.0\"\n"
    "summary = \"test\"\nprovides = [\"gw.instance/1\", \"gw.router/1\"]\n",
    gw::detail::Glue<Onward>::init,
    nullptr,
    gw::detail::Glue<Onward>::get_interface};

std::string token_of(const TestKey& key, const json& claims, const std::string& kid = "k1") {
  return signed_token(key, "RS256", json{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", kid}}.dump(),
                      claims.dump());
}
std::string token_for(const std::string& subject, std::int64_t exp = kNow + 3600) {
  return token_of(TestKey::shared("rsa"),
                  {{"sub", subject}, {"userType", "CUSTOMER"}, {"exp", exp}});
}

// A gateway with the plugin in front of one service, and an issuer of keys that the test commands.
class AuthPlugin : public ::testing::Test {
 protected:
  explicit AuthPlugin(std::uint32_t workers = 1) : host_(workers) {
    jwks_ = jwks_of({TestKey::shared("rsa").jwk("k1")});
    host_.on_call([this](const gw::testing::CallRequest& request) { return answer(request); });
  }
  std::optional<gw::testing::CallAnswer> answer(const gw::testing::CallRequest& request) {
    EXPECT_EQ(request.url, kJwksUri);
    if (silent_) return std::nullopt;
    if (down_) return gw::testing::CallAnswer{GW_ERROR, 0, "", "connection refused", {}};
    return gw::testing::CallAnswer{GW_OK, http_status_, jwks_, "", {}};
  }
  bool create(const std::string& config = "", bool with_uri = true) {
    std::string text = (with_uri ? "jwks_uri = \"" + std::string(kJwksUri) + "\"\n" : "") + config;
    auth_ = std::make_unique<gw::testing::Instance>(host_, gw_plugin_entry, text, "auth");
    return auth_->created();
  }
  void start(const std::string& config = "", bool with_uri = true) {
    ASSERT_TRUE(create(config, with_uri)) << ::testing::PrintToString(auth_->complaints());
    ASSERT_EQ(auth_->start(), GW_OK);
    router_ = std::make_unique<gw::testing::Instance>(host_, kOnward, "", "router");
    ASSERT_TRUE(router_->created());
    ASSERT_EQ(router_->start(), GW_OK);
  }
  std::unique_ptr<gw::testing::Exchange> send(Headers headers,
                                              const std::string& target = "/api/v1/queue/status",
                                              const std::string& method = "GET",
                                              std::uint32_t worker = 0) {
    gw::testing::RequestSpec spec;
    spec.method = method;
    spec.target = target;
    spec.headers = std::move(headers);
    spec.worker = worker;
    return std::make_unique<gw::testing::Exchange>(
        host_, std::vector<gw::testing::Instance*>{auth_.get(), router_.get()}, spec,
        [](const gw::testing::UpstreamRequest&) { return gw::testing::UpstreamAnswer{}; });
  }
  std::unique_ptr<gw::testing::Exchange> send_token(const std::string& token) {
    return send({{"Authorization", "Bearer " + token}});
  }
  // Sends and waits for the answer.
  std::unique_ptr<gw::testing::Exchange> ask(Headers headers,
                                             const std::string& target = "/api/v1/queue/status",
                                             const std::string& method = "GET") {
    auto exchange = send(std::move(headers), target, method);
    host_.run();
    EXPECT_TRUE(exchange->done());
    return exchange;
  }
  std::unique_ptr<gw::testing::Exchange> ask_token(const std::string& token) {
    return ask({{"Authorization", "Bearer " + token}});
  }

  gw::testing::FakeHost host_;
  std::string jwks_;
  bool down_ = false;
  bool silent_ = false;
  std::uint32_t http_status_ = 200;
  std::unique_ptr<gw::testing::Instance> auth_;
  std::unique_ptr<gw::testing::Instance> router_;
};

// ---- What clients see ----

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

// ---- The cache ----

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

// ---- Keys ----

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
  std::string path = ::testing::TempDir() + "auth_jwt_keys.json";
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

// ---- Configuration ----

TEST_F(AuthPlugin, ComplaintsSayWhatIsWrong) {
  auto complaint = [&](const std::string& config) {
    EXPECT_FALSE(create(config)) << config;
    return auth_->complaints().empty() ? std::string() : auth_->complaints()[0];
  };
  EXPECT_THAT(complaint("algorithms = [\"none\"]"), HasSubstr("no such algorithm: \"none\""));
  EXPECT_THAT(complaint("algorithms = []"), HasSubstr("names no algorithm"));
  EXPECT_THAT(complaint("algorithms = [\"HS256\"]"), HasSubstr("need a secret_file"));
  EXPECT_THAT(complaint("secret_file = \"/nowhere\""), HasSubstr("no algorithm of the HS family"));
  EXPECT_THAT(complaint("user_id_header = \"X User\""), HasSubstr("header's name"));
  EXPECT_THAT(complaint("rules = [{ paths = [\"/a/**/b\"], access = \"public\" }]"),
              HasSubstr("/a/**/b"));
  EXPECT_THAT(complaint("rules = [{ paths = [], access = \"public\" }]"),
              HasSubstr("names no path"));
  EXPECT_THAT(complaint("rules = [{ paths = [\"/\"], access = \"public\", claim = \"a\" }]"),
              HasSubstr("access = \"token\" only"));
  EXPECT_FALSE(create("jwks_uri = \"ftp://x\"", false));
  EXPECT_FALSE(create("jwks_uri = \"\"", false));
}

TEST_F(AuthPlugin, SecretFileMustBePrivate) {
  std::string path = ::testing::TempDir() + "auth_jwt_secret";
  FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("0123456789abcdef0123456789abcdef\n", file);
  std::fclose(file);
  std::string config = "algorithms = [\"HS256\"]\nsecret_file = \"" + path + "\"";
  ::chmod(path.c_str(), 0644);
  EXPECT_FALSE(create(config));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("open to others"));
  ::chmod(path.c_str(), 0600);
  EXPECT_FALSE(create("algorithms = [\"HS256\", \"HS512\"]\nsecret_file = \"" + path + "\""));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("too short for HS512"));
  start(config);
  EXPECT_TRUE(host_.calls().empty());  // no public keys are needed
  std::string text =
      encode_base64url(R"({"alg":"HS256"})") + "." + encode_base64url(R"({"sub":"alice"})");
  std::string mac = testing::hmac("SHA256", "0123456789abcdef0123456789abcdef", text);
  EXPECT_EQ(ask_token(text + "." + encode_base64url(mac))->status(), 200u);
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 401u);
  std::filesystem::remove(path);
}

// ---- The development issuer ----

class DevelopmentIssuerTest : public AuthPlugin {
 protected:
  DevelopmentIssuerTest() {
    std::string name = ::testing::TempDir() + "auth_jwt_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    config_ = "jwks_uri = \"\"\ndevelopment_issuer = true\ndevelopment_key = \"" + key() + "\"\n";
  }
  ~DevelopmentIssuerTest() override { std::filesystem::remove_all(folder_); }
  std::string key() const { return folder_ + "/run/key.pem"; }
  std::string folder_;
  std::string config_;
};

TEST_F(DevelopmentIssuerTest, ItsTokensAreAccepted) {
  start(config_, false);
  struct stat facts {};
  ASSERT_EQ(::stat(key().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_TRUE(host_.logged("THE DEVELOPMENT ISSUER IS ON"));
  EXPECT_EQ(host_.health("jwks"), GW_UP);
  auto made =
      auth_->command("token", {"--sub", "alice", "--claim", "userType=CUSTOMER", "--ttl", "1h"});
  ASSERT_EQ(made.status, 0) << made.error;
  ASSERT_TRUE(made.out.ends_with('\n'));
  std::string token = made.out.substr(0, made.out.size() - 1);
  auto exchange = ask_token(token);
  EXPECT_EQ(exchange->status(), 200u);
  EXPECT_EQ(exchange->attribute("identity.subject"), "alice");
  EXPECT_EQ(exchange->attribute("identity.type"), "CUSTOMER");
  host_.set_wall_ms((kNow + 3600 + 60) * 1000);
  EXPECT_EQ(ask_token(token)->error_code(), "EXPIRED_TOKEN");
  EXPECT_EQ(ask_token(token_for("alice"))->status(), 401u);
}

TEST_F(DevelopmentIssuerTest, NothingIsWrittenBeforeStart) {
  ASSERT_TRUE(create(config_, false));
  EXPECT_FALSE(std::filesystem::exists(key()));
  auto made =
      auth_->command("token", {"--sub", "alice", "--issuer", "me", "--claim", "roles:=[\"A\"]"});
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_TRUE(std::filesystem::exists(key()));
  std::size_t first = made.out.find('.');
  std::string payload = made.out.substr(first + 1, made.out.find('.', first + 1) - first - 1);
  json claims = json::parse(decode_base64url(payload).value());
  EXPECT_EQ(claims["iss"], "me");
  EXPECT_EQ(claims["roles"], json::array({"A"}));
  EXPECT_EQ(claims["exp"].get<std::int64_t>() - claims["iat"].get<std::int64_t>(), 3600);
}

TEST_F(DevelopmentIssuerTest, WrongUsage) {
  ASSERT_TRUE(create(config_, false));
  EXPECT_EQ(auth_->command("token", {}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--ttl", "soon"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--claim", "b"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--claim", "b:={"}).status, 2);
  EXPECT_EQ(auth_->command("token", {"--sub", "a", "--nonsense"}).status, 2);
  auto help = auth_->command("token", {"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("--claim"));
  EXPECT_FALSE(std::filesystem::exists(key()));
}

TEST_F(DevelopmentIssuerTest, OffByDefault) {
  ASSERT_TRUE(create());
  auto made = auth_->command("token", {"--sub", "alice"});
  EXPECT_EQ(made.status, 1);
  EXPECT_THAT(made.error, HasSubstr("development_issuer"));
}

TEST_F(DevelopmentIssuerTest, OnlyForLoopback) {
  host_.set_listeners({{"127.0.0.1:8080", true}, {"0.0.0.0:8081", false}});
  EXPECT_FALSE(create(config_, false));
  EXPECT_THAT(auth_->complaints().at(0), HasSubstr("0.0.0.0:8081"));
  EXPECT_TRUE(create(config_ + "development_force = true", false));
}

TEST_F(DevelopmentIssuerTest, KeyFileMustBePrivate) {
  ASSERT_TRUE(create(config_, false));
  ASSERT_EQ(auth_->command("token", {"--sub", "a"}).status, 0);
  ::chmod(key().c_str(), 0640);
  EXPECT_EQ(auth_->command("token", {"--sub", "a"}).status, 1);
  EXPECT_EQ(auth_->start(), GW_ERROR);
}

}  // namespace
}  // namespace gw::auth
