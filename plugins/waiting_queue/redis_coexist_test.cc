// SPDX-License-Identifier: Apache-2.0
//
// A gateway of the original on the same Redis: its scripts, as its description has them, and ours
// with `coexist`, in random order. What it does wrong stays wrong (it overtakes, it leaves people in
// line whom it admitted, it renews what has expired); it must neither wedge the queue nor make it
// admit too many, and ours must heal behind it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "original_for_test.h"
#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;
constexpr int kUsers = 25;
class Coexist : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RedisServer::installed(GetParam())) << "not here: tools/setup.sh test";
    rules_.capacity = 5;
    rules_.duration_ms = original::kSeconds * kSecond;
    rules_.presence_ms = 0;
    ours_.reset(rules_);
  }
  static RedisServer& redis() { return RedisSubject::shared_server(GetParam()); }
  void original(const std::string& script, const std::string& user) {
    Reply reply = redis().run({"EVAL", script, "0", user, std::to_string(its_capacity_),
                               std::to_string(ours_.wall_ms / kSecond)});
    ASSERT_TRUE(reply);
    ASSERT_NE(reply->type, REDIS_REPLY_ERROR) << reply->str;
  }
  long long admitted() { return redis().number({"HLEN", "allowedIn:users"}); }
  long long waiting() { return redis().number({"ZCARD", "queue:wait"}); }
  int both() {
    int count = 0;
    for (int i = 0; i < kUsers; ++i) {
      const std::string user = "user" + std::to_string(i);
      count += redis().number({"HEXISTS", "allowedIn:users", user}) == 1 &&
               redis().text({"ZSCORE", "queue:wait", user}) != "";
    }
    return count;
  }

  std::vector<std::string> line() { return list({"ZRANGE", "queue:wait", "0", "-1"}); }
  // User -> epoch seconds.
  std::map<std::string, std::uint64_t> inside() {
    std::map<std::string, std::uint64_t> users;
    for (const auto& user : list({"HKEYS", "allowedIn:users"}))
      users[user] = std::stoull(redis().text({"HGET", "allowedIn:users", user}));
    return users;
  }
  static std::vector<std::string> list(const std::vector<std::string>& words) {
    Reply reply = redis().run(words);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < reply->elements; ++i) texts.emplace_back(reply->element[i]->str);
    return texts;
  }
  // A tick of ours heals what the original left behind, takes the first in line, and nobody out early.
  void tick_and_check() {
    const auto before = inside();
    std::vector<std::string> rest;
    for (const auto& user : line())
      if (before.count(user) == 0) rest.push_back(user);
    ours_.tick();
    const auto after = inside();
    const auto waiting_now = line();
    ASSERT_EQ(both(), 0);
    ASSERT_TRUE(after.size() >= rules_.capacity || waiting_now.empty())
        << "no slot stays free while somebody waits";
    ASSERT_LE(waiting_now.size(), rest.size());
    rest.erase(rest.begin(), rest.end() - std::ssize(waiting_now));
    ASSERT_EQ(waiting_now, rest) << "in their order";
    for (const auto& [user, renewed] : before) {
      if (after.count(user) != 0) continue;
      ASSERT_GE(ours_.wall_ms + kSecond, renewed * kSecond + rules_.duration_ms) << user;
    }
    for (const auto& [user, renewed] : after)
      ASSERT_NE(redis().text({"ZSCORE", "queue:expiry", user}), "") << user << " is in the index";
  }

  Rules rules_;
  std::uint64_t its_capacity_ = 5;
  RedisSubject ours_{redis()};
};

GW_OVER_ALL_SERVERS(Coexist);

TEST_P(Coexist, in_any_order_admits_no_more_than_fit_and_heals) {
  const char* given = std::getenv("GW_TEST_SEED");
  const auto seed =
      given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  std::printf("seed %u (GW_TEST_SEED repeats it)\n", seed);
  std::mt19937 random(seed);
  auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const std::vector<std::string> originals = original::steps();
  for (int step = 0; step < 6000; ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
    const std::string user = "user" + std::to_string(pick(kUsers));
    const auto before = static_cast<std::uint64_t>(admitted());
    const unsigned kind = pick(10);
    std::uint64_t bound = rules_.capacity;
    if (kind < 4) {
      original(originals[pick(static_cast<unsigned>(originals.size()))], user);
      bound = its_capacity_;
    } else if (kind < 8) {
      ours_.run(static_cast<Operation>(pick(5)), user);
    } else if (pick(20) == 0) {  // both are told, but not at the same time
      rules_.capacity = pick(8);
      ++rules_.version;
      ours_.change(rules_);
    } else if (pick(20) == 0) {
      its_capacity_ = rules_.capacity;
    } else {
      ours_.pass(pick(2500));
      tick_and_check();
    }
    if (HasFatalFailure()) return;
    ASSERT_LE(static_cast<std::uint64_t>(admitted()), std::max(before, bound));
  }
  if (rules_.capacity == 0) rules_.capacity = 1, ++rules_.version, ours_.change(rules_);
  // One after the other, when one is let in at a time.
  for (int i = 0; i < kUsers * (original::kSeconds + 2) && admitted() + waiting() > 0; ++i)
    ours_.live(kSecond);
  EXPECT_EQ(admitted() + waiting(), 0) << "everybody gets in, and out";
  EXPECT_EQ(redis().number({"ZCARD", "queue:expiry"}), 0);
}

TEST_P(Coexist, leaves_no_key_that_the_originals_scripts_would_contradict) {
  for (int i = 0; i < 10; ++i) ours_.line_up("user" + std::to_string(i));
  ours_.away({"user7"});
  ours_.tick();
  for (const char* key : {"queue:lease", "queue:away", "queue:since"})
    EXPECT_EQ(redis().number({"EXISTS", key}), 0) << key;
  original(original::kLeaveLine, "user7");
  EXPECT_EQ(ours_.status("user7").standing, Standing::kAbsent);
  EXPECT_EQ(ours_.status("user8").position, 3u);
}

}  // namespace
}  // namespace gw::queue
