// SPDX-License-Identifier: Apache-2.0
#include "filter.h"

#include <gtest/gtest.h>

#include <deque>

namespace gw::router {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct FakeHeaders final : Headers {
  std::optional<std::string_view> get(std::string_view name, std::uint32_t nth) const override {
    for (const auto& [known, value] : all)
      if (equal_any_case(known, name) && nth-- == 0) return value;
    return std::nullopt;
  }
  void set(std::string_view name, std::string_view value) override {
    remove(name);
    add(name, value);
  }
  void add(std::string_view name, std::string_view value) override {
    all.emplace_back(name, value);
  }
  void remove(std::string_view name) override {
    std::erase_if(all, [&](const auto& pair) { return equal_any_case(pair.first, name); });
  }
  std::string_view keep(std::string_view text) override { return kept.emplace_back(text); }
  Pairs all;
  std::deque<std::string> kept;
};

struct Result {
  std::string path;
  Pairs headers;
  bool preserve_host;
  std::string host;
  std::uint64_t body_limit;
};

std::unique_ptr<Filter> compile(const char* text) {
  std::string error;
  auto filter = compile_filter(parse_shortcut(text), error);
  EXPECT_NE(filter, nullptr) << text << ": " << error;
  return filter;
}

Result request(const char* text, const char* path, Pairs headers = {},
               const char* pattern = "/**") {
  auto filter = compile(text);
  PathPattern matched;
  EXPECT_EQ(matched.compile(pattern), "");
  PathCaptures captures;
  std::string original = path, changed = path, scratch;
  EXPECT_TRUE(matched.match(original, &captures));
  FakeHeaders fake;
  fake.all = std::move(headers);
  RequestChange change{fake, captures, changed, scratch};
  if (filter != nullptr) filter->on_request(change);
  return {changed, fake.all, change.preserve_host, std::string(change.host), change.body_limit};
}

std::pair<Pairs, std::uint32_t> response(const char* text, Pairs headers) {
  auto filter = compile(text);
  FakeHeaders fake;
  fake.all = std::move(headers);
  ResponseChange change{fake, 200};
  if (filter != nullptr) filter->on_response(change);
  return {fake.all, change.status};
}

TEST(PathFilters, ChangeThePath) {
  EXPECT_EQ(request("RewritePath=/x(?<s>/?.*), $\\{s}", "/x/y").path, "/y");
  EXPECT_EQ(request("StripPrefix=1", "/a/b/c").path, "/b/c");
  EXPECT_EQ(request("StripPrefix", "/a/b/").path, "/b/");
  EXPECT_EQ(request("StripPrefix=2", "/a/b").path, "/");
  EXPECT_EQ(request("StripPrefix=9", "/a/b").path, "/");
  EXPECT_EQ(request("StripPrefix=0", "/a/b").path, "/a/b");
  EXPECT_EQ(request("PrefixPath=/v1", "/a").path, "/v1/a");
  EXPECT_EQ(request("PrefixPath=/v1/", "/a").path, "/v1/a");
  EXPECT_EQ(request("SetPath=/x/{s}/{t}", "/a/1%20", {}, "/a/{s}").path, "/x/1%20/{t}");
}

TEST(RequestFilters, ChangeHeadersAndTheCall) {
  EXPECT_EQ(request("AddRequestHeader=X, 1", "/", {{"x", "0"}}).headers,
            (Pairs{{"x", "0"}, {"X", "1"}}));
  EXPECT_EQ(request("SetRequestHeader=X, a-{s}", "/a/1", {{"x", "0"}}, "/a/{s}").headers,
            (Pairs{{"X", "a-1"}}));
  EXPECT_EQ(request("RemoveRequestHeader=Cookie", "/", {{"cookie", "0"}, {"Y", "1"}}).headers,
            (Pairs{{"Y", "1"}}));
  EXPECT_EQ(request("AddRequestHeadersIfNotPresent=X:1,Y:2", "/", {{"x", "0"}}).headers,
            (Pairs{{"x", "0"}, {"Y", "2"}}));
  EXPECT_EQ(request("MapRequestHeader=A, B", "/", {{"a", "1"}, {"A", "2"}}).headers,
            (Pairs{{"a", "1"}, {"A", "2"}, {"B", "1"}, {"B", "2"}}));
  EXPECT_TRUE(request("PreserveHostHeader", "/").preserve_host);
  EXPECT_EQ(request("SetRequestHostHeader=x.example", "/").host, "x.example");
  EXPECT_EQ(request("RequestSize=1KB", "/").body_limit, 1024u);
  EXPECT_TRUE(request("AddResponseHeader=X, 1", "/").headers.empty());
}

TEST(ResponseFilters, ChangeTheAnswer) {
  EXPECT_EQ(response("AddResponseHeader=X, 1", {{"x", "0"}}).first,
            (Pairs{{"x", "0"}, {"X", "1"}}));
  EXPECT_EQ(response("AddResponseHeader=X, 1, false", {{"x", "0"}}).first, (Pairs{{"x", "0"}}));
  EXPECT_EQ(response("SetResponseHeader=X, 1", {{"x", "0"}}).first, (Pairs{{"X", "1"}}));
  EXPECT_EQ(response("RemoveResponseHeader=X", {{"x", "0"}}).first, Pairs{});
  EXPECT_EQ(response("SetStatus=418", {}).second, 418u);
  Pairs twice = {{"A", "1"}, {"a", "2"}, {"A", "1"}, {"B", "x"}, {"b", "x"}, {"C", "c"}};
  EXPECT_EQ(response("DedupeResponseHeader=A B", twice).first,
            (Pairs{{"C", "c"}, {"A", "1"}, {"B", "x"}}));
  EXPECT_EQ(response("DedupeResponseHeader=A, RETAIN_LAST", twice).first,
            (Pairs{{"B", "x"}, {"b", "x"}, {"C", "c"}, {"A", "1"}}));
  EXPECT_EQ(response("DedupeResponseHeader=A, RETAIN_UNIQUE", twice).first,
            (Pairs{{"B", "x"}, {"b", "x"}, {"C", "c"}, {"A", "1"}, {"A", "2"}}));
  EXPECT_EQ(response("DedupeResponseHeader=C", twice).first, twice);
}

TEST(Filters, WrongOnesAreNamed) {
  for (const char* wrong :
       {"Rewrite=/a,/b", "RewritePath=/a", "RewritePath=(,b", "StripPrefix=x", "StripPrefix=65",
        "SetPath", "AddRequestHeader=X", "AddRequestHeader=Content-Length, 1",
        "SetRequestHeader=a b, 1", "SetResponseHeader=X, \x01",
        "DedupeResponseHeader=A, RETAIN_ALL", "RequestSize=0", "SetStatus=100",
        "AddRequestHeadersIfNotPresent=X", "PreserveHostHeader=1", "Retry=3"}) {
    std::string error;
    EXPECT_EQ(compile_filter(parse_shortcut(wrong), error), nullptr) << wrong;
    EXPECT_NE(error, "") << wrong;
  }
}

TEST(Filters, ShowThemselves) {
  EXPECT_EQ(compile("StripPrefix=2")->text(), "StripPrefix parts = 2");
  EXPECT_EQ(compile("RewritePath=/a, /b")->text(), "RewritePath /a = '/b'");
  EXPECT_EQ(compile("AddResponseHeader=X, 1")->text(), "AddResponseHeader X = '1'");
}

}  // namespace
}  // namespace gw::router
