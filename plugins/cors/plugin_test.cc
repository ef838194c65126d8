// SPDX-License-Identifier: Apache-2.0
//
// The filter over the fake host: as Spring's DefaultCorsProcessor, and what differs on purpose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/plugin.hpp>
#include <optional>
#include <string>

#include "testing/fake_host.h"
#include "testing/probe_plugin.h"

namespace gw::cors {
namespace {

using testing::RequestSpec;
using testing::UpstreamAnswer;
using testing::UpstreamRequest;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kVary =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
constexpr const char* kOpen = R"([[rules]]
allowed_origins = ["*"]
allowed_methods = ["*"]
allowed_headers = ["*"]
)";
constexpr const char* kStrict = R"([[rules]]
path = "/open/**"
allowed_origins = ["*"]
[[rules]]
path = "/api/**"
allowed_origins = ["https://shop.example/"]
allowed_origin_patterns = ["https://*.shop.example"]
allowed_methods = ["GET", "POST"]
allowed_headers = ["Authorization", "content-type"]
exposed_headers = ["X-Total", "Link"]
allow_credentials = true
max_age = "30m"
)";

class CorsPlugin : public ::testing::Test {
 protected:
  CorsPlugin() : router(host, testing::probe::kRouter) {}
  void start(const std::string& config) {
    cors.emplace(host, gw_plugin_entry, config);
    ASSERT_TRUE(cors->created()) << ::testing::PrintToString(cors->complaints());
    ASSERT_EQ(cors->start(), GW_OK);
    ASSERT_EQ(router.instance.start(), GW_OK);
  }
  testing::Exchange& send(RequestSpec spec, UpstreamAnswer answer = {}) {
    forwarded = false;
    exchange.emplace(host, std::vector<testing::Instance*>{&*cors, &router.instance},
                     std::move(spec), [this, answer](const UpstreamRequest&) {
                       forwarded = true;
                       return answer;
                     });
    host.run();
    EXPECT_TRUE(exchange->done());
    return *exchange;
  }
  testing::Exchange& preflight(const std::string& target, const std::string& origin,
                               const std::string& method, const std::string& headers = "") {
    RequestSpec spec{
        "OPTIONS", target, {{"Origin", origin}, {"Access-Control-Request-Method", method}}};
    if (!headers.empty()) spec.headers.emplace_back("Access-Control-Request-Headers", headers);
    return send(std::move(spec));
  }
  std::string allow(const char* what) {
    return exchange->header(std::string("Access-Control-") + what).value_or("-");
  }
  // All of them, so that none is there twice.
  std::vector<std::string> all(std::string_view wanted) {
    std::vector<std::string> found;
    for (const auto& [name, value] : exchange->headers())
      if (same_name(name, wanted)) found.push_back(value);
    return found;
  }
  static bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
      return std::tolower(x) == std::tolower(y);
    });
  }

  testing::FakeHost host;
  testing::probe::Probe router;
  std::optional<testing::Instance> cors;
  std::optional<testing::Exchange> exchange;
  bool forwarded = false;
};

TEST_F(CorsPlugin, OpenToEverybody) {
  start(kOpen);
  EXPECT_EQ(preflight("/api/v1/reservations", "https://page.example", "POST",
                      "authorization, content-type")
                .status(),
            200u);
  EXPECT_FALSE(forwarded);
  EXPECT_EQ(exchange->body(), "");
  EXPECT_EQ(allow("Allow-Origin"), "*");
  EXPECT_EQ(allow("Allow-Methods"), "POST");
  EXPECT_EQ(allow("Allow-Headers"), "authorization, content-type");
  EXPECT_EQ(allow("Allow-Credentials"), "-");
  EXPECT_EQ(allow("Max-Age"), "-");
  EXPECT_EQ(exchange->header("vary"), kVary);

  EXPECT_EQ(send({"GET", "/api/v1/products", {{"Origin", "null"}}}).status(), 200u);
  EXPECT_TRUE(forwarded);
  EXPECT_EQ(allow("Allow-Origin"), "*");
  EXPECT_EQ(allow("Allow-Methods"), "-");
  EXPECT_EQ(exchange->header("vary"), kVary);
}

