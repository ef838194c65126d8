// SPDX-License-Identifier: Apache-2.0
//
// A gateway of the original works on the same Redis at the same time: its scripts over a connection and
// from a thread of its own, ours by the plugin with `coexist`. (redis_coexist_test.cc has both in one
// thread, with the clock in hand.)
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <random>
#include <thread>
#include <utility>

#include "gateway_for_test.h"
#include "original_for_test.h"

namespace gw::queue {
namespace {

constexpr const char* kBeside = "coexist = true\nstatus_interval = \"1s\"\ncapacity = ";

class BesideOriginal : public GatewayForTest {
 protected:
  static std::string name(unsigned i) { return "user" + std::to_string(i); }
  void original(const std::string& script, const std::string& user, int capacity) {
    Reply reply = server_.run(
        {"EVAL", script, "0", user, std::to_string(capacity), std::to_string(std::time(nullptr))});
    ASSERT_TRUE(reply);
    ASSERT_NE(reply->type, REDIS_REPLY_ERROR) << reply->str;
  }
  // In one step, as nothing else can look at two keys at once.
  long long read(const std::string& script) { return server_.number({"EVAL_RO", script, "0"}); }
  long long both() {
    return read(
        "local n = 0 for _, u in ipairs(redis.call('HKEYS', 'allowedIn:users')) do "
        "if redis.call('ZSCORE', 'queue:wait', u) then n = n + 1 end end return n");
  }
  long long not_in_the_index() {
    return read(
        "local n = 0 for _, u in ipairs(redis.call('HKEYS', 'allowedIn:users')) do "
        "if not redis.call('ZSCORE', 'queue:expiry', u) then n = n + 1 end end return n");
  }

  long long left() {
    return server_.number({"ZCARD", "queue:wait"}) + server_.number({"HLEN", "allowedIn:users"});
  }

  RedisServer server_;
};

TEST_F(BesideOriginal, each_serves_those_whom_the_other_lined_up_or_admitted) {
  start(server_, std::string(kBeside) + "1");
  line_up("in");
  original(original::kLineup, "theirs", 1);
  line_up("ours");
  Client& theirs = call("GET", "/api/v1/queue/stream", "theirs");
  Client& ours = call("GET", "/api/v1/queue/stream", "ours");
  wait([&] { return theirs.body().find("\"userQueuePosition\":1") != std::string::npos; });
  wait([&] { return ours.body().find("\"userQueuePosition\":2") != std::string::npos; });
  // Its own streams alone hear whom it admits: ours find out.
  original(std::string(original::kLeave) + original::kPromote, "in", 1);
  wait([&] { return theirs.ended(); });
  EXPECT_EQ(events(theirs, "ALLOWED_IN"), 1);
  EXPECT_EQ(call("POST", "/api/v1/reservations", "in").status(), 403u);
  const unsigned passed = call("POST", "/api/v1/reservations", "theirs").status();
  EXPECT_NE(passed, 403u);
  EXPECT_NE(passed, 429u);
  original(original::kEnter, "theirs", 1);
  wait([&] { return not_in_the_index() == 0; });
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "theirs").status(), 200u);
  wait([&] { return ours.ended(); });
  EXPECT_EQ(events(ours, "ALLOWED_IN"), 1);
}

TEST_F(BesideOriginal, at_the_same_time_and_while_the_capacity_changes_admits_no_more_than_fit) {
  constexpr int kUsers = 30, kMost = 6;
  start(server_, std::string(kBeside) + "4");
  const char* given = std::getenv("GW_TEST_SEED");
  const auto seed =
      given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  std::printf("seed %u (GW_TEST_SEED repeats what each side does, not how they meet)\n", seed);
  std::atomic<int> its_capacity = 4, its_steps = 0, its_errors = 0;
  std::jthread other([&](const std::stop_token& stop) {
    std::mt19937 random(seed + 1);
    redisContext* context = redisConnectUnix(server_.socket().c_str());
    for (const auto steps = original::steps(); !stop.stop_requested(); ++its_steps) {
      const std::string script = steps[random() % steps.size()],
                        user = name(static_cast<unsigned>(random() % kUsers));
      Reply reply(static_cast<redisReply*>(
          redisCommand(context, "EVAL %s 0 %s %d %lld", script.c_str(), user.c_str(),
                       its_capacity.load(), static_cast<long long>(std::time(nullptr)))));
      its_errors += !reply || reply->type == REDIS_REPLY_ERROR;
    }
    redisFree(context);
  });
  std::mt19937 random(seed);
  std::vector<std::unique_ptr<testing::Instance>> gateways;  // of ours, one after the other
  int capacity = 4;
  for (int i = 0; i < 300 || its_steps < 300; ++i) {
    if (i % 60 == 59) {
      capacity = 1 + static_cast<int>(random() % kMost);
      gateways.push_back(std::make_unique<testing::Instance>(
          host_, gw_plugin_entry,
          "store = \"unix:" + server_.socket() + "\"\nsettings_version = " +
              std::to_string(gateways.size() + 1) + "\n" + kBeside + std::to_string(capacity),
          "gateway" + std::to_string(i)));
      ASSERT_EQ(gateways.back()->start(), GW_OK);
      wait([&] { return server_.number({"HGET", "queue:state", "capacity"}) == capacity; });
    }
    if (i % 60 == 29) its_capacity = capacity;
    const std::string user = name(static_cast<unsigned>(random() % kUsers));
    constexpr std::pair<const char*, const char*> kCalls[] = {{"POST", "queue/lineup"},
                                                              {"POST", "queue/lineup"},
                                                              {"GET", "queue/status"},
                                                              {"POST", "reservations"},
                                                              {"DELETE", "queue/allowed-in-token"},
                                                              {"DELETE", "queue/waiting-token"}};
    const auto& [method, path] = kCalls[random() % std::size(kCalls)];
    EXPECT_NE(call(method, std::string("/api/v1/") + path, user).status(), 503u);
    ASSERT_LE(server_.number({"HLEN", "allowedIn:users"}), kMost);
  }
  other.request_stop();
  other.join();
  EXPECT_EQ(its_errors, 0);
  // A tick of ours heals what the original left behind, and the line moves on to its end.
  wait([&] {
    return both() == 0 && not_in_the_index() == 0 &&
           (server_.number({"HLEN", "allowedIn:users"}) >= capacity ||
            server_.number({"ZCARD", "queue:wait"}) == 0);
  });
  for (int i = 0; i < 2 * kUsers * kUsers && left() > 0; ++i)
    call("DELETE", "/api/v1/queue/allowed-in-token", name(static_cast<unsigned>(i % kUsers)));
  EXPECT_EQ(left(), 0);
}

}  // namespace
}  // namespace gw::queue
