// SPDX-License-Identifier: Apache-2.0
#include "server/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace gw::server {
namespace {

TEST(Descriptors, TheLimitIsRaisedAsFarAsAllowed) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
}

TEST(Descriptors, SaysWhenTheyAreTooFew) {
  EXPECT_EQ(descriptor_shortage(100000, 10000, 4), "");
  EXPECT_EQ(descriptor_shortage(1024, 0, 1), "");
  EXPECT_EQ(descriptor_shortage(300, 0, 1),
            "only 300 descriptors are allowed: no more than 86 connections are served; raise the "
            "limit (LimitNOFILE=, ulimit -n)");
  EXPECT_EQ(descriptors_missing(130, 1), "");
  EXPECT_EQ(descriptors_missing(20, 2),
            "only 20 descriptors are allowed, and workers = 2 needs at least 194: raise the limit "
            "(LimitNOFILE=, ulimit -n)");
  const std::string text = descriptor_shortage(1024, 10000, 1);
  EXPECT_NE(text.find("10000"), std::string::npos) << text;
  EXPECT_NE(text.find("only 1024 descriptors"), std::string::npos) << text;
  EXPECT_NE(text.find("no more than 448 connections"), std::string::npos) << text;
}

TEST(Descriptors, AreSharedByClientsAndServices) {
  const struct {
    std::uint64_t allowed;
    std::uint32_t max_connections, workers, clients, upstream_per_worker;
  } cases[] = {{20, 0, 8, 1, 1},
               {1024, 0, 1, 448, 448},
               {20000, 0, 1, 17388, 2484},
               {20000, 15000, 2, 15000, 2404},
               {20000, 19000, 2, 17332, 1238},
               {1048576, 0, 2, 65536, 491424},
               {1048576, 200000, 2, 200000, 424192}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.allowed);
    const DescriptorShares shares =
        share_descriptors(each.allowed, each.max_connections, each.workers);
    EXPECT_EQ(shares.clients, each.clients);
    EXPECT_EQ(shares.upstream_per_worker, each.upstream_per_worker);
  }
}

}  // namespace
}  // namespace gw::server
