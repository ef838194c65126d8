// SPDX-License-Identifier: Apache-2.0
//
// What only Redis can meet: other programs that write the same keys, garbage, counters that were
// rolled back, several gateways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;

class RedisRules : public RedisQueueTest {};
GW_OVER_ALL_SERVERS(RedisRules);

TEST_P(RedisRules, keys_are_those_of_the_original) {
  queue.line_up("in"), queue.line_up("a"), queue.line_up("b");
  EXPECT_EQ(redis().text({"HGET", "allowedIn:users", "in"}), wall_seconds());
  EXPECT_EQ(redis().number({"ZSCORE", "queue:wait", "a"}), 1);
  EXPECT_EQ(redis().number({"ZSCORE", "queue:wait", "b"}), 2);
  EXPECT_EQ(redis().text({"GET", "queue:counter"}), "2");
}

TEST_P(RedisRules, a_counter_that_was_rolled_back_lets_nobody_overtake) {
  for (const char* user : {"in", "a", "b", "c"}) queue.line_up(user);
  for (const char* value : {"1", "garbage", "-5", "inf", "nan"}) {
    redis().run({"SET", "queue:counter", value});
    std::string late = std::string("late") + value;
    EXPECT_EQ(queue.line_up(late), kQueued) << value;
    Place place = queue.status(late);
    EXPECT_EQ(place.position, place.total) << value;
  }
  redis().run({"SET", "queue:counter", "1000"});
  queue.line_up("last");
  EXPECT_EQ(redis().number({"ZSCORE", "queue:wait", "last"}), 1001);
}

TEST_P(RedisRules, those_whom_another_program_lined_up_are_served_and_never_dropped) {
  queue.line_up("in");
  redis().run({"ZADD", "queue:wait", "1.5", "foreign", "2.25", "foreign2"});
  queue.line_up("ours");
  EXPECT_EQ(queue.status("foreign"), (Place{Standing::kWaiting, 1, 3}));
  queue.live(340 * kSecond);
  EXPECT_EQ(queue.status("foreign").standing, Standing::kAdmitted);
  queue.away({"foreign2"});
  EXPECT_EQ(queue.status("foreign2").position, 1u) << "no lease, so never away";
  EXPECT_EQ(queue.status("ours").standing, Standing::kAbsent) << "its lease was over";
}

TEST_P(RedisRules, admissions_by_another_program_count_and_expire) {
  use(2);
  redis().run({"HSET", "allowedIn:users", "x", wall_seconds(), "y", wall_seconds(100)});
  EXPECT_EQ(queue.line_up("a"), kQueued);
  EXPECT_EQ(queue.gate("x").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.tick().repaired, 1u) << "y was in no index; x was put there by the gate";
  queue.live(139 * kSecond);
  EXPECT_EQ(queue.look({"a"}).front().standing, Standing::kWaiting);
  queue.live(2 * kSecond);
  EXPECT_EQ(queue.status("y").standing, Standing::kAbsent);
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
}

TEST_P(RedisRules, a_renewal_by_another_program_counts) {
  queue.line_up("a");
  queue.live(200 * kSecond);
  redis().run({"HSET", "allowedIn:users", "a", wall_seconds()});
  queue.live(239 * kSecond);
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  queue.live(2 * kSecond);
  EXPECT_EQ(queue.status("a").standing, Standing::kAbsent);
}

TEST_P(RedisRules, garbage_in_the_hash_expires_like_an_admission_made_now) {
  use(6);
  redis().run({"HSET", "allowedIn:users", "text", "yes", "empty", "", "nan", "nan", "inf", "inf",
               "future", std::to_string(queue.wall_ms)});
  EXPECT_EQ(queue.tick().admitted, 5u);
  EXPECT_EQ(queue.gate("empty").standing, Standing::kAdmitted);
  queue.live(239 * kSecond);
  EXPECT_EQ(queue.tick().admitted, 5u);
  queue.live(2 * kSecond);
  EXPECT_EQ(queue.tick().admitted, 0u);
}

