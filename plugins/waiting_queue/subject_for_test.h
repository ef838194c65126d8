// SPDX-License-Identifier: Apache-2.0
//
// A queue under test, called without waiting: the rules in memory, or the scripts in a real server
// with the test's clock. For tests alone.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory_queue.h"
#include "redis_server_for_test.h"
#include "scripts.h"

namespace gw::queue {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual void reset(const Rules& rules) = 0;
  // Other settings over what is there already, in force from now on.
  virtual void change(const Rules& rules) = 0;
  virtual Answer run(Operation operation, std::string_view user, std::string_view id) = 0;
  // Pairs of user and operation id, in one step where the store can.
  virtual std::vector<Lineup> line_up_all(
      const std::vector<std::pair<std::string, std::string>>& users, bool /*one_script*/) {
    std::vector<Lineup> outcomes;
    for (const auto& [user, id] : users)
      outcomes.push_back(static_cast<Lineup>(run(Operation::kLineup, user, id).outcome));
    return outcomes;
  }
  virtual std::vector<Place> look(const std::vector<std::string>& users) = 0;
  virtual void away(const std::vector<std::string>& users) = 0;
  virtual Census tick() = 0;

  // With an operation id never used before.
  Answer run(Operation operation, std::string_view user) {
    return run(operation, user, "op" + std::to_string(++operations_));
  }
  Lineup line_up(std::string_view user) {
    return static_cast<Lineup>(run(Operation::kLineup, user).outcome);
  }
  Place status(std::string_view user) { return run(Operation::kStatus, user).place; }
  Place gate(std::string_view user) { return run(Operation::kGate, user).place; }
  void pass(std::uint64_t ms) { wall_ms += ms; }
  // The same in steps that the queue clock counts whole.
  void live(std::uint64_t ms) {
    for (; ms > 1000; ms -= 1000) pass(1000), tick();
    pass(ms), tick();
  }

  std::uint64_t wall_ms = 1'770'000'000'000;

 private:
  std::uint64_t operations_ = 0;
};

inline std::vector<std::string_view> views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

// Users whom the streams are told of, in this order.
struct News {
  std::vector<std::string> admitted, closed;
};