TEST_F(CorsPlugin, OnlyWhatTheRuleAllows) {
  start(kStrict);
  EXPECT_EQ(preflight("/api/x", "https://shop.example", "POST", "X-Other, AUTHORIZATION").status(),
            200u);
  EXPECT_EQ(allow("Allow-Origin"), "https://shop.example");
  EXPECT_EQ(allow("Allow-Methods"), "GET,POST");
  EXPECT_EQ(allow("Allow-Headers"), "AUTHORIZATION");
  EXPECT_EQ(allow("Expose-Headers"), "X-Total, Link");
  EXPECT_EQ(allow("Allow-Credentials"), "true");
  EXPECT_EQ(allow("Max-Age"), "1800");
  EXPECT_EQ(preflight("/api/x", "https://a.shop.example", "GET").status(), 200u);
  EXPECT_EQ(allow("Allow-Origin"), "https://a.shop.example");
  EXPECT_EQ(allow("Allow-Headers"), "-");

  const auto refused = [this] {
    EXPECT_EQ(exchange->status(), 403u);
    EXPECT_EQ(exchange->error_code(), "FORBIDDEN");
    EXPECT_EQ(allow("Allow-Origin"), "-");
    EXPECT_EQ(exchange->header("vary"), kVary);
    EXPECT_FALSE(forwarded);
  };
  preflight("/api/x", "https://evil.example", "GET"), refused();
  preflight("/api/x", "https://shop.example", "DELETE"), refused();
  preflight("/api/x", "https://shop.example", "GET", "X-Other"), refused();
  send({"GET", "/api/x", {{"Origin", "https://evil.example"}}}), refused();
  send({"GET", "/api/x", {{"Origin", "null"}}}), refused();
  send({"DELETE", "/api/x", {{"Origin", "https://shop.example"}}}), refused();
  send({"OPTIONS", "/api/x", {{"Origin", "https://shop.example"}}}), refused();
}

TEST_F(CorsPlugin, TheFirstRuleCountsAndWithoutOneNothingIsTouched) {
  start(kStrict);
  EXPECT_EQ(preflight("/open/x", "https://evil.example", "GET").status(), 200u);
  EXPECT_EQ(allow("Allow-Methods"), "GET,HEAD");
  EXPECT_EQ(preflight("/open/x", "https://evil.example", "POST").status(), 403u);
  preflight("/other", "https://evil.example", "POST");
  EXPECT_TRUE(forwarded);
  EXPECT_EQ(exchange->header("vary"), std::nullopt);
  EXPECT_EQ(allow("Allow-Origin"), "-");
}

TEST_F(CorsPlugin, OwnPagesNeedNoLeave) {
  start(kStrict);
  RequestSpec own{"DELETE", "/api/x", {{"Origin", "https://gateway.example"}}};
  own.authority = "gateway.example";
  own.attributes = {{"client.scheme", "https"}};
  EXPECT_EQ(send(own).status(), 200u);
  EXPECT_TRUE(forwarded);
  EXPECT_EQ(allow("Allow-Origin"), "-");
  EXPECT_EQ(exchange->header("vary"), kVary);
  own.attributes = {{"client.scheme", "http"}};
  EXPECT_EQ(send(own).status(), 403u);

  EXPECT_EQ(send({"DELETE", "/api/x"}).status(), 200u);  // no browser's page at all
  EXPECT_EQ(exchange->header("vary"), kVary);
}

TEST_F(CorsPlugin, HostileOriginsAreRefused) {
  start(kOpen);
  for (const Headers& headers : {Headers{{"Origin", "https://a, https://b"}},
                                 Headers{{"Origin", ""}}, Headers{{"Origin", "https://a/path"}},
                                 Headers{{"Origin", "https://" + std::string(1000, 'a')}},
                                 Headers{{"Origin", "https://a"}, {"origin", "https://b"}}}) {
    EXPECT_EQ(send({"GET", "/x", headers}).status(), 403u) << headers[0].second.substr(0, 50);
    EXPECT_FALSE(forwarded);
  }
}

