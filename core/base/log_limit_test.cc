// SPDX-License-Identifier: Apache-2.0
#include "base/log_limit.h"

#include <gtest/gtest.h>

namespace gw::base {
namespace {

TEST(LogLimit, OneLineASecond) {
  LogLimit limit;
  constexpr std::uint64_t second = 1000000000;
  EXPECT_TRUE(limit.allows(5));
  EXPECT_FALSE(limit.allows(6));
  EXPECT_FALSE(limit.allows(second + 4));
  EXPECT_TRUE(limit.allows(second + 5));
  EXPECT_FALSE(limit.allows(second + 6));
}

}  // namespace
}  // namespace gw::base
