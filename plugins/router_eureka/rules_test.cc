// SPDX-License-Identifier: Apache-2.0
//
// Shortcuts, rewrites, predicates, targets: text in, decision out.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>

#include "predicate.h"
#include "rewrite.h"
#include "route.h"

namespace gw::router {
namespace {

struct FakeRequest final : RequestView {
  FakeRequest(std::string_view m, std::string_view p, std::string_view q = {},
              std::string_view a = "shop.example:8080") {
    method = m, path = p, query = q, authority = a;
  }
  std::optional<std::string_view> header(std::string_view name, std::uint32_t nth) const override {
    for (const auto& [known, value] : headers)
      if (equal_any_case(known, name) && nth-- == 0) return value;
    return std::nullopt;
  }
  std::vector<std::pair<std::string, std::string>> headers;
};

bool matches(const char* text, const FakeRequest& request) {
  std::string error;
  auto predicate = compile_predicate(parse_shortcut(text), error);
  EXPECT_NE(predicate, nullptr) << text << ": " << error;
  PathCaptures captures;
  return predicate != nullptr && predicate->matches(request, captures);
}

TEST(Shortcut, SplitsAsSpringDoes) {
  Shortcut shortcut = parse_shortcut(" RewritePath = /a(?<x>/?.*) , $\\{x},, b=c ");
  EXPECT_EQ(shortcut.name, "RewritePath");
  EXPECT_EQ(shortcut.arguments, (std::vector<std::string>{"/a(?<x>/?.*)", "$\\{x}", "b=c"}));
  EXPECT_FALSE(parse_shortcut("PreserveHostHeader").has_equals);
  EXPECT_TRUE(parse_shortcut("Path=").arguments.empty());
}

TEST(Shortcut, Sizes) {
  std::uint64_t bytes = 0;
  EXPECT_TRUE(parse_data_size("5MB", bytes));
  EXPECT_EQ(bytes, 5u << 20);
  EXPECT_TRUE(parse_data_size("4096", bytes));
  EXPECT_EQ(bytes, 4096u);
  for (const char* wrong :
       {"", "MB", "5 MB", "-1", "99999999999999999999", "18446744073709551615KB"})
    EXPECT_FALSE(parse_data_size(wrong, bytes)) << wrong;
}

std::string rewritten(const char* regex, const char* replacement, std::string_view path) {
  std::string error, out;
  auto rewrite = Rewrite::compile(regex, replacement, error);
  EXPECT_NE(rewrite, nullptr) << error;
  if (rewrite != nullptr) rewrite->apply(path, out);
  return out;
}

TEST(Rewrite, AsJavaDoes) {
  EXPECT_EQ(rewritten("/auth-service(?<segment>/?.*)", "$\\{segment}", "/auth-service/v3/api-docs"),
            "/v3/api-docs");
  EXPECT_EQ(
      rewritten("/api/v1/auth(?<segment>/?.*)", "/api/v1/auth$\\{segment}", "/api/v1/auth/login"),
      "/api/v1/auth/login");
  EXPECT_EQ(rewritten("/red/?(?<segment>.*)", "/$\\{segment}", "/red"), "/");
  EXPECT_EQ(rewritten("(\\d)(\\d)", "$2$1", "/12/34"), "/21/43");
  EXPECT_EQ(rewritten("(a)", "$10", "/a"), "/a0");
  EXPECT_EQ(rewritten("a", "\\$1", "/a"), "/$1");
  EXPECT_EQ(rewritten("/(x)?y", "[$1]", "/y"), "[]");
  EXPECT_EQ(rewritten("x*", "-", "axb"), "-a--b-");
  EXPECT_EQ(rewritten("b", "c", "/a"), "/a");
  EXPECT_EQ(rewritten("[(?<]", "_", "/(?<"), "/___");
  EXPECT_EQ(rewritten("(?<=a)b", "c", "/abb"), "/acb");
  EXPECT_EQ(rewritten("(.)\\1", "<$1>", "/aabb"), "/<a><b>");
}

TEST(Rewrite, NoPathTakesTooMuchWork) {
  EXPECT_EQ(rewritten("(a+)+$", "b", "/" + std::string(8000, 'a') + "!"), "");
}

TEST(Rewrite, RefusesWhatItCannotDo) {
  const std::pair<const char*, const char*> wrong[] = {
      {"(a", "b"}, {"(?<x>a)", "${y}"}, {"a", "$1"}, {"a", "$"}, {"a", "${x"}, {"a", "b\\"},
  };
  for (const auto& [regex, replacement] : wrong) {
    std::string error;
    EXPECT_EQ(Rewrite::compile(regex, replacement, error), nullptr) << regex;
    EXPECT_NE(error, "") << regex;
  }
}

TEST(Predicates, PathMethodHost) {
  EXPECT_TRUE(matches("Path=/api/v1/**,/.well-known/**", {"GET", "/.well-known/jwks.json"}));
  EXPECT_FALSE(matches("Path=/api/v1/**", {"GET", "/api/v2"}));
  EXPECT_TRUE(matches("Method=GET,POST", {"POST", "/"}));
  EXPECT_FALSE(matches("Method=GET,POST", {"PUT", "/"}));
  EXPECT_TRUE(matches("Host=**.example.org", {"GET", "/", "", "a.b.Example.org"}));
  EXPECT_TRUE(matches("Host=**.example.org", {"GET", "/", "", "example.org"}));
  EXPECT_FALSE(matches("Host=*.example.org", {"GET", "/", "", "a.b.example.org"}));
  EXPECT_TRUE(matches("Host=shop-*.example", {"GET", "/", "", "shop-1.example:8080"}));
  EXPECT_TRUE(matches("Host=shop.example:8080", {"GET", "/"}));
  EXPECT_FALSE(matches("Host=shop.example:8081", {"GET", "/"}));
  EXPECT_TRUE(matches("Host={sub}.example", {"GET", "/"}));
  EXPECT_TRUE(matches("Host=**.example.org", {"GET", "/", "", "a.example.org."}));
  EXPECT_TRUE(matches("Host=a.**", {"GET", "/", "", "a.b.c"}));
}

TEST(Predicates, HeaderAndQuery) {
  FakeRequest request("GET", "/", "red=gr%65en&empty&a+b=c");
  request.headers = {{"X-Request-Id", "abc"}, {"x-request-id", "123"}};
  EXPECT_TRUE(matches("Header=X-Request-Id", request));
  EXPECT_TRUE(matches("Header=X-Request-Id, \\d+", request));
  EXPECT_FALSE(matches("Header=X-Request-Id, \\d", request));
  EXPECT_FALSE(matches("Header=X-Other", request));
  EXPECT_TRUE(matches("Query=red", request));
  EXPECT_TRUE(matches("Query=red, gree.", request));
  EXPECT_FALSE(matches("Query=red, gre", request));
  EXPECT_TRUE(matches("Query=empty", request));
  EXPECT_TRUE(matches("Query=a b", request));
  EXPECT_FALSE(matches("Query=green", request));
}

TEST(Predicates, WrongOnesAreNamed) {
  for (const char* wrong : {"Path", "Path=", "Paths=/a", "Path=/a/**/b", "Header=a,b,c",
                            "Header=a,(", "Host=**.a.**", "Method="}) {
    std::string error;
    EXPECT_EQ(compile_predicate(parse_shortcut(wrong), error), nullptr) << wrong;
    EXPECT_NE(error, "") << wrong;
  }
}

TEST(Target, Uris) {
  const std::tuple<const char*, const char*, const char*, bool> good[] = {
      {"lb://AUTH-SERVICE", "auth-service", "", false},
      {"lb:ws://AUTH-SERVICE/x", "auth-service", "", false},
      {"http://localhost:9001/ignored?x", "", "localhost:9001", false},
      {"http://localhost", "", "localhost:80", false},
      {"https://host", "", "host:443", true},
      {"wss://host:1", "", "host:1", true},
      {"http://[::1]:90", "", "[::1]:90", false},
      {"http://[::1]", "", "[::1]:80", false},
      {"unix:run/x.sock", "", "unix:run/x.sock", false},
      {"unix:/run/x.sock", "", "unix:/run/x.sock", false},
  };
  for (const auto& [uri, service, address, tls] : good) {
    Target target;
    EXPECT_EQ(parse_target(uri, target), "") << uri;
    EXPECT_EQ(target.service, service) << uri;
    EXPECT_EQ(target.address, address) << uri;
    EXPECT_EQ(target.tls, tls) << uri;
  }
  for (const char* wrong :
       {"", "AUTH", "lb://", "lb:ftp://a", "ftp://a", "http://a:0", "http://a:70000",
        "http://u:p@a", "http://a b", "unix:", "http://::1:80"}) {
    Target target;
    EXPECT_NE(parse_target(wrong, target), "") << wrong;
  }
}

TEST(RouteTable, OrderThenPlaceAndVariables) {
  std::vector<std::unique_ptr<Route>> routes;
  auto add = [&](const char* id, std::vector<std::string> predicates, std::int64_t order) {
    RouteDefinition definition;
    definition.id = id, definition.uri = "lb://X", definition.predicates = std::move(predicates),
    definition.order = order;
    std::string error;
    routes.push_back(compile_route(std::move(definition), {}, error));
    ASSERT_NE(routes.back(), nullptr) << error;
  };
  add("all", {"Path=/**"}, 5);
  add("get", {"Path=/a/{x}", "Method=GET"}, 0);
  add("also", {"Path=/a/*"}, 0);
  RouteTable table(std::move(routes));
  PathCaptures captures;
  EXPECT_EQ(table.find(FakeRequest("GET", "/a/1"), captures)->definition.id, "get");
  EXPECT_EQ(captures.find("x"), "1");
  EXPECT_EQ(table.find(FakeRequest("POST", "/a/1"), captures)->definition.id, "also");
  EXPECT_EQ(captures.count, 0u);
  EXPECT_EQ(table.find(FakeRequest("GET", "/b"), captures)->definition.id, "all");
}

}  // namespace
}  // namespace gw::router
