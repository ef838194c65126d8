// SPDX-License-Identifier: Apache-2.0
//
// A queue under test, called without waiting: the rules in memory, or the scripts in a real server
// with the test's clock. For tests alone.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "memory_queue.h"
#include "redis_server_for_test.h"
#include "scripts.h"

namespace gw::queue {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual void reset(const Rules& rules) = 0;
  virtual Answer run(Operation operation, std::string_view user, std::string_view id) = 0;
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

class MemorySubject : public Subject {
 public:
  using Subject::run;
  void reset(const Rules& rules) override {
    queue_ = std::make_unique<MemoryQueue>(rules, 100'000);
  }
  Answer run(Operation operation, std::string_view user, std::string_view id) override {
    return queue_->run(operation, user, id, wall_ms);
  }
  std::vector<Place> look(const std::vector<std::string>& users) override {
    return queue_->look(views(users), wall_ms);
  }
  void away(const std::vector<std::string>& users) override { queue_->away(views(users), wall_ms); }
  Census tick() override { return queue_->tick(wall_ms); }

 private:
  std::unique_ptr<MemoryQueue> queue_;
};

class RedisSubject : public Subject {
 public:
  using Subject::run;
  static constexpr char kTestClock[] =
      "local function wall_ms() return tonumber(redis.call('GET', 'test:now')) end\n";

  static RedisServer& server() {
    static RedisServer server;
    return server;
  }
  void reset(const Rules& rules) override {
    server().run({"FLUSHALL"});
    use(rules);
  }
  // Other rules over what is there already.
  void use(const Rules& rules) { scripts_ = std::make_unique<Scripts>(rules, "", kTestClock); }
  Answer run(Operation operation, std::string_view user, std::string_view id) override {
    auto answer = read_answer(operation, call([&](bool whole) {
                                scripts_->operation(operation, user, id, whole, command_);
                              }));
    if (answer) return *answer;
    return {StoreError::kFailed, 0, {}};
  }
  std::vector<Place> look(const std::vector<std::string>& users) override {
    auto names = views(users);
    auto places = read_places(call([&](bool whole) { scripts_->look(names, whole, command_); }),
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
  InForce configure(bool only_if_missing = false) {
    auto settings = read_in_force(
        call([&](bool whole) { scripts_->configure(only_if_missing, whole, command_); }));
    EXPECT_TRUE(settings.has_value()) << error();
    return settings.value_or(InForce{});
  }
  std::string error() const {
    return reply_ && reply_->str ? reply_->str : "not the expected form";
  }

 private:
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

  std::unique_ptr<Scripts> scripts_;
  Command command_;
  Reply reply_;
};

}  // namespace gw::queue
