// SPDX-License-Identifier: Apache-2.0
//
// Every script over a Redis in which a key is of a wrong type.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "subject_for_test.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecond = 1000;
constexpr const char* kBaseKeys[] = {"queue:wait", "allowedIn:users", "queue:counter"};
// Key and type.
constexpr std::pair<const char*, const char*> kOurKeys[] = {
    {"queue:state", "hash"},    {"queue:expiry", "zset"}, {"queue:lease", "zset"},
    {"queue:away", "set"},      {"queue:since", "hash"},  {"queue:answers:0", "hash"},
    {"queue:answers:1", "hash"}};

// Every operation on its own fresh queue: one admitted, two waiting (the first of them away).
class WrongType : public RedisQueueTest {
 protected:
  struct Attempt {
    const char* name;
    std::function<void(RedisSubject&)> run;
  };
  static std::vector<Attempt> attempts() {
    return {{"lineup", [](auto& q) { q.line_up("new"); }},
            {"lineup again", [](auto& q) { q.line_up("b"); }},
            {"status", [](auto& q) { q.status("a"); }},
            {"gate", [](auto& q) { q.gate("in"); }},
            {"leave", [](auto& q) { q.run(Operation::kLeaveAdmitted, "in"); }},
            {"leave line", [](auto& q) { q.run(Operation::kLeaveWaiting, "b"); }},
            {"away", [](auto& q) { q.attempt_away({"b"}); }},
            {"tick", [](auto& q) { q.attempt_tick(); }},
            {"configure", [](auto& q) { q.attempt_configure(); }}};
  }
  void arrange() {
    use(1);
    rules.max_stay_ms = 1000 * kSecond;
    queue.use(rules);
    for (const char* user : {"in", "a", "b"}) queue.line_up(user);
    queue.away({"a"});
  }
  static void spoil(const std::string& key, const char* type) {
    redis().run({"DEL", key});
    std::string_view kind = type;
    if (kind == "string") redis().run({"SET", key, "x"});
    if (kind == "list") redis().run({"RPUSH", key, "x"});
    if (kind == "set") redis().run({"SADD", key, "x"});
    if (kind == "hash") redis().run({"HSET", key, "x", "y"});
    if (kind == "zset") redis().run({"ZADD", key, "1", "x"});
    if (kind == "stream") redis().run({"XADD", key, "*", "x", "y"});
  }
  static std::map<std::string, std::string> contents() {
    std::map<std::string, std::string> all;
    Reply keys = redis().run({"KEYS", "*"});
    for (std::size_t i = 0; i < keys->elements; ++i) {
      std::string key(keys->element[i]->str, keys->element[i]->len);
      if (key != "test:now") all[key] = redis().text({"DUMP", key});
    }
    return all;
  }
  static constexpr const char* kTypes[] = {"string", "list", "set", "hash", "zset", "stream"};
};

GW_OVER_ALL_SERVERS(WrongType);

TEST_P(WrongType, in_a_shared_key_is_an_error_that_changes_nothing) {
  for (const char* key : kBaseKeys)
    for (const char* type : kTypes)
      for (const auto& attempt : attempts()) {
        SCOPED_TRACE(std::string(key) + " as " + type + ", " + attempt.name);
        arrange();
        const std::string right = redis().text({"TYPE", key});
        if (right == type) continue;
        const std::string_view name = attempt.name;
        const bool counts = name.starts_with("lineup") || name == "tick";
        if (std::string_view(key) == "queue:counter" && !counts) continue;
        spoil(key, type);
        auto before = contents();
        attempt.run(queue);
        EXPECT_THAT(queue.error(), ::testing::HasSubstr("WRONGTYPE"));
        EXPECT_EQ(contents(), before);
      }
}

TEST_P(WrongType, in_a_key_of_ours_heals_and_nobody_loses_the_place) {
  for (const auto& [key, right] : kOurKeys)
    for (const char* type : kTypes)
      for (const auto& attempt : attempts()) {
        SCOPED_TRACE(std::string(key) + " as " + type + ", " + attempt.name);
        arrange();
        spoil(key, type);
        attempt.run(queue);
        const bool other_type = std::string_view(right) != type;
        const std::string name = attempt.name;
        if (name != "leave") {
          EXPECT_EQ(queue.gate("in").standing, Standing::kAdmitted);
        }
        EXPECT_NE(queue.status("a").standing, Standing::kAbsent);
        if (name != "leave line") {
          EXPECT_NE(queue.status("b").standing, Standing::kAbsent);
        }
        Census census = queue.tick();
        EXPECT_LE(census.admitted, 1u);
        const std::string now = redis().text({"TYPE", key});
        EXPECT_TRUE(now == right || now == "none") << now;
        if (name != "tick" && other_type && std::string_view(key) != "queue:state") {
          EXPECT_GE(census.repaired, 1u);
        }
        queue.run(Operation::kLeaveWaiting, "b");
        for (const char* user : {"in", "b", "a"}) queue.run(Operation::kLeaveAdmitted, user);
        EXPECT_EQ(queue.line_up("next"), name == "lineup" ? kQueued : kAdmittedNow)
            << "the queue is not wedged";
      }
}

}  // namespace
}  // namespace gw::queue