TEST_F(CorsPlugin, HostilePreflights) {
  start(kOpen);
  EXPECT_EQ(preflight("/x", "https://a", "GET POST").status(), 403u);
  EXPECT_EQ(preflight("/x", "https://a", std::string(33, 'A')).status(), 403u);
  EXPECT_EQ(preflight("/x", "https://a", "GET", "a b, \"c\", d:e, good").status(), 200u);
  EXPECT_EQ(allow("Allow-Headers"), "good");
  EXPECT_EQ(preflight("/x", "https://a", "GET", "a b").status(), 403u);
  EXPECT_EQ(preflight("/x", "https://a", "GET", " , ,").status(), 200u);
  EXPECT_EQ(allow("Allow-Headers"), "-");
  EXPECT_EQ(preflight("/x", "https://a", "GET", std::string(5000, 'a')).status(), 403u);
}

TEST_F(CorsPlugin, TheRuleStandsAboveTheService) {
  start(R"([[rules]]
allowed_origins = ["https://shop.example"]
exposed_headers = ["X-Ours"])");
  const UpstreamAnswer answer{.headers = {{"Access-Control-Allow-Origin", "*"},
                                          {"Access-Control-Allow-Origin", "https://evil.example"},
                                          {"Access-Control-Allow-Credentials", "true"},
                                          {"Access-Control-Expose-Headers", "X-Theirs"},
                                          {"Vary", "accept-encoding, origin"}}};
  send({"GET", "/x", {{"Origin", "https://shop.example"}}}, answer);
  using ::testing::ElementsAre;
  EXPECT_THAT(all("access-control-allow-origin"), ElementsAre("https://shop.example"));
  EXPECT_THAT(all("access-control-allow-credentials"), ElementsAre());
  EXPECT_THAT(all("access-control-expose-headers"), ElementsAre("X-Theirs", "X-Ours"));
  EXPECT_THAT(all("vary"), ElementsAre("accept-encoding, origin", "Access-Control-Request-Method",
                                       "Access-Control-Request-Headers"));
  send({"GET", "/x"}, answer);
  EXPECT_EQ(all("access-control-allow-origin").size(), 2u);  // no page of another origin asks
}

TEST_F(CorsPlugin, AnswersOfLaterFiltersCarryTheHeaders) {
  start(kOpen);
  testing::probe::Probe later(host);
  ASSERT_EQ(later.instance.start(), GW_OK);
  for (std::uint32_t status : {401u, 429u, 200u}) {
    later.hooks.request_head = [status](gw::Exchange x, void*&) {
      return status == 401 ? x.fail(401, "USER_ID_REQUIRED") : x.reply(status, {}, "");
    };
    testing::Exchange x(host, {&*cors, &later.instance},
                        {"POST", "/x", {{"Origin", "https://page.example"}}});
    host.run();
    EXPECT_EQ(x.status(), status);
    EXPECT_EQ(x.header("access-control-allow-origin"), "*");
    EXPECT_EQ(x.header("vary"), kVary);
  }
}

TEST_F(CorsPlugin, BadConfigurationIsExplained) {
  const struct {
    const char* rules;
    const char* complaint;
  } cases[] = {
      {"", "rules"},
      {"rules = []", "no rule"},
      {"[[rules]]", "allow any origin"},
      {"[[rules]]\npath = '/a/**/b'\nallowed_origins = ['*']", "path"},
      {"[[rules]]\nallowed_origins = ['shop.example']", "not an origin"},
      {"[[rules]]\nallowed_origins = ['https://shop.example/x']", "not an origin"},
      {"[[rules]]\nallowed_origins = ['*']\nallow_credentials = true", "allowed_origin_patterns"},
      {"[[rules]]\nallowed_origin_patterns = ['https://a:[x]']", "ports"},
      {"[[rules]]\nallowed_origins = ['*']\nallowed_methods = ['GET POST']", "not a method"},
      {"[[rules]]\nallowed_origins = ['*']\nallowed_headers = ['a b']", "header's name"},
      {"[[rules]]\nallowed_origins = ['*']\nexposed_headers = ['a:']", "header's name"},
  };
  for (const auto& test : cases) {
    testing::FakeHost other;
    testing::Instance instance(other, gw_plugin_entry, test.rules);
    EXPECT_FALSE(instance.created()) << test.rules;
    ASSERT_EQ(instance.complaints().size(), 1u) << ::testing::PrintToString(instance.complaints());
    EXPECT_THAT(instance.complaints()[0], ::testing::HasSubstr(test.complaint));
  }
}

}  // namespace
}  // namespace gw::cors
