// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <gtest/gtest.h>

namespace gw::queue {
namespace {

TEST(ParseStore, reads_all_parts) {
  auto store = parse_store("redis://ann:p%40ss@redis.example:7000/3");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->hosts.at(0).name, "redis.example");
  EXPECT_EQ(store->hosts.at(0).port, 7000);
  EXPECT_EQ(store->user, "ann");
  EXPECT_EQ(store->password, "p@ss");
  EXPECT_EQ(store->database, 3);
}

TEST(ParseStore, fills_in_what_is_missing) {
  auto store = parse_store("redis://localhost");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->hosts.at(0).name, "localhost");
  EXPECT_EQ(store->hosts.at(0).port, 6379);
  EXPECT_EQ(store->database, 0);
  EXPECT_EQ(parse_store("redis://:secret@h")->password, "secret");
  EXPECT_EQ(parse_store("redis://[::1]:7000")->hosts.at(0).name, "::1");
  EXPECT_EQ(parse_store("redis://[::1]:7000")->hosts.at(0).port, 7000);
  EXPECT_EQ(parse_store("unix:/run/redis.sock?db=2")->unix_path, "/run/redis.sock");
  EXPECT_EQ(parse_store("unix:/run/redis.sock?db=2")->database, 2);
}

TEST(ParseStore, reads_sentinels_clusters_and_tls) {
  auto store = parse_store("redis+sentinel://:pw@s1,s2:7001,[::1]:7002/shop?db=4");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->master, "shop");
  EXPECT_EQ(store->database, 4);
  EXPECT_EQ(store->password, "pw");
  ASSERT_EQ(store->hosts.size(), 3u);
  EXPECT_EQ(store->hosts[0].port, 26379);
  EXPECT_EQ(store->hosts[1].port, 7001);
  EXPECT_EQ(store->hosts[2].name, "::1");
  EXPECT_FALSE(store->tls);
  auto cluster = parse_store("rediss+cluster://a:1,b:2");
  ASSERT_TRUE(cluster);
  EXPECT_TRUE(cluster->cluster && cluster->tls);
  EXPECT_EQ(cluster->hosts.size(), 2u);
  EXPECT_TRUE(parse_store("rediss://h")->tls);
}

TEST(ParseStore, refuses_what_it_does_not_know) {
  for (const char* text : {"",
                           "http://h",
                           "redis://",
                           "redis://h:99999",
                           "redis://h:x",
                           "redis://h/x",
                           "redis://h/-1",
                           "redis://a%zz:b@h",
                           "redis://[::1",
                           "unix:relative",
                           "unix:",
                           "redis://h:",
                           "redis://a,b",
                           "redis+sentinel://a",
                           "redis+sentinel://a/",
                           "redis+sentinel://a/b/c",
                           "redis+sentinel://a,/m",
                           "redis+cluster://a/3",
                           "redis+x://a",
                           "redis+sentinel://a/m?db=x",
                           "redisx://a",
                           "unix:/a?db="})
    EXPECT_FALSE(parse_store(text)) << text;
}

}  // namespace
}  // namespace gw::queue
