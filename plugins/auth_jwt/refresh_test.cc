// SPDX-License-Identifier: Apache-2.0
#include "refresh.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gw::auth {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

TEST(RefreshPlan, IntervalLessATenth) {
  RefreshPlan plan({300'000, 1'000, 60'000});
  EXPECT_EQ(plan.after_success(0), 300'000u);
  EXPECT_EQ(plan.after_success(29'999), 270'001u);
  EXPECT_EQ(plan.after_success(30'000), 300'000u);
}

TEST(RefreshPlan, FailuresBackOffToAMaximum) {
  RefreshPlan plan({300'000, 1'000, 60'000});
  for (std::uint32_t expected :
       {1'000u, 2'000u, 4'000u, 8'000u, 16'000u, 32'000u, 60'000u, 60'000u})
    EXPECT_EQ(plan.after_failure(0), expected);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(plan.after_failure(0), 60'000u);
  EXPECT_EQ(plan.after_failure(29'999), 30'001u);
  plan.after_success(0);
  EXPECT_EQ(plan.after_failure(0), 1'000u);
}

TEST(FetchGate, OneFetchForAll) {
  FetchGate gate(5'000);
  EXPECT_EQ(gate.ask(0), FetchGate::Answer::kStart);
  EXPECT_EQ(gate.ask(0), FetchGate::Answer::kWait);
  gate.begun(0);
  EXPECT_EQ(gate.ask(1 * kMs), FetchGate::Answer::kJoin);
  gate.ended(true);
  // In the cool-down one may ask, and the fetch begins at its end.
  EXPECT_EQ(gate.ask(1'000 * kMs), FetchGate::Answer::kStart);
  EXPECT_EQ(gate.remaining_ms(1'000 * kMs), 4'000u);
  EXPECT_EQ(gate.ask(1'001 * kMs), FetchGate::Answer::kWait);
  EXPECT_EQ(gate.remaining_ms(5'000 * kMs), 0u);
  EXPECT_EQ(gate.remaining_ms(5'000 * kMs - 1), 1u);
}

TEST(FetchGate, AfterAFailureNobodyWaitsInTheCoolDown) {
  FetchGate gate(5'000);
  gate.begun(0);
  gate.ended(false);
  EXPECT_TRUE(gate.last_failed());
  EXPECT_EQ(gate.ask(4'999 * kMs), FetchGate::Answer::kRefuse);
  EXPECT_EQ(gate.ask(5'000 * kMs), FetchGate::Answer::kStart);
  gate.begun(5'000 * kMs);
  gate.ended(true);
  EXPECT_FALSE(gate.last_failed());
  EXPECT_EQ(gate.ask(5'001 * kMs), FetchGate::Answer::kStart);
}

TEST(FetchGate, OfManyThreadsOneStarts) {
  FetchGate gate(5'000);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> starts{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] { starts += gate.ask(0) == FetchGate::Answer::kStart; });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(starts, 1);
    gate.begun(0);
    gate.ended(true);
  }
}

}  // namespace
}  // namespace gw::auth
