// SPDX-License-Identifier: Apache-2.0
//
// The rules of the queue, one suite over both implementations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;

class StoreConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory") {
      subject_ = std::make_unique<MemorySubject>();
    } else {
      ASSERT_TRUE(RedisServer::installed(GetParam())) << "not here: tools/setup.sh test";
      subject_ = std::make_unique<RedisSubject>(RedisSubject::shared_server(GetParam()));
    }
  }
  Subject& with(const Rules& rules) {
    subject_->reset(rules);
    return *subject_;
  }
  static Rules room_for(std::uint64_t capacity) {
    Rules rules;
    rules.capacity = capacity;
    return rules;
  }
  static Place waiting(std::uint64_t position, std::uint64_t total) {
    return {Standing::kWaiting, position, total};
  }

  std::unique_ptr<Subject> subject_;
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, ::testing::Values("memory"), up_to_dash);
GW_OVER_ALL_SERVERS(StoreConformance);

TEST_P(StoreConformance, admits_while_there_is_room_and_queues_after) {
  Subject& queue = with(room_for(2));
  EXPECT_EQ(queue.line_up("a"), kAdmittedNow);
  EXPECT_EQ(queue.line_up("b"), kAdmittedNow);
  EXPECT_EQ(queue.line_up("a"), kAlreadyAdmitted);
  EXPECT_EQ(queue.line_up("c"), kQueued);
  EXPECT_EQ(queue.line_up("d"), kQueued);
  EXPECT_EQ(queue.status("c"), waiting(1, 2));
  EXPECT_EQ(queue.status("d"), waiting(2, 2));
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("nobody").standing, Standing::kAbsent);
}

TEST_P(StoreConformance, a_slot_goes_to_the_first_in_line_and_not_to_a_newcomer) {
  Subject& queue = with(room_for(1));
  queue.line_up("a"), queue.line_up("b"), queue.line_up("c");
  EXPECT_EQ(queue.run(Operation::kLeaveAdmitted, "a").outcome, 1);
  EXPECT_EQ(queue.status("b").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("c"), waiting(1, 1));
  for (int i = 0; i < 235; ++i) queue.pass(kSecond), queue.look({"c"}), queue.live(1);
  queue.pass(10 * kSecond);
  EXPECT_EQ(queue.line_up("newcomer"), kQueued) << "c was promoted in the same step";
  queue.live(10 * kSecond);
  EXPECT_EQ(queue.status("c").standing, Standing::kAdmitted);
}

TEST_P(StoreConformance, lining_up_again_goes_to_the_back_or_keeps_the_place) {
  Subject& queue = with(room_for(0));
  queue.line_up("a"), queue.line_up("b");
  EXPECT_EQ(queue.line_up("a"), kQueued);
  EXPECT_EQ(queue.status("a"), waiting(2, 2));
  Rules keep = room_for(0);
  keep.keep_place = true;
  with(keep);
  queue.line_up("a"), queue.line_up("b"), queue.line_up("a");
  EXPECT_EQ(queue.status("a"), waiting(1, 2));
}

TEST_P(StoreConformance, an_operation_id_repeats_its_answer) {
  Subject& queue = with(room_for(0));
  EXPECT_EQ(queue.run(Operation::kLineup, "a", "same").outcome, kQueued);
  queue.line_up("b");
  EXPECT_EQ(queue.run(Operation::kLineup, "a", "same").outcome, kQueued);
  EXPECT_EQ(queue.status("a"), waiting(1, 2)) << "a retry never demotes";
  EXPECT_EQ(queue.run(Operation::kLeaveWaiting, "b", "gone").outcome, 1);
  EXPECT_EQ(queue.run(Operation::kLeaveWaiting, "b", "gone").outcome, 1);
  EXPECT_EQ(queue.run(Operation::kLeaveWaiting, "b", "again").outcome, 0);
  EXPECT_EQ(queue.run(Operation::kLineup, "c", "same").outcome, kQueued) << "ids are a user's own";
  EXPECT_EQ(queue.status("c"), waiting(2, 2));
}

TEST_P(StoreConformance, an_operation_id_repeats_its_answer_however_many_there_are) {
  Subject& queue = with(room_for(0));
  const auto id = [](int i) { return std::string(90, 'x') + std::to_string(i); };
  for (int i = 0; i < 40; ++i) queue.run(Operation::kLineup, "a", id(i));
  queue.line_up("b");
  for (int i = 0; i < 40; ++i) queue.run(Operation::kLineup, "a", id(i));
  EXPECT_EQ(queue.status("a"), waiting(1, 2)) << "a retry never demotes";
  queue.run(Operation::kLineup, "a", "1:l");
  EXPECT_EQ(queue.status("a"), waiting(2, 2));
}

