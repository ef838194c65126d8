// SPDX-License-Identifier: Apache-2.0
//
// From one build to the next: the memory store's truth and the open streams, through the fake host.
// Instances of two names stand for the two builds, because those of one name share their truth.
#include <gtest/gtest.h>

#include <gateway/plugin.hpp>
#include <random>

#include "blob.h"
#include "memory_queue.h"
#include "testing/fake_host.h"

extern "C" const gw_plugin gw_plugin_entry;

namespace gw::queue {
namespace {

using testing::FakeHost;
using testing::HandOver;
using testing::RequestSpec;
using Client = testing::Exchange;

constexpr const char* kConfig = "store = \"memory\"\ncapacity = 1\n";

class HandOverTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  std::unique_ptr<testing::Instance> make(const std::string& name, const std::string& more = "") {
    auto made = std::make_unique<testing::Instance>(host_, gw_plugin_entry, kConfig + more, name);
    EXPECT_EQ(made->start(), GW_OK);
    return made;
  }
  std::unique_ptr<Client> call(testing::Instance& at, const std::string& method,
                               const std::string& target, const std::string& user) {
    RequestSpec spec;
    spec.method = method;
    spec.target = target;
    spec.worker = GetParam() - 1;
    spec.attributes["identity.subject"] = user;
    auto client = std::make_unique<Client>(host_, std::vector<testing::Instance*>{&at}, spec);
    host_.run();
    return client;
  }
  std::unique_ptr<Client> line_up(testing::Instance& at, const std::string& user) {
    auto client = call(at, "POST", "/api/v1/queue/lineup", user);
    EXPECT_EQ(client->status(), 200u);
    return client;
  }
  static int count(const Client& client, std::string_view event) {
    int found = 0;
    for (std::size_t at = 0;
         (at = client.body().find("event: " + std::string(event), at)) != std::string::npos; ++at)
      ++found;
    return found;
  }

  FakeHost host_{GetParam()};
};

TEST_P(HandOverTest, StreamsGoOnWhereTheyAre) {
  auto old = make("old"), next = make("next");
  line_up(*old, "a"), line_up(*old, "b"), line_up(*old, "c");
  auto b = call(*old, "GET", "/api/v1/queue/stream", "b");
  auto c = call(*old, "GET", "/api/v1/queue/stream", "c");
  host_.advance(11000);
  const int before = count(*c, "STATUS_UPDATE");
  EXPECT_GE(before, 2);

  const HandOver handed = hand_over(*old, *next);
  EXPECT_EQ(handed.state, GW_OK);
  EXPECT_EQ(handed.moved, 2u);
  EXPECT_EQ(handed.kept, 0u);
  host_.run();
  EXPECT_EQ(count(*c, "STATUS_UPDATE"), before) << "told again: " << c->body();
  host_.advance(10100);
  EXPECT_EQ(count(*c, "STATUS_UPDATE"), before + 1) << c->body();
  EXPECT_NE(c->body().find("id: " + std::to_string(before + 1) + "\nevent"), std::string::npos);

  // Whoever is asked, there is one queue.
  EXPECT_EQ(call(*old, "DELETE", "/api/v1/queue/allowed-in-token", "a")->status(), 200u);
  EXPECT_EQ(count(*b, "ALLOWED_IN"), 1);
  EXPECT_TRUE(b->ended());
  EXPECT_EQ(call(*old, "POST", "/api/v1/reservations", "c")->status(), 429u);
  EXPECT_EQ(call(*next, "POST", "/api/v1/reservations", "c")->status(), 429u);
  EXPECT_EQ(call(*next, "DELETE", "/api/v1/queue/allowed-in-token", "b")->status(), 200u);
  EXPECT_EQ(count(*c, "ALLOWED_IN"), 1);
  EXPECT_TRUE(c->ended());
  old.reset();
  EXPECT_NE(call(*next, "GET", "/api/v1/queue/status", "c")->body().find("입장 가능"),
            std::string::npos);
}

// A crowd that came at once is told where it stands evenly over the interval, before a hand-over and
// behind it.
TEST_P(HandOverTest, RanksAreSpreadOverTheInterval) {
  auto old = make("old"), next = make("next");
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 300; ++i) {
    line_up(*old, "u" + std::to_string(i));
    if (i > 0) crowd.push_back(call(*old, "GET", "/api/v1/queue/stream", "u" + std::to_string(i)));
  }
  auto told = [&] {
    int sum = 0;
    for (const auto& client : crowd) sum += count(*client, "STATUS_UPDATE");
    return sum;
  };
  auto expect_spread = [&] {
    const int before = told();
    int most = 0;
    for (int i = 0; i < 100; ++i) {
      const int now = told();
      host_.advance(100);
      most = std::max(most, told() - now);
    }
    EXPECT_EQ(told() - before, 299);
    EXPECT_LE(most, 9) << "3 are due in each of the 100 steps";
  };
  host_.advance(10000);
  expect_spread();
  EXPECT_EQ(hand_over(*old, *next).moved, 299u);
  host_.advance(10000);
  expect_spread();
}