class MemorySubject : public Subject {
 public:
  using Subject::run;
  void reset(const Rules& rules) override {
    queue_ = std::make_unique<MemoryQueue>(rules, 100'000);
  }
  void change(const Rules& rules) override { queue_->set_rules(rules, 100'000); }
  Answer run(Operation operation, std::string_view user, std::string_view id) override {
    return queue_->run(operation, user, id, wall_ms);
  }
  std::vector<Place> look(const std::vector<std::string>& users) override {
    return queue_->look(views(users), wall_ms);
  }
  void away(const std::vector<std::string>& users) override { queue_->away(views(users), wall_ms); }
  Census tick() override { return queue_->tick(wall_ms); }
  std::vector<std::string> take_admitted() { return queue_->take_admitted(); }
  std::vector<std::string> take_closed() { return queue_->take_closed(); }

 private:
  std::unique_ptr<MemoryQueue> queue_;
};

class RedisSubject : public Subject {
 public:
  using Subject::run;
  static constexpr char kTestClock[] =
      "local function wall_ms() return tonumber(redis.call('GET', 'test:now')) end\n";

  // Of all tests in this process that need none of their own; one for each kind.
  static RedisServer& shared_server(const std::string& program) {
    static std::map<std::string, std::unique_ptr<RedisServer>> servers;
    auto& server = servers[program];
    if (!server) server = std::make_unique<RedisServer>(std::vector<std::string>{}, program);
    return *server;
  }
  explicit RedisSubject(RedisServer& server) : server_(server) {}
  RedisServer& server() { return server_; }
  void reset(const Rules& rules) override {
    server().run({"FLUSHALL"});
    use(rules);
  }
  void change(const Rules& rules) override {
    use(rules);
    EXPECT_EQ(configure().capacity, rules.capacity);
  }
  // Other rules over what is there already, without putting them in force.
  void use(const Rules& rules) { scripts_ = std::make_unique<Scripts>(rules, "", kTestClock); }
  Answer run(Operation operation, std::string_view user, std::string_view id) override {
    Answer answer;
    auto failed = [] { return Answer{StoreError::kFailed, 0, {}}; };
    if (operation == Operation::kLineup) {
      auto outcomes = read_lineups(call_lineup({{user, id}}), 1);
      if (!outcomes) return failed();
      answer.outcome = outcomes->front();
    } else if (operation == Operation::kStatus || operation == Operation::kGate) {
      const std::string_view renew = operation == Operation::kGate ? "1" : "0";
      auto places = read_places(call([&](bool whole) {
                                  scripts_->look({&user, 1}, renew, whole, command_);
                                }),
                                1);
      if (!places) return failed();
      answer.place = places->front();
    } else {
      auto left = read_leave(call([&](bool whole) {
        scripts_->leave(operation, {user, id}, whole, command_);
      }));
      if (!left) return failed();
      answer.outcome = *left ? 1 : 0;
    }
    return answer;
  }
  std::vector<Lineup> line_up_all(const std::vector<std::pair<std::string, std::string>>& users,
                                  bool one_script) override {
    if (!one_script) return Subject::line_up_all(users, false);
    std::vector<Asked> asked;
    for (const auto& [user, id] : users) asked.push_back({user, id});
    auto outcomes = read_lineups(call_lineup(asked), users.size());
    EXPECT_TRUE(outcomes.has_value()) << error();
    return outcomes.value_or(std::vector<Lineup>(users.size()));
  }
  std::vector<Place> look(const std::vector<std::string>& users) override {
    return look(users, std::string(users.size(), '0'));
  }
  // A digit for each user, '1': as for a gated call.
  std::vector<Place> look(const std::vector<std::string>& users, const std::string& renew) {
    auto names = views(users);
    auto places = read_places(
        call([&](bool whole) { scripts_->look(names, renew, whole, command_); }), users.size());
    EXPECT_TRUE(places.has_value()) << error();
    return places.value_or(std::vector<Place>(users.size()));
  }
  // Looking::kRanks.
  std::vector<Place> ranks(const std::vector<std::string>& users) {
    auto names = views(users);
    auto places = read_places(call([&](bool whole) { scripts_->look(names, "", whole, command_); }),
                              users.size());
    EXPECT_TRUE(places.has_value()) << error();
    return places.value_or(std::vector<Place>(users.size()));
  }
  void away(const std::vector<std::string>& users) override {
    auto names = views(users);
    call([&](bool whole) { scripts_->away(names, whole, command_); });
    EXPECT_EQ(reply_->type, REDIS_REPLY_INTEGER) << error();
  }
  Census tick() override {
    auto census = read_census(call([&](bool whole) { scripts_->tick(whole, command_); }));
    EXPECT_TRUE(census.has_value()) << error();
    return census.value_or(Census{});
  }
  InForce configure(bool running = false) {
    auto settings =
        read_in_force(call([&](bool whole) { scripts_->configure(running, whole, command_); }));
    EXPECT_TRUE(settings.has_value()) << error();
    return settings.value_or(InForce{});
  }
  // What the scripts publish is kept from now on; all of it is here after another command.
  void hear_news() {
    server().listen("queue:events", [this](std::string_view payload) {
      auto notice = read_notice(payload);
      ASSERT_TRUE(notice.has_value()) << payload;
      auto& users = notice->letter == 'A' ? news_.admitted : news_.closed;
      for (std::string_view user : notice->users) users.emplace_back(user);
    });
  }
  News take_news() { return std::exchange(news_, {}); }
  // For tests in which they fail.
  void attempt_away(const std::vector<std::string>& users) {
    auto names = views(users);
    call([&](bool whole) { scripts_->away(names, whole, command_); });
  }
  void attempt_tick() {
    call([&](bool whole) { scripts_->tick(whole, command_); });
  }
  void attempt_configure() {
    call([&](bool whole) { scripts_->configure(true, whole, command_); });
  }
  std::string error() const {
    return reply_ && reply_->str ? reply_->str : "not the expected form";
  }

 private:
  const redisReply* call_lineup(const std::vector<Asked>& asked) {
    return call([&](bool whole) { scripts_->lineup(asked, whole, command_); });
  }
  template <class Build>
  const redisReply* call(Build build) {
    server().run({"SET", "test:now", std::to_string(wall_ms)});
    for (bool whole : {false, true}) {
      build(whole);
      reply_ = server().run(command_.size(), command_.words.data(), command_.sizes.data());
      if (!reply_ || reply_->type != REDIS_REPLY_ERROR ||
          !std::string_view(reply_->str).starts_with("NOSCRIPT"))
        break;
    }
    return reply_.get();
  }

  RedisServer& server_;
  std::unique_ptr<Scripts> scripts_;
  Command command_;
  Reply reply_;
  News news_;
};

// For suites that run over every kind of server.
inline std::string up_to_dash(const ::testing::TestParamInfo<std::string>& parameter) {
  return parameter.param.substr(0, parameter.param.find('-'));
}
#define GW_OVER_ALL_SERVERS(suite) \
  INSTANTIATE_TEST_SUITE_P(Servers, suite, ::testing::ValuesIn(RedisServer::kinds()), up_to_dash)

// A queue of capacity 1 on the shared server of a kind, fresh for each test.
class RedisQueueTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RedisServer::installed(GetParam())) << "not here: tools/setup.sh test";
    use(1);
  }
  void use(std::uint64_t capacity) {
    rules.capacity = capacity;
    queue.reset(rules);
  }
  static RedisServer& redis() { return RedisSubject::shared_server(GetParam()); }
  std::string wall_seconds(std::int64_t ago = 0) {
    return std::to_string(static_cast<std::int64_t>(queue.wall_ms / 1000) - ago);
  }

  Rules rules;
  RedisSubject queue{redis()};
};

}  // namespace gw::queue
