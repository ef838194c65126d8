// SPDX-License-Identifier: Apache-2.0
//
// Random operations on the memory store and on every kind of server that is here: equal answers and
// equal news, and the invariants of the rules after every one. GW_TEST_SEED repeats a run;
// GW_TEST_OPERATIONS makes it longer.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <set>

#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;
constexpr int kUsers = 15;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

class Differential {
 public:
  Differential(unsigned seed, RedisSubject& redis) : random_(seed), redis_(redis) {}

  void begin() {
    rules_.capacity = static_cast<std::uint64_t>(pick(6));
    rules_.duration_ms = static_cast<std::uint64_t>(5 + pick(20)) * kSecond;
    rules_.max_stay_ms = pick(2) ? 0 : static_cast<std::uint64_t>(20 + pick(20)) * kSecond;
    rules_.presence_ms = pick(4) ? static_cast<std::uint64_t>(5 + pick(20)) * kSecond : 0;
    rules_.grace_ms = static_cast<std::uint64_t>(pick(4)) * kSecond;
    rules_.keep_place = pick(2) == 0;
    memory_.reset(rules_), redis_.reset(rules_);
    redis_.configure();
    memory_.wall_ms = redis_.wall_ms;
  }
  void step() {
    const std::string user = random_user();
    switch (int kind = pick(15)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        return operate_anew(static_cast<Operation>(kind < 3 ? 0 : kind - 2), user);
      case 7:
        return memory_.away({user, "user1"}), redis_.away({user, "user1"});
      case 8:
        return tick();
      case 9:
        return look_at_some();
      case 10:
        return line_up_many();
      case 11:
        return try_again();
      case 12:
        return pick(10) == 0 ? configure() : tick();
      default:
        const auto gap = static_cast<std::uint64_t>(pick(pick(4) ? 1500 : 6000));
        memory_.pass(gap), redis_.pass(gap);
    }
  }
  void check() {
    const long long admitted = redis_.server().number({"HLEN", "allowedIn:users"});
    ASSERT_LE(admitted, std::max(admitted_, static_cast<long long>(rules_.capacity)));
    admitted_ = admitted;
    // Nobody's position rises but by lining up again.
    const auto line = redis_.server().run({"ZRANGE", "queue:wait", "0", "-1"});
    std::map<std::string, std::size_t> positions;
    for (std::size_t i = 0; i < line->elements; ++i) {
      const std::string user(line->element[i]->str, line->element[i]->len);
      const auto before = positions_.find(user);
      positions[user] = i;
      if (before == positions_.end() || lined_up_.count(user) != 0) continue;
      ASSERT_LE(i, before->second) << user;
    }
    positions_ = std::move(positions);
    lined_up_.clear();
    // What streams are told of, in this order. The commands above brought all of it.
    News news = redis_.take_news();
    ASSERT_EQ(memory_.take_admitted(), news.admitted);
    ASSERT_EQ(memory_.take_closed(), news.closed);
  }
  void end() {
    std::vector<std::string> everyone;
    for (int i = 0; i < kUsers; ++i) everyone.push_back("user" + std::to_string(i));
    ASSERT_EQ(memory_.look(everyone), redis_.look(everyone));
  }

