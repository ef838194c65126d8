// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

namespace gw::base {
namespace {

TEST(Clock, FormatsTimestamps) {
  char text[25];
  format_timestamp(0, text);
  EXPECT_STREQ(text, "1970-01-01T00:00:00.000Z");
  format_timestamp(1736937000123, text);
  EXPECT_STREQ(text, "2025-01-15T10:30:00.123Z");
}

}  // namespace
}  // namespace gw::base
