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
  const std::string text = descriptor_shortage(1024, 10000, 1);
  EXPECT_NE(text.find("20128"), std::string::npos) << text;
  EXPECT_NE(text.find("1024"), std::string::npos) << text;
  EXPECT_NE(text.find("no more than 448 connections"), std::string::npos) << text;
  EXPECT_EQ(affordable_connections(20, 8), 1u);
}

}  // namespace
}  // namespace gw::server