TEST_P(RedisRules, someone_both_admitted_and_waiting_is_admitted_only) {
  queue.line_up("a");
  redis().run({"ZADD", "queue:wait", "5", "a"});
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.tick().repaired, 1u);
  EXPECT_EQ(redis().number({"ZCARD", "queue:wait"}), 0);
}

TEST_P(RedisRules, what_another_program_removed_is_gone) {
  queue.line_up("a"), queue.line_up("b"), queue.line_up("c");
  redis().run({"HDEL", "allowedIn:users", "a"});
  redis().run({"ZREM", "queue:wait", "b"});
  EXPECT_EQ(queue.gate("a").standing, Standing::kAbsent);
  EXPECT_EQ(queue.tick().promoted, 1u);
  EXPECT_EQ(queue.status("c").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("b").standing, Standing::kAbsent);
  queue.live(400 * kSecond);
  EXPECT_EQ(redis().number({"ZCARD", "queue:lease"}), 0);
  EXPECT_EQ(redis().number({"ZCARD", "queue:expiry"}), 0);
}

TEST_P(RedisRules, a_smaller_capacity_admits_nobody_until_there_is_room) {
  use(3);
  for (const char* user : {"a", "b", "c", "d"}) queue.line_up(user);
  rules.capacity = 1;
  queue.use(rules);
  queue.configure();
  queue.run(Operation::kLeaveAdmitted, "a");
  queue.run(Operation::kLeaveAdmitted, "b");
  EXPECT_EQ(queue.status("d").standing, Standing::kWaiting);
  queue.run(Operation::kLeaveAdmitted, "c");
  EXPECT_EQ(queue.status("d").standing, Standing::kAdmitted);
}

TEST_P(RedisRules, the_settings_in_force_are_the_stores) {
  rules.capacity = 5;
  queue.use(rules);
  EXPECT_EQ(queue.configure().capacity, 5u);
  rules.capacity = 1;
  queue.use(rules);
  EXPECT_EQ(queue.configure(true).capacity, 5u) << "who comes back does not bring its own";
  EXPECT_EQ(queue.line_up("a"), kAdmittedNow);
  EXPECT_EQ(queue.line_up("b"), kAdmittedNow) << "5 is in force";
  EXPECT_EQ(queue.configure().capacity, 1u);
  rules.version = 7, rules.capacity = 9;
  queue.use(rules);
  EXPECT_EQ(queue.configure().version, 7u);
  rules.version = 6, rules.capacity = 2;
  queue.use(rules);
  EXPECT_EQ(queue.configure().capacity, 9u) << "an older version changes nothing";
}

TEST_P(RedisRules, settings_that_were_lost_come_back_and_the_highest_version_rules) {
  Rules newer = rules, older = rules;
  newer.version = 5, newer.capacity = 9;
  older.version = 3, older.capacity = 2;
  for (const Rules* first : {&newer, &older}) {
    redis().run({"DEL", "queue:state"});
    const Rules* second = first == &newer ? &older : &newer;
    for (const Rules* running : {first, second, first}) {
      queue.use(*running);
      queue.configure(true);
    }
    queue.use(older);  // starts
    EXPECT_EQ(queue.configure().capacity, 9u);
    EXPECT_EQ(queue.configure().version, 5u);
  }
}

TEST_P(RedisRules, a_state_that_cannot_be_does_not_count) {
  for (const char* clock : {"5", "-1e15", "9e15", "1e300"}) {
    SCOPED_TRACE(clock);
    use(1);
    queue.line_up("in"), queue.line_up("a");
    redis().run({"HSET", "queue:state", "q", clock, "w", "0", "capacity", "-3", "duration", "-1",
                 "version", "9007199254740991"});
    Census census = queue.tick();
    EXPECT_EQ(census.expired + census.dropped, 0u);
    EXPECT_EQ(census.capacity, 1u);
    EXPECT_EQ(queue.gate("in").standing, Standing::kAdmitted);
    EXPECT_EQ(queue.configure().version, 0u);
    queue.live(241 * kSecond);
    EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  }
}

