// SPDX-License-Identifier: Apache-2.0
#include "http/canonical_path.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::http {
namespace {

class CanonicalPathTest : public ::testing::Test {
 protected:
  base::ChunkPool pool_;
  base::Arena arena_{pool_};
};

TEST_F(CanonicalPathTest, Passes) {
  struct Case {
    const char* raw;
    const char* canonical;
  };
  for (const Case& item : {Case{"/", "/"},
                           {"/a/b-c._~", "/a/b-c._~"},
                           {"/a/", "/a/"},
                           {"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="},
                           {"/...", "/..."},
                           {"/.a/b..c", "/.a/b..c"},
                           {"/%41%7e%2D%5f", "/A~-_"},
                           {"/%ed%95%9c", "/%ED%95%9C"},
                           {"/%20%22%3c", "/%20%22%3C"},
                           {"/%F0%9F%98%80", "/%F0%9F%98%80"}}) {
    const CanonicalPath path = make_canonical_path(item.raw, arena_);
    EXPECT_EQ(nullptr, path.problem) << item.raw;
    EXPECT_EQ(item.canonical, path.path) << item.raw;
    // What is canonical stays as it is.
    const CanonicalPath again = make_canonical_path(path.path, arena_);
    EXPECT_EQ(path.path.data(), again.path.data()) << item.raw;
  }
}

TEST_F(CanonicalPathTest, Refuses) {
  for (const char* raw : {"",          "a",         "*",        "//",         "/a//b",
                          "/a//",      "/.",        "/..",      "/a/./b",     "/a/../b",
                          "/a/..",     "/a;b",      "/a;",      "/a\\b",      "/%2f",
                          "/%2F",      "/%5c",      "/%5C",     "/%2e",       "/%2E%2e",
                          "/%25",      "/%252e",    "/%3b",     "/%3B",       "/%00",
                          "/%0a",      "/%0D",      "/%1f",     "/%7f",       "/%",
                          "/%4",       "/%zz",      "/%g0",     "/a b",       "/a\"",
                          "/<",        "/>",        "/^",       "/{a}",       "/|",
                          "/`",        "/[a]",      "/a#b",     "/a?b",       "/\x01",
                          "/\x7f",     "/\xc3\xa4", "/%ff",     "/%c0%af",    "/%80",
                          "/%c3",      "/%c3a",     "/%c3/%a4", "/%ed%a0%80", "/%f4%90%80%80",
                          "/%e0%80%af"}) {
    EXPECT_NE(nullptr, make_canonical_path(raw, arena_).problem) << raw;
  }
}

TEST_F(CanonicalPathTest, Authorities) {
  for (const char* good :
       {"a", "a.", "a.b-c_d", "10.0.0.1", "a:1", "a:65535", "[::1]", "[fe80::1]:80"}) {
    EXPECT_TRUE(is_authority(good)) << good;
  }
  for (const char* bad :
       {"",     ".",      ".a",          "a..b",  "a..",       ":80",  "a:",   "a:0", "a:65536",
        "a:1x", "a b",    "a,b",         "a/b",   "u@a",       "a%41", "[::1", "::1", "[]",
        "[a]",  "[::1]x", "[fe80::1%1]", "a:1:2", "a\xc3\xa4", "a;b",  "a?b",  "a#b"}) {
    EXPECT_FALSE(is_authority(bad)) << bad;
  }
}

}  // namespace
}  // namespace gw::http