// The operator's message: once, behind the place; again when the text is another.
TEST_P(HandOverTest, ANoticeIsToldOncePerText) {
  auto first = make("first");
  line_up(*first, "a"), line_up(*first, "b");
  auto b = call(*first, "GET", "/api/v1/queue/stream", "b");
  host_.advance(10100);
  EXPECT_EQ(count(*b, "NOTICE"), 0);
  const std::string quoted = "notice = 'Wir \"Q\" bald'\n";
  auto second = make("second", quoted);
  EXPECT_EQ(hand_over(*first, *second).moved, 1u);
  host_.advance(30000);
  EXPECT_EQ(count(*b, "NOTICE"), 1);
  EXPECT_NE(b->body().find("event: NOTICE\ndata: "
                           R"({"message":"Wir \"Q\" bald"})"
                           "\n\n"),
            std::string::npos)
      << b->body();
  auto same = make("same", quoted + "status_interval = \"9s\"\n");
  EXPECT_EQ(hand_over(*second, *same).moved, 1u);
  host_.advance(30000);
  EXPECT_EQ(count(*b, "NOTICE"), 1);
  auto other = make("other", "notice = \"open\"\n");
  EXPECT_EQ(hand_over(*same, *other).moved, 1u);
  host_.advance(30000);
  EXPECT_EQ(count(*b, "NOTICE"), 2);
  auto late = call(*other, "GET", "/api/v1/queue/stream", "zoe");  // not in line: is told too
  EXPECT_EQ(count(*late, "NOTICE"), 1);
  EXPECT_LT(late->body().find("event: ERROR"), late->body().find("event: NOTICE"));
}

TEST_P(HandOverTest, AStreamOfAnotherQueueStays) {
  auto old = make("old"), next = make("next", "key_prefix = \"other:\"\n");
  line_up(*old, "a"), line_up(*old, "b");
  auto b = call(*old, "GET", "/api/v1/queue/stream", "b");
  const HandOver handed = hand_over(*old, *next, false);
  EXPECT_EQ(handed.moved, 0u);
  EXPECT_EQ(handed.kept, 1u);
  EXPECT_TRUE(b->streaming());
  EXPECT_EQ(call(*old, "DELETE", "/api/v1/queue/allowed-in-token", "a")->status(), 200u);
  EXPECT_EQ(count(*b, "ALLOWED_IN"), 1);
}

TEST_P(HandOverTest, StateThatComesBackIsTheSame) {
  auto old = make("old"), next = make("next");
  line_up(*old, "a"), line_up(*old, "b");
  EXPECT_EQ(hand_over(*old, *next).state, GW_OK);
  EXPECT_EQ(hand_over(*next, *old).state, GW_OK);
  EXPECT_EQ(call(*old, "POST", "/api/v1/reservations", "b")->status(), 429u);
  EXPECT_EQ(call(*old, "DELETE", "/api/v1/queue/allowed-in-token", "a")->status(), 200u);
  EXPECT_EQ(call(*next, "GET", "/api/v1/queue/status", "a")->status(), 404u);
}

INSTANTIATE_TEST_SUITE_P(Workers, HandOverTest, ::testing::Values(1u, 3u));

// A copy of a queue answers as the queue does.
TEST(MemoryStateTest, ACopyIsTheSameQueue) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Rules rules;
  rules.capacity = 5;
  rules.duration_ms = 20'000;
  rules.presence_ms = 30'000;
  rules.grace_ms = 5'000;
  std::uint64_t wall = 1'770'000'000'000;
  MemoryQueue queue(rules, 1000);
  for (int round = 0; round < 20; ++round) {
    MemoryQueue copy(rules, 1000);
    for (int i = 0; i < 200; ++i) {
      wall += random() % 900;
      const std::string user = "u" + std::to_string(random() % 40);
      const std::string_view one[] = {user};
      if (random() % 5 == 0) {
        queue.away(one, wall);
      } else {
        queue.run(static_cast<Operation>(random() % 5), user, std::to_string(random() % 500), wall);
      }
      if (random() % 4 == 0) queue.tick(wall);
    }
    std::string blob, again;
    queue.export_state(blob);
    ASSERT_TRUE(copy.import_state(blob));
    copy.export_state(again);
    EXPECT_EQ(blob.size(), again.size());
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) names.push_back("u" + std::to_string(i));
    const std::vector<std::string_view> users(names.begin(), names.end());
    for (int i = 0; i < 100; ++i) {
      wall += 500;
      const std::string_view user = users[random() % users.size()];
      const auto operation = static_cast<Operation>(random() % 5);
      const std::string id = std::to_string(random() % 500);
      const Answer ours = queue.run(operation, user, id, wall);
      const Answer theirs = copy.run(operation, user, id, wall);
      ASSERT_EQ(ours.outcome, theirs.outcome);
      ASSERT_EQ(ours.place, theirs.place);
      ASSERT_EQ(queue.tick(wall).promoted, copy.tick(wall).promoted);
    }
    ASSERT_EQ(queue.look(users, wall), copy.look(users, wall));
  }
}

TEST(MemoryStateTest, ForeignBytesAreRefused) {
  MemoryQueue queue(Rules{}, 100);
  queue.run(Operation::kLineup, "a", "1", 1'770'000'000'000);
  std::string blob;
  queue.export_state(blob);
  for (std::size_t size = 0; size < blob.size(); ++size)
    EXPECT_FALSE(MemoryQueue(Rules{}, 100).import_state(blob.substr(0, size))) << size;
  EXPECT_FALSE(MemoryQueue(Rules{}, 100).import_state(blob + "x"));
  std::string out;
  for (const char* question : {"", "\x01", "\x02\xff", "\x09", "zzzzzzzzzzzzzzzzzzzzzzzz"})
    EXPECT_FALSE(queue.answer_question(question, out));
}

}  // namespace
}  // namespace gw::queue