TEST_P(RedisRules, a_lost_clock_goes_on_and_expires_nobody) {
  use(1);
  queue.line_up("in"), queue.line_up("a");
  for (int i = 0; i < 3; ++i) queue.pass(3600 * kSecond), queue.tick();  // the clock lags by hours
  redis().run({"DEL", "queue:state"});
  Census census = queue.tick();
  EXPECT_EQ(census.expired, 0u);
  EXPECT_EQ(census.dropped, 0u);
  EXPECT_EQ(queue.gate("in").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("a").position, 1u);
}

TEST_P(RedisRules, tickets_that_nothing_can_follow_are_given_anew_in_their_order) {
  for (const char* score : {"inf", "1e308", "9007199254740992", "9007199254740991", "4.6e15"}) {
    SCOPED_TRACE(score);
    use(0);
    queue.line_up("a"), queue.line_up("b");
    redis().run({"ZADD", "queue:wait", score, "far"});
    redis().run({"ZADD", "queue:wait", "inf", "farther"});
    EXPECT_EQ(queue.line_up("late"), kQueued);
    EXPECT_EQ(queue.status("a").position, 1u);
    EXPECT_EQ(queue.status("b").position, 2u);
    EXPECT_EQ(queue.status("far").position, 3u);
    EXPECT_EQ(queue.status("farther").position, 4u);
    EXPECT_EQ(queue.status("late").position, 5u);
    EXPECT_GE(queue.tick().repaired, 2u);
    queue.line_up("later");
    EXPECT_EQ(queue.status("later").position, 6u);
    EXPECT_EQ(redis().text({"GET", "queue:counter"}), "6");
  }
}

TEST_P(RedisRules, a_counter_that_cannot_count_is_put_right) {
  for (const char* value : {"9007199254740993", "9223372036854775807", "1e300", "-7", "nan", "inf",
                            "-inf", "", "12x", "0x7fffffffffffffff"}) {
    SCOPED_TRACE(value);
    use(0);
    queue.line_up("a");
    redis().run({"SET", "queue:counter", value});
    EXPECT_EQ(queue.line_up("b"), kQueued);
    EXPECT_EQ(queue.line_up("c"), kQueued);
    EXPECT_EQ(queue.status("a").position, 1u);
    EXPECT_EQ(queue.status("b").position, 2u);
    EXPECT_EQ(queue.status("c").position, 3u);
    EXPECT_EQ(redis().text({"GET", "queue:counter"}), "3");
    EXPECT_EQ(queue.tick().repaired, 1u);
  }
}

TEST_P(RedisRules, too_many_wrong_tickets_make_newcomers_wait_until_all_are_right) {
  use(0);
  for (int i = 0; i < 2500; ++i)
    redis().run({"ZADD", "queue:wait", std::to_string(9e15 + i), "user" + std::to_string(i)});
  EXPECT_EQ(queue.run(Operation::kLineup, "late").error, StoreError::kFailed);
  EXPECT_EQ(queue.line_up("late"), kQueued);
  EXPECT_EQ(queue.status("late").position, 2501u);
  EXPECT_EQ(queue.status("user7").position, 8u);
  EXPECT_GE(queue.tick().repaired, 2500u);
}

TEST_P(RedisRules, those_away_whose_leases_were_lost_are_not_passed_over_for_ever) {
  queue.line_up("in"), queue.line_up("a"), queue.line_up("b");
  queue.away({"a"});
  redis().run({"DEL", "queue:lease"});
  queue.run(Operation::kLeaveAdmitted, "in");
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
}

TEST_P(RedisRules, an_index_that_lies_ahead_admits_nobody_for_ever) {
  queue.line_up("in");
  for (const char* score : {"inf", "1e300", "9000000000000000"}) {
    redis().run({"ZADD", "queue:expiry", score, "in"});
    queue.pass(kSecond);
    EXPECT_GE(queue.tick().repaired, 1u) << score;
    EXPECT_EQ(queue.status("in").standing, Standing::kAdmitted);
  }
  queue.live(241 * kSecond);
  EXPECT_EQ(queue.status("in").standing, Standing::kAbsent);
}