 private:
  struct Done {
    Operation operation;
    std::string user, id;
    std::uint64_t wall_ms;
  };

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string random_user() { return "user" + std::to_string(pick(kUsers)); }
  void operate(Operation operation, const std::string& user, const std::string& id) {
    if (operation == Operation::kLineup) lined_up_.insert(user);
    Answer left = memory_.run(operation, user, id), right = redis_.run(operation, user, id);
    ASSERT_EQ(left.error, right.error) << redis_.error();
    ASSERT_EQ(left.outcome, right.outcome);
    ASSERT_EQ(left.place, right.place);
  }
  void operate_anew(Operation operation, const std::string& user) {
    done_.push_back({operation, user, "op" + std::to_string(++ids_), memory_.wall_ms});
    if (done_.size() > 50) done_.erase(done_.begin());
    operate(operation, user, done_.back().id);
  }
  // The reply was lost: the same again, as long as it is remembered.
  void try_again() {
    if (done_.empty()) return;
    const Done again = done_[static_cast<std::size_t>(pick(static_cast<int>(done_.size())))];
    if (memory_.wall_ms >= again.wall_ms + 60 * kSecond) return;
    operate(again.operation, again.user, again.id);
    if (again.operation == Operation::kLineup) lined_up_.erase(again.user);  // demotes nobody
  }
  // One script for all on one side, one after the other on the other.
  void line_up_many() {
    std::vector<std::pair<std::string, std::string>> users;
    for (int i = 1 + pick(8); i > 0; --i)
      users.emplace_back(random_user(), pick(6) || users.empty() ? "op" + std::to_string(++ids_)
                                                                 : users[0].second);
    for (const auto& [user, id] : users) lined_up_.insert(user);
    std::string asked;
    for (const auto& [user, id] : users) asked += user + " " + id + ", ";
    ASSERT_EQ(memory_.line_up_all(users, false), redis_.line_up_all(users, true)) << asked;
  }
  // Status and gated calls of one turn in one script.
  void look_at_some() {
    std::vector<std::string> users;
    std::string renew;
    for (int i = 0; i < kUsers; ++i) {
      if (pick(3) != 0) continue;
      users.push_back("user" + std::to_string(i));
      renew += pick(3) == 0 ? '1' : '0';
    }
    if (users.empty()) return;
    std::vector<Place> left = memory_.look(users);
    for (std::size_t i = 0; i < users.size(); ++i)
      if (renew[i] == '1') left[i] = memory_.gate(users[i]);
    ASSERT_EQ(left, redis_.look(users, renew));
  }
  // A reload: another capacity and duration from now on. Where the longest stay has ended a longer
  // duration the scripts find it by their sweep, a little later than the memory store does.
  void configure() {
    rules_.capacity = static_cast<std::uint64_t>(pick(6));
    if (rules_.max_stay_ms == 0)
      rules_.duration_ms = static_cast<std::uint64_t>(5 + pick(20)) * kSecond;
    ++rules_.version;
    memory_.change(rules_), redis_.change(rules_);
  }
  void tick() {
    Census left = memory_.tick(), right = redis_.tick();
    ASSERT_EQ(left.waiting, right.waiting);
    ASSERT_EQ(left.admitted, right.admitted);
    ASSERT_EQ(left.expired, right.expired);
    ASSERT_EQ(left.dropped, right.dropped);
    ASSERT_EQ(left.promoted, right.promoted);
    ASSERT_EQ(left.capacity, right.capacity);
    ASSERT_EQ(left.clock_ms, right.clock_ms);
    ASSERT_EQ(right.repaired, 0u);
  }

  std::mt19937 random_;
  Rules rules_;
  MemorySubject memory_;
  RedisSubject& redis_;
  std::map<std::string, std::size_t> positions_;  // after the last step
  std::set<std::string> lined_up_;                // in this step
  long long admitted_ = 0;                        // after the last step
  std::vector<Done> done_;
  std::uint64_t ids_ = 0;
};

class StoreDifferential : public ::testing::TestWithParam<std::string> {};
GW_OVER_ALL_SERVERS(StoreDifferential);

TEST_P(StoreDifferential, random_operations_answer_alike) {
  ASSERT_TRUE(RedisServer::installed(GetParam())) << "not here: tools/setup.sh test";
  RedisServer server({}, GetParam());
  RedisSubject redis(server);
  redis.hear_news();
  const auto seed = static_cast<unsigned>(number_from("GW_TEST_SEED", std::random_device{}()));
  const std::uint64_t operations = number_from("GW_TEST_OPERATIONS", 150'000);
  std::printf("seed %u (GW_TEST_SEED repeats it), %llu operations at most\n", seed,
              static_cast<unsigned long long>(operations));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::uint64_t done = 0;
  for (unsigned round = 0; done < operations; ++round) {
    if (std::getenv("GW_TEST_OPERATIONS") == nullptr && std::chrono::steady_clock::now() > end)
      break;
    Differential pair(seed + round, redis);
    pair.begin();
    for (int step = 0; step < 500; ++step, ++done) {
      SCOPED_TRACE("GW_TEST_SEED=" + std::to_string(seed + round) + " step " +
                   std::to_string(step));
      pair.step();
      if (HasFatalFailure()) return;
      pair.check();
      if (HasFatalFailure()) return;
    }
    pair.end();
    if (HasFatalFailure()) return;
  }
  std::printf("%llu operations\n", static_cast<unsigned long long>(done));
}

}  // namespace
}  // namespace gw::queue
