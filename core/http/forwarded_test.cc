// SPDX-License-Identifier: Apache-2.0
#include "http/forwarded.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::http {
namespace {

TEST(Forwarded, Hops) {
  ForwardedHops hops;
  ASSERT_TRUE(
      hops.read("for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\" ; proto=https;by=203.0.113.43 ,"
                "for=unknown;host=\"a,b;c\",proto=http;for=\"192.0.2.1:80\""));
  ASSERT_EQ(hops.size(), 4u);
  EXPECT_EQ(hops[0].address, "192.0.2.43");
  EXPECT_EQ(hops[0].proto, "");
  EXPECT_EQ(hops[1].address, "2001:db8:cafe::17");
  EXPECT_EQ(hops[1].proto, "https");
  EXPECT_EQ(hops[2].address, "unknown");
  EXPECT_EQ(hops[3].address, "192.0.2.1");
  EXPECT_EQ(hops[3].proto, "http");
}

TEST(Forwarded, Addresses) {
  const std::pair<const char*, const char*> table[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"192.0.2.1:5678", "192.0.2.1"},
      {"192.0.2.1:_x", "192.0.2.1"},
      {"2001:db8::1", "2001:db8::1"},
      {"[2001:db8::1]", "2001:db8::1"},
      {"[::1]:443", "::1"},
      {"unknown", "unknown"},
      {"", ""},
      {"192.0.2.1:", ""},
      {"192.0.2.1:x", ""},
      {"192.0.2.1:123456", ""},
      {"192.0.2.1:_", "192.0.2.1"},
      {"[::1", ""},
      {"[::1]x", ""},
      {"[::1]:", ""},
      {"[::1]:x", ""},
  };
  for (const auto& [node, address] : table) EXPECT_EQ(address, node_address(node)) << node;
}

TEST(Forwarded, Malformed) {
  ForwardedHops hops;
  for (const char* text :
       {"", "for", "for=", "=a", "for=a;", "for=a,", "for=a b", "for=\"a", "for=\"a\\\"b\"",
        "for=a\"b\"", "f or=a", "for=[::1]", "for=a=b", ",for=a", "for=a;;proto=b", "for=a;for=b",
        "for=a;By=b;by=c", "host=a;proto=b;HOST=c", "for=a, proto=a;proto=b"})
    EXPECT_FALSE(hops.read(text)) << text;
}

TEST(Forwarded, Bounded) {
  ForwardedHops hops;
  std::string text = "for=a";
  for (std::size_t i = 1; i < ForwardedHops::kMost; ++i) text += ",for=a";
  EXPECT_TRUE(hops.read(text));
  EXPECT_FALSE(hops.read(text + ",for=a"));
}

}  // namespace
}  // namespace gw::http
