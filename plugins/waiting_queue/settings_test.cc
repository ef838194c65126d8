// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <gtest/gtest.h>

namespace gw::queue {
namespace {

TEST(ParseStore, reads_all_parts) {
  auto store = parse_store("redis://ann:p%40ss@redis.example:7000/3");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->host, "redis.example");
  EXPECT_EQ(store->port, 7000);
  EXPECT_EQ(store->user, "ann");
  EXPECT_EQ(store->password, "p@ss");
  EXPECT_EQ(store->database, 3);
}

TEST(ParseStore, fills_in_what_is_missing) {
  auto store = parse_store("redis://localhost");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->host, "localhost");
  EXPECT_EQ(store->port, 6379);
  EXPECT_EQ(store->database, 0);
  EXPECT_EQ(parse_store("redis://:secret@h")->password, "secret");
  EXPECT_EQ(parse_store("redis://[::1]:7000")->host, "::1");
  EXPECT_EQ(parse_store("redis://[::1]:7000")->port, 7000);
  EXPECT_EQ(parse_store("unix:/run/redis.sock?db=2")->unix_path, "/run/redis.sock");
  EXPECT_EQ(parse_store("unix:/run/redis.sock?db=2")->database, 2);
}

TEST(ParseStore, refuses_what_it_does_not_know) {
  for (const char* text :
       {"", "http://h", "redis://", "redis://h:99999", "redis://h:x", "redis://h/x", "redis://h/-1",
        "redis://a%zz:b@h", "redis://[::1", "unix:relative", "unix:", "redis://h:"})
    EXPECT_FALSE(parse_store(text)) << text;
}

}  // namespace
}  // namespace gw::queue