TEST_P(StoreConformance, the_same_operation_twice_in_a_turn_counts_as_one) {
  Subject& queue = with(room_for(0));
  queue.run(Operation::kLineup, "known", "before");
  for (const char* user : {"new", "known"}) {
    const std::string between = std::string("after ") + user;
    queue.line_up_all({{user, "x"}, {between, "y"}, {user, "x"}}, true);
    EXPECT_LT(queue.status(user).position, queue.status(between).position);
    for (int again = 0; again < 2; ++again) {
      queue.line_up_all({{user, "1"}, {between, "2"}, {user, "3"}}, true);
      queue.line_up_all({{user, "x"}}, true);
      EXPECT_GT(queue.status(user).position, queue.status(between).position);
    }
  }
}

TEST_P(StoreConformance, admission_expires_and_renewing_never_revives_it) {
  Subject& queue = with(room_for(1));
  queue.line_up("a");
  queue.live(239 * kSecond);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAdmitted) << "renewed at 239 s";
  queue.live(239 * kSecond);
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted) << "a status call does not renew";
  queue.pass(kSecond);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAbsent);
  EXPECT_EQ(queue.tick().expired, 1u);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAbsent);
}

TEST_P(StoreConformance, the_scheduler_admits_those_waiting_when_admissions_expire) {
  Subject& queue = with(room_for(2));
  for (const char* user : {"a", "b", "c", "d", "e"}) queue.line_up(user);
  queue.live(239 * kSecond);
  queue.pass(kSecond);
  Census census = queue.tick();
  EXPECT_EQ(census.expired, 2u);
  EXPECT_EQ(census.promoted, 2u);
  EXPECT_EQ(census.admitted, 2u);
  EXPECT_EQ(census.waiting, 1u);
  EXPECT_EQ(queue.tick().promoted, 0u) << "twice is harmless";
  EXPECT_EQ(queue.status("d").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("e"), waiting(1, 1));
}

TEST_P(StoreConformance, an_outage_of_the_store_expires_nobody) {
  Subject& queue = with(room_for(1));
  queue.line_up("a"), queue.line_up("b");
  queue.pass(3600 * kSecond);
  Census census = queue.tick();
  EXPECT_EQ(census.expired, 0u);
  EXPECT_EQ(census.dropped, 0u);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAdmitted);
  queue.wall_ms -= 1800 * kSecond;
  EXPECT_EQ(queue.gate("a").standing, Standing::kAdmitted)
      << "a clock that goes back moves nothing";
  EXPECT_EQ(queue.status("b"), waiting(1, 1));
}

TEST_P(StoreConformance, a_longest_stay_ends_an_admission_in_spite_of_renewals) {
  Rules rules = room_for(1);
  rules.max_stay_ms = 300 * kSecond;
  Subject& queue = with(rules);
  queue.line_up("a");
  for (int i = 0; i < 29; ++i) {
    queue.live(10 * kSecond);
    EXPECT_EQ(queue.gate("a").standing, Standing::kAdmitted) << i;
  }
  queue.live(10 * kSecond);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAbsent);
}

TEST_P(StoreConformance, a_longer_duration_does_not_lengthen_the_longest_stay) {
  Rules rules = room_for(2);
  rules.duration_ms = 60 * kSecond;
  rules.max_stay_ms = 300 * kSecond;
  Subject& queue = with(rules);
  queue.line_up("a"), queue.line_up("b");
  for (int i = 0; i < 28; ++i) queue.live(10 * kSecond), queue.gate("a"), queue.gate("b");
  rules.duration_ms = 240 * kSecond;
  ++rules.version;
  queue.change(rules);
  queue.live(19 * kSecond);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAdmitted);
  queue.live(1 * kSecond);
  EXPECT_EQ(queue.gate("a").standing, Standing::kAbsent);
  queue.live(2 * kSecond);
  EXPECT_EQ(queue.tick().admitted, 0u) << "b's slot is free without being asked for";
}

TEST_P(StoreConformance, a_shorter_duration_counts_from_the_last_renewal) {
  Rules rules = room_for(1);
  rules.max_stay_ms = 300 * kSecond;
  Subject& queue = with(rules);
  queue.line_up("a");
  queue.live(200 * kSecond);
  queue.gate("a");
  rules.duration_ms = 60 * kSecond;
  ++rules.version;
  queue.change(rules);
  queue.live(59 * kSecond);
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  queue.live(2 * kSecond);
  EXPECT_EQ(queue.status("a").standing, Standing::kAbsent);
}

TEST_P(StoreConformance, a_lease_ends_waiting_and_a_status_call_renews_it) {
  Subject& queue = with(room_for(0));
  queue.line_up("quiet"), queue.line_up("b");
  for (int i = 0; i < 33; ++i) queue.live(10 * kSecond), queue.look({"b"});
  EXPECT_EQ(queue.look({"b"}).front(), waiting(2, 2)) << "an eighth more than the presence";
  queue.live(8 * kSecond);
  EXPECT_EQ(queue.status("quiet").standing, Standing::kAbsent);
  EXPECT_EQ(queue.status("b"), waiting(1, 1));
}

