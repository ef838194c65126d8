// SPDX-License-Identifier: Apache-2.0
#include "base/health.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace gw::base {
namespace {

std::vector<std::string> all(const HealthRegistry& health) {
  std::vector<std::string> lines;
  health.visit([&](const HealthRegistry::Entry& entry) {
    lines.push_back(std::string(entry.component) + "=" +
                    std::to_string(static_cast<int>(entry.status)) +
                    std::string(entry.details_json));
  });
  return lines;
}

TEST(Health, NothingReportedIsUp) {
  HealthRegistry health;
  EXPECT_EQ(health.overall(), HealthStatus::kUp);
  EXPECT_TRUE(all(health).empty());
}

TEST(Health, ShowsTheWorstOfEachComponentInOrderOfName) {
  HealthRegistry health;
  auto first = health.new_owner(), second = health.new_owner();
  EXPECT_TRUE(health.report(first, "redis", HealthStatus::kUp, "{\"a\":1}"));
  EXPECT_TRUE(health.report(second, "redis", HealthStatus::kDown, "{\"b\":2}"));
  EXPECT_TRUE(health.report(second, "discovery", HealthStatus::kUnknown, ""));
  EXPECT_EQ(all(health), (std::vector<std::string>{"discovery=2", "redis=4{\"b\":2}"}));
  EXPECT_EQ(health.overall(), HealthStatus::kDown);
  EXPECT_TRUE(health.report(second, "redis", HealthStatus::kUp, "{\"c\":3}"));
  EXPECT_EQ(all(health), (std::vector<std::string>{"discovery=2", "redis=1{\"a\":1}"}));
}

TEST(Health, RemovingAnOwnerForgetsItsReportsOnly) {
  HealthRegistry health;
  auto first = health.new_owner(), second = health.new_owner();
  health.report(first, "keys", HealthStatus::kDown, "");
  health.report(second, "keys", HealthStatus::kUp, "");
  health.report(first, "redis", HealthStatus::kDown, "");
  health.remove(first);
  EXPECT_EQ(all(health), (std::vector<std::string>{"keys=1"}));
  health.remove(second);
  health.remove(second);
  EXPECT_TRUE(all(health).empty());
}

TEST(Health, IsBounded) {
  HealthRegistry health;
  auto owner = health.new_owner();
  EXPECT_FALSE(health.report(owner, "", HealthStatus::kUp, ""));
  EXPECT_FALSE(health.report(owner, std::string(HealthRegistry::kMaxNameBytes + 1, 'x'),
                             HealthStatus::kUp, ""));
  for (std::size_t i = 0; i < HealthRegistry::kMaxComponents; ++i)
    ASSERT_TRUE(health.report(owner, "c" + std::to_string(i), HealthStatus::kUp, ""));
  EXPECT_FALSE(health.report(owner, "one more", HealthStatus::kUp, ""));
  EXPECT_TRUE(health.report(owner, "c0", HealthStatus::kDown, ""));
  EXPECT_TRUE(health.report(owner, "c1", HealthStatus::kUp,
                            std::string(HealthRegistry::kMaxDetailsBytes + 1, ' ')));
  EXPECT_EQ(all(health)[1], "c1=1");
  health.remove(owner);
  EXPECT_TRUE(health.report(health.new_owner(), "one more", HealthStatus::kUp, ""));
}

TEST(Health, VisitorMayReport) {
  HealthRegistry health;
  auto owner = health.new_owner();
  health.report(owner, "a", HealthStatus::kUp, "");
  health.visit([&](const auto&) { health.report(owner, "b", HealthStatus::kUp, ""); });
  EXPECT_EQ(all(health).size(), 2u);
}

TEST(Health, ManyThreads) {
  HealthRegistry health;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      auto owner = health.new_owner();
      for (int round = 0; round < 200; ++round) {
        health.report(owner, "redis", HealthStatus::kDown, "{}");
        health.overall();
        health.remove(owner);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(all(health).empty());
}

}  // namespace
}  // namespace gw::base