TEST_P(RedisRules, garbage_in_the_state_is_ignored) {
  redis().run(
      {"HSET",   "queue:state", "q",    "x",    "w",        "nan",   "capacity",
       "many",   "duration",    "",     "hint", "inf",      "sweep", "9999999999999999999999",
       "hinted", "1e300",       "page", "-3",   "repaired", "x"});
  EXPECT_EQ(queue.line_up("a"), kAdmittedNow);
  EXPECT_EQ(queue.line_up("b"), kQueued);
  EXPECT_EQ(queue.tick().capacity, 1u);
}

TEST_P(RedisRules, the_cost_of_a_tick_does_not_grow_with_those_admitted) {
  use(5000);
  for (int i = 0; i < 5000; ++i) queue.line_up("user" + std::to_string(i));
  auto commands = [] {
    return redis().number(
        {"EVAL", "return redis.call('INFO', 'stats'):match('total_commands_processed:(%d+)')",
         "0"});
  };
  long long before = commands();
  queue.tick();
  EXPECT_LT(commands() - before, 60);
}

TEST_P(RedisRules, a_look_at_ranks_leaves_leases_alone) {
  for (const char* user : {"in", "a", "b"}) queue.line_up(user);
  queue.look({"a"});
  const long long lease = redis().number({"ZSCORE", "queue:lease", "a"});
  queue.live(100 * kSecond);
  const auto places = queue.ranks({"in", "b", "a", "nobody"});
  EXPECT_EQ(places[0].standing, Standing::kAdmitted);
  EXPECT_EQ(places[1], (Place{Standing::kWaiting, 2, 2}));
  EXPECT_EQ(places[2], (Place{Standing::kWaiting, 1, 2}));
  EXPECT_EQ(places[3].standing, Standing::kAbsent);
  EXPECT_EQ(redis().number({"ZSCORE", "queue:lease", "a"}), lease);
  queue.look({"a"});
  EXPECT_EQ(redis().number({"ZSCORE", "queue:lease", "a"}), lease + 100'000 + 37'500)
      << "an eighth of the presence more than behind the line-up";
}

// Streams look at leases every eighth of the presence, and at ranks alone between; a line-up that
// another gateway serves is not known to them.
TEST_P(RedisRules, a_stream_whose_gateway_dies_leaves_a_whole_presence) {
  for (const bool waited_before : {false, true}) {
    SCOPED_TRACE(waited_before);
    use(0);
    if (waited_before) queue.line_up("a");
    queue.look({"a"});   // the stream's gateway
    queue.line_up("a");  // the other
    for (int i = 0; i < 2; ++i) queue.live(10 * kSecond), queue.ranks({"a"});
    queue.live(10 * kSecond - 1);
    queue.live(300 * kSecond);
    EXPECT_EQ(queue.ranks({"a"}).front(), (Place{Standing::kWaiting, 1, 1}));
  }
}

TEST_P(RedisRules, a_look_at_ranks_hears_of_a_stream_that_closed_elsewhere) {
  for (const char* user : {"in", "a", "b"}) queue.line_up(user);
  queue.away({"a", "b"});
  queue.ranks({"in", "a"});
  EXPECT_EQ(redis().number({"SISMEMBER", "queue:away", "a"}), 0);
  queue.live(static_cast<std::uint64_t>(rules.grace_ms) + kSecond);
  EXPECT_EQ(queue.ranks({"a"}).front(), (Place{Standing::kWaiting, 1, 1}));
}

TEST(Notice, reads_what_the_scripts_publish) {
  auto notice = read_notice("A5:alice0:3:b:c");
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->letter, 'A');
  EXPECT_THAT(notice->users, ::testing::ElementsAre("alice", "", "b:c"));
  auto standing = read_notice("S3:2:100");
  ASSERT_TRUE(standing);
  EXPECT_EQ(standing->census.waiting, 3u);
  EXPECT_EQ(standing->census.capacity, 100u);
}

TEST(Notice, refuses_everything_else) {
  for (const char* text : {"", "X", "A5", "A5:", "A5:abcd", "Aabc", "A-1:a",
                           "A99999999999999999999:a", "S", "S1:2", "S1:2:3:4", "S1:2:x"})
    EXPECT_FALSE(read_notice(text)) << text;
}

}  // namespace
}  // namespace gw::queue
