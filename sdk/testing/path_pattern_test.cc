// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <gateway/path_pattern.hpp>
#include <random>

namespace gw {
namespace {

PathPattern make(std::string_view text) {
  PathPattern pattern;
  EXPECT_EQ(pattern.compile(text), "") << text;
  return pattern;
}

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

TEST(PathPattern, MatchesAsSpringDoes) {
  const Case cases[] = {
      {"/", "/", true},
      {"/", "/a", false},
      {"/a", "/a", true},
      {"a", "/a", true},
      {"/a", "/a/", false},
      {"/a/", "/a/", true},
      {"/a/", "/a", false},
      {"/a", "/A", false},
      {"/a/b", "/a/b", true},
      {"/a/b", "/a/b/c", false},
      {"/a/b", "/a", false},
      {"/t?st", "/test", true},
      {"/t?st", "/tst", false},
      {"/t?st", "/t\xc3\xa4st", true},
      {"/t?st", "/t%C3%A4st", true},
      {"/?", "/", false},
      {"/a/*", "/a/b", true},
      {"/a/*", "/a/", true},
      {"/a/*", "/a", false},
      {"/a/*", "/a/b/", false},
      {"/a/*", "/a/b/c", false},
      {"/a/*/c", "/a/b/c", true},
      {"/a/*/c", "/a//c", false},
      {"/*-service/x", "/auth-service/x", true},
      {"/*-service/x", "/-service/x", true},
      {"/*-service/x", "/auth-services/x", false},
      {"/a*b*c", "/aXbYbZc", true},
      {"/a*b*c", "/aXbYbZ", false},
      {"/a/**", "/a", true},
      {"/a/**", "/a/", true},
      {"/a/**", "/a/b/c", true},
      {"/a/**", "/ab", false},
      {"/**", "/", true},
      {"/**", "/x/y", true},
      {"/**/b", "/b", true},
      {"/**/b", "/a/a/b", true},
      {"/**/b", "/a/b/c", false},
      {"/**/a/b", "/b", false},
      {"/**/a/b", "/x/a/b", true},
      {"/{v}", "/x", true},
      {"/{v}", "/", false},
      {"/a/{v}/c", "/a/b/c", true},
      {"/a/{*rest}", "/a", true},
      {"/a/{*rest}", "/a/b/c", true},
      {"/a/{*rest}", "/b", false},
      {"/caf\xc3\xa9", "/caf%c3%a9", true},
      {"/a b", "/a%20b", true},
      {"/a%20b", "/a%20b", false},
      {"/admin", "/%61dmin", true},
      {"/admin/**", "/%61%64min/x", true},
      {"/api/v1/admin/**", "/api/v1/a%64min/x", true},
      {"/api/v1/admin/**", "/api/v1/user/%61", false},
      {"/api/v1/admin/**", "/api/v1/admi", false},
      {"/a/b%c/**", "/a/b%25c/d", true},
      {"/a/b%c/**", "/a/b%26c/d", false},
      {"/*x", "/a%78", true},
  };
  for (const Case& c : cases)
    EXPECT_EQ(make(c.pattern).match(c.path), c.matches) << c.pattern << " on " << c.path;
}

TEST(PathPattern, NothingMatchesBeforeCompilingOrOutsidePaths) {
  EXPECT_FALSE(PathPattern().match("/"));
  EXPECT_FALSE(make("/**").match(""));
  EXPECT_FALSE(make("/**").match("*"));
}

TEST(PathPattern, Captures) {
  PathCaptures captures;
  PathPattern pattern = make("/a/{one}/{two}-x-{three}.json");
  ASSERT_TRUE(pattern.match("/a/1%20/p-x-q-x-r.json", &captures));
  ASSERT_EQ(captures.count, 3u);
  EXPECT_EQ(captures.find("one"), "1%20");
  EXPECT_EQ(captures.find("two"), "p-x-q");  // greedy from the left
  EXPECT_EQ(captures.find("three"), "r");
  EXPECT_EQ(captures.find("four").data(), nullptr);
  EXPECT_EQ(captures.variables[1].name, "two");

  ASSERT_TRUE(make("/a/{*rest}").match("/a", &captures));
  EXPECT_EQ(captures.count, 1u);
  PathPattern rest = make("/a/{*rest}");
  ASSERT_TRUE(rest.match("/a/b/c", &captures));
  EXPECT_EQ(captures.find("rest"), "/b/c");
  PathPattern start = make("/{*before}/last");
  ASSERT_TRUE(start.match("/x/y/last", &captures));
  EXPECT_EQ(captures.find("before"), "/x/y");
}

TEST(PathPattern, RefusesWhatItCannotDo) {
  const char* wrong[] = {"",          "/a/**/b",   "/**/a/**", "/{a",        "/a}",  "/{a:[0-9]+}",
                         "/{}",       "/{1a}",     "/{a}{b}",  "/{a}/{a}",   "/a**", "/***",
                         "/x{*rest}", "/{*rest}x", "//a",      "/{*r}/{*s}", "/{*}", "/{a b}"};
  for (const char* text : wrong) {
    PathPattern pattern;
    EXPECT_NE(pattern.compile(text), "") << text;
    EXPECT_FALSE(pattern.match("/a")) << text;
  }
  PathPattern pattern;
  EXPECT_NE(pattern.compile("/" + std::string(2000, 'a')), "");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "/a";
  EXPECT_NE(pattern.compile(many), "");
  many.clear();
  for (int i = 0; i < 17; ++i) many += "/{v" + std::to_string(i) + "}";
  EXPECT_NE(pattern.compile(many), "");
}

TEST(PathPattern, FirstLiteralNamesTheFirstSegment) {
  EXPECT_EQ(make("/api/v1/**").first_literal(), "api");
  EXPECT_EQ(make("/{x}/v1/**").first_literal(), "");
  EXPECT_EQ(make("/**").first_literal(), "");
}

// A segment against a plain recursive definition of the wildcards.
bool matches_slowly(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*')
    return matches_slowly(pattern.substr(1), text) ||
           (!text.empty() && matches_slowly(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         matches_slowly(pattern.substr(1), text.substr(1));
}

TEST(PathPattern, WildcardsOfOneSegmentAreComplete) {
  unsigned seed = 20261122;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string pattern, text = "z";
    for (unsigned i = random() % 7; i-- > 0;) {
      char c = "ab*?"[random() % 4];
      if (c != '*' || pattern.empty() || pattern.back() != '*') pattern += c;
    }
    pattern += "z";
    for (unsigned i = random() % 8; i-- > 0;) text.insert(text.begin(), "ab"[random() % 2]);
    ASSERT_EQ(make("/" + pattern).match("/" + text), matches_slowly(pattern, text))
        << pattern << " on " << text;
  }
}

TEST(PathPattern, AHostileSegmentCostsLittle) {
  PathPattern pattern = make("/*a*a*a*a*a*a*a*a*b");
  EXPECT_FALSE(pattern.match("/" + std::string(8000, 'a')));
}

}  // namespace
}  // namespace gw
