// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the plugin as a whole: it, over the fake host, between an issuer of keys that
// the test commands and one service.
#pragma once

#include <gateway/plugin.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/plugin.hpp>
#include <memory>
#include <optional>

#include "testing/fake_host.h"
#include "token_maker_test.h"

namespace gw::auth::testing {

using nlohmann::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::int64_t kNow = 1'767'225'600;  // where the fake host's clock starts
inline constexpr char kJwksUri[] = "http://issuer/jwks.json";

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
inline const gw_plugin kOnward = {
    sizeof(gw_plugin),
    GW_ABI,
    "id = \"onward\"\nversion = \"1.0.0\"\nabi = \"1.0\"\nlicence = \"Apache-2.0\"\n"
    "summary = \"test\"\nprovides = [\"gw.instance/1\", \"gw.router/1\"]\n",
    gw::detail::Glue<Onward>::init,
    nullptr,
    gw::detail::Glue<Onward>::get_interface};

inline std::string token_of(const TestKey& key, const json& claims, const std::string& kid = "k1") {
  return signed_token(key, "RS256", json{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", kid}}.dump(),
                      claims.dump());
}
inline std::string token_for(const std::string& subject, std::int64_t exp = kNow + 3600) {
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

}  // namespace gw::auth::testing