TEST_P(StoreConformance, a_look_keeps_the_place_for_an_eighth_more_than_the_presence) {
  Subject& queue = with(room_for(0));
  queue.line_up("a"), queue.line_up("b");
  for (int i = 0; i < 20; ++i) {  // whenever it was written last
    queue.look({"a"});
    queue.live(7 * kSecond);
  }
  queue.look({"a"});
  queue.live(337 * kSecond);
  EXPECT_EQ(queue.look({"a"}).front(), waiting(1, 1));
}

TEST_P(StoreConformance, presence_of_zero_means_no_leases) {
  Rules rules = room_for(0);
  rules.presence_ms = 0;
  Subject& queue = with(rules);
  queue.line_up("a");
  queue.away({"a"});
  queue.live(1000 * kSecond);
  EXPECT_EQ(queue.status("a"), waiting(1, 1));
}

TEST_P(StoreConformance, who_is_away_is_passed_over_and_first_on_return) {
  Subject& queue = with(room_for(1));
  for (const char* user : {"in", "a", "b", "c"}) queue.line_up(user);
  queue.away({"a"});
  EXPECT_EQ(queue.status("b"), waiting(2, 3)) << "the place still counts";
  queue.run(Operation::kLeaveAdmitted, "in");
  EXPECT_EQ(queue.status("b").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("c"), waiting(2, 2));
  EXPECT_EQ(queue.status("a"), waiting(1, 2)) << "back";
  queue.run(Operation::kLeaveAdmitted, "b");
  EXPECT_EQ(queue.status("a").standing, Standing::kAdmitted);
  EXPECT_EQ(queue.status("c"), waiting(1, 1));
}

TEST_P(StoreConformance, when_all_who_wait_are_away_a_newcomer_takes_the_slot) {
  Subject& queue = with(room_for(1));
  for (const char* user : {"in", "a", "b"}) queue.line_up(user);
  queue.away({"a", "b"});
  queue.run(Operation::kLeaveAdmitted, "in");
  EXPECT_EQ(queue.tick().admitted, 0u);
  EXPECT_EQ(queue.line_up("new"), kAdmittedNow);
  EXPECT_EQ(queue.line_up("late"), kQueued);
}

TEST_P(StoreConformance, the_grace_ends_the_place_of_who_does_not_return) {
  Subject& queue = with(room_for(0));
  queue.line_up("a"), queue.line_up("b");
  queue.away({"a"});
  queue.live(29 * kSecond);
  queue.away({"a"});
  queue.pass(999);
  EXPECT_EQ(queue.look({"b"}).front(), waiting(2, 2));
  queue.pass(1);
  EXPECT_EQ(queue.tick().dropped, 1u);
  EXPECT_EQ(queue.status("a").standing, Standing::kAbsent);
  EXPECT_EQ(queue.status("b"), waiting(1, 1));
}

TEST_P(StoreConformance, a_grace_of_zero_ends_the_place_at_once) {
  Rules rules = room_for(0);
  rules.grace_ms = 0;
  Subject& queue = with(rules);
  queue.line_up("a");
  queue.away({"a"});
  EXPECT_EQ(queue.status("a").standing, Standing::kAbsent);
}

TEST_P(StoreConformance, strange_names_are_only_names) {
  Subject& queue = with(room_for(0));
  std::vector<std::string> names = {"5:a",  "queue:wait", std::string("a\0b", 3), "\xff\xfe",
                                    "-inf", "(1",         std::string(256, 'x')};
  for (const auto& name : names) EXPECT_EQ(queue.line_up(name), kQueued);
  auto places = queue.look(names);
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(places[i], waiting(i + 1, names.size()));
}

TEST_P(StoreConformance, many_at_the_front_who_are_away_block_nobody) {
  Subject& queue = with(room_for(1));
  queue.line_up("in");
  std::vector<std::string> gone;
  for (int i = 0; i < 2500; ++i) gone.push_back("gone" + std::to_string(i));
  for (const auto& user : gone) queue.line_up(user);
  queue.line_up("here");
  queue.away(gone);
  queue.run(Operation::kLeaveAdmitted, "in");
  queue.pass(1), queue.tick();
  queue.pass(1), queue.tick();
  EXPECT_EQ(queue.status("here").standing, Standing::kAdmitted);
  queue.run(Operation::kLeaveAdmitted, "here");
  EXPECT_EQ(queue.status("gone7"), waiting(8, 2500));
  queue.pass(1), queue.tick();
  EXPECT_EQ(queue.status("gone7").standing, Standing::kAdmitted);
}

}  // namespace
}  // namespace gw::queue
