// SPDX-License-Identifier: Apache-2.0
//
// A gateway of the original on the same Redis: its scripts, as its description has them, and ours
// with `coexist`, in random order. What it does wrong stays wrong (it overtakes, it leaves people in
// line whom it admitted, it renews what has expired); it must neither wedge the queue nor make it
// admit too many, and ours must heal behind it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;
constexpr int kUsers = 25;
constexpr const char* kLineup = R"lua(
  if redis.call('HEXISTS', 'allowedIn:users', ARGV[1]) == 1 then return 1 end
  if redis.call('HLEN', 'allowedIn:users') < tonumber(ARGV[2]) then
    redis.call('HSET', 'allowedIn:users', ARGV[1], ARGV[3])
    return 2
  end
  redis.call('ZADD', 'queue:wait', redis.call('INCR', 'queue:counter'), ARGV[1])
  return 3)lua";
constexpr const char* kPromote = R"lua(
  local free = tonumber(ARGV[2]) - redis.call('HLEN', 'allowedIn:users')
  if free > 0 then
    for _, user in ipairs(redis.call('ZRANGE', 'queue:wait', 0, free - 1)) do
      redis.call('ZREM', 'queue:wait', user)
      redis.call('HSET', 'allowedIn:users', user, ARGV[3])
    end
  end)lua";
constexpr const char* kExpire = R"lua(
  local all = redis.call('HGETALL', 'allowedIn:users')
  for i = 1, #all, 2 do
    if tonumber(ARGV[3]) - tonumber(all[i + 1]) >= 20 then redis.call('HDEL', 'allowedIn:users', all[i]) end
  end)lua";
constexpr const char* kEnter = R"lua(
  if redis.call('HEXISTS', 'allowedIn:users', ARGV[1]) == 1 then
    redis.call('HSET', 'allowedIn:users', ARGV[1], ARGV[3])
  end)lua";
constexpr const char* kLeave = "redis.call('HDEL', 'allowedIn:users', ARGV[1])";
constexpr const char* kLeaveLine = "redis.call('ZREM', 'queue:wait', ARGV[1])";

class Coexist : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RedisServer::installed(GetParam())) << "not here: tools/setup.sh test";
    rules_.capacity = 5;
    rules_.duration_ms = 20 * kSecond;
    rules_.presence_ms = 0;
    ours_.reset(rules_);
  }
  static RedisServer& redis() { return RedisSubject::shared_server(GetParam()); }
  void original(const std::string& script, const std::string& user) {
    Reply reply = redis().run({"EVAL", script, "0", user, std::to_string(rules_.capacity),
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

  Rules rules_;
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
  const std::vector<std::string> originals = {
      kLineup,   kLineup, std::string(kExpire) + kPromote, kEnter, std::string(kLeave) + kPromote,
      kLeaveLine};
  for (int step = 0; step < 6000; ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
    const std::string user = "user" + std::to_string(pick(kUsers));
    const unsigned kind = pick(10);
    if (kind < 4) {
      original(originals[pick(static_cast<unsigned>(originals.size()))], user);
    } else if (kind < 8) {
      ours_.run(static_cast<Operation>(pick(5)), user);
    } else {
      ours_.pass(pick(2500));
      ours_.tick();
      ASSERT_EQ(both(), 0) << "healed by a tick";
      ASSERT_TRUE(admitted() >= 5 || waiting() == 0) << "no slot stays free while somebody waits";
    }
    if (HasFatalFailure()) return;
    ASSERT_LE(admitted(), 5);
  }
  for (int i = 0; i < 200 && admitted() + waiting() > 0; ++i) ours_.live(kSecond);
  EXPECT_EQ(admitted() + waiting(), 0) << "everybody gets in, and out";
  EXPECT_EQ(redis().number({"ZCARD", "queue:expiry"}), 0);
}

TEST_P(Coexist, leaves_no_key_that_the_originals_scripts_would_contradict) {
  for (int i = 0; i < 10; ++i) ours_.line_up("user" + std::to_string(i));
  ours_.away({"user7"});
  ours_.tick();
  for (const char* key : {"queue:lease", "queue:away", "queue:since"})
    EXPECT_EQ(redis().number({"EXISTS", key}), 0) << key;
  original(kLeaveLine, "user7");
  EXPECT_EQ(ours_.status("user7").standing, Standing::kAbsent);
  EXPECT_EQ(ours_.status("user8").position, 3u);
}

}  // namespace
}  // namespace gw::queue
