// SPDX-License-Identifier: Apache-2.0
#include "pace.h"

#include <gtest/gtest.h>

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(Pace, SaysNothingBeforeItKnows) {
  Pace pace;
  EXPECT_FALSE(pace.wait(1));
  pace.admitted(100, 1 * kSecond);
  pace.turn(30 * kSecond);
  EXPECT_FALSE(pace.wait(1));  // not long enough
  pace.turn(31 * kSecond);
  EXPECT_TRUE(pace.wait(1));
  EXPECT_FALSE(pace.wait(0));
  Pace few;
  few.admitted(9, 1 * kSecond);
  few.turn(100 * kSecond);
  EXPECT_FALSE(few.wait(1));
}

TEST(Pace, GivesARangeAroundTheMiddle) {
  Pace pace;
  for (std::uint64_t second = 1; second <= 61; ++second) pace.admitted(2, second * kSecond);
  EXPECT_EQ(pace.wait(20), (Pace::Range{5, 15}));         // 10 s
  EXPECT_EQ(pace.wait(240), (Pace::Range{60, 180}));      // two minutes
  EXPECT_EQ(pace.wait(7200), (Pace::Range{2520, 5400}));  // an hour, in whole minutes
}

TEST(Pace, ForgetsWhatIsLongAgo) {
  Pace pace;
  pace.admitted(1000, 1 * kSecond);
  for (std::uint64_t second = 2; second <= 400; ++second) pace.admitted(1, second * kSecond);
  EXPECT_EQ(pace.wait(60), (Pace::Range{30, 90}));  // one a second
  pace.turn(2000 * kSecond);                        // the home worker stood still
  EXPECT_FALSE(pace.wait(60));
  for (std::uint64_t second = 2001; second <= 2040; ++second) pace.admitted(1, second * kSecond);
  EXPECT_TRUE(pace.wait(60));
}

TEST(Pace, StandsStillWhenNobodyIsAdmitted) {
  Pace pace;
  pace.admitted(100, 1 * kSecond);
  for (std::uint64_t second = 2; second <= 600; ++second) pace.turn(second * kSecond);
  EXPECT_FALSE(pace.wait(1));
}

}  // namespace
}  // namespace gw::queue
