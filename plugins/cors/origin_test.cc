// SPDX-License-Identifier: Apache-2.0
#include "origin.h"

#include <gtest/gtest.h>

namespace gw::cors {
namespace {

TEST(Origin, Parts) {
  const struct {
    const char *text, *scheme, *host, *port;
  } cases[] = {{"https://shop.example", "https", "shop.example", ""},
               {"HTTP://Shop.Example:8080", "HTTP", "Shop.Example", "8080"},
               {"http://[::1]:3000", "http", "[::1]", "3000"},
               {"http://[::1]", "http", "[::1]", ""},
               {"chrome-extension://abcdef", "chrome-extension", "abcdef", ""},
               {"file://", "file", "", ""}};
  for (const auto& test : cases) {
    const auto origin = parse_origin(test.text);
    ASSERT_TRUE(origin) << test.text;
    EXPECT_EQ(origin->scheme, test.scheme);
    EXPECT_EQ(origin->host, test.host);
    EXPECT_EQ(origin->port, test.port);
  }
}

TEST(Origin, WhatIsNone) {
  for (const char* text : {"",
                           "null",
                           "shop.example",
                           "//shop.example",
                           "://shop.example",
                           "1http://a",
                           "ht tp://a",
                           "https://a/",
                           "https://a/path",
                           "https://a#.shop.example",
                           "https://a?x",
                           "https://u@a",
                           "https://a, https://b",
                           "https://a https://b",
                           "https://a:",
                           "https://a:x",
                           "https://a:123456",
                           "https://[::1",
                           "https://[evil]",
                           "https://a\\b",
                           "https://\xc3\xa9"})
    EXPECT_FALSE(parse_origin(text)) << text;
  EXPECT_FALSE(parse_origin("https://" + std::string(300, 'a')));
}

TEST(Origin, Same) {
  const struct {
    const char *origin, *scheme, *authority;
    bool same;
  } cases[] = {{"https://shop.example", "https", "shop.example", true},
               {"https://Shop.example:443", "https", "shop.example", true},
               {"https://shop.example", "https", "shop.example:443", true},
               {"http://localhost:8080", "http", "localhost:8080", true},
               {"http://[::1]:8080", "http", "[::1]:8080", true},
               {"http://shop.example", "https", "shop.example", false},
               {"https://shop.example", "http", "shop.example:443", false},
               {"https://shop.example:8443", "https", "shop.example", false},
               {"https://other.example", "https", "shop.example", false},
               {"http://[::1]", "http", "[::1]:8080", false}};
  for (const auto& test : cases)
    EXPECT_EQ(is_same_origin(*parse_origin(test.origin), test.scheme, test.authority), test.same)
        << test.origin << " " << test.scheme << " " << test.authority;
}

TEST(OriginPattern, AsInSpring) {
  const struct {
    const char *pattern, *origin;
    bool matches;
  } cases[] = {{"*", "https://a.example", true},
               {"*", "null", true},
               {"https://*.shop.example", "https://a.shop.example", true},
               {"https://*.shop.example", "https://a.b.shop.example", true},
               {"https://*.shop.example", "HTTPS://A.Shop.Example", true},
               {"https://*.shop.example", "https://shop.example", false},
               {"https://*.shop.example", "http://a.shop.example", false},
               {"https://*.shop.example", "https://a.shop.example.evil", false},
               {"https://*.shop.example", "https://a.shop.example:8443", false},
               {"https://*.shop.example", "null", false},
               {"https://*.shop.example:[8080,8081]", "https://a.shop.example:8081", true},
               {"https://*.shop.example:[8080,8081]", "https://a.shop.example:808", false},
               {"https://*.shop.example:[8080,8081]", "https://a.shop.example", false},
               {"https://*.shop.example:[*]", "https://a.shop.example", true},
               {"https://*.shop.example:[*]", "https://a.shop.example:1", true},
               {"https://*.shop.example:[*]", "null", false},
               {"http://localhost:*", "http://localhost:3000", true},
               {"http://localhost:*", "http://localhost", false},
               {"http://[::1]:[*]", "http://[::1]:3000", true},
               {"http://[::1]", "http://[::1]", true},
               {":[8080]", "https://shop.example:8080", false},
               {"https://shop?example", "https://shopxexample", false},
               {"https://shop.example", "https://shopxexample", false}};
  for (const auto& test : cases) {
    OriginPattern pattern;
    ASSERT_EQ(pattern.compile(test.pattern), "");
    EXPECT_EQ(pattern.match(test.origin), test.matches) << test.pattern << " " << test.origin;
  }
}

TEST(OriginPattern, WhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("https://a:[]"), std::string("https://a:[80,]"),
        std::string("https://a:[x]"), std::string(301, '*')})
    EXPECT_NE(OriginPattern().compile(text), "") << text;
}

TEST(OriginPattern, ManyStarsAreNotSlow) {
  OriginPattern pattern;
  std::string stars;
  for (int i = 0; i < 100; ++i) stars += "*a";
  ASSERT_EQ(pattern.compile(stars + "b"), "");
  EXPECT_FALSE(pattern.match(std::string(300, 'a')));  // would not end if it tried every way
}

}  // namespace
}  // namespace gw::cors
