// SPDX-License-Identifier: Apache-2.0
//
// What the queue does while its store is away, choice by choice: nobody is admitted, no place is lost,
// and those who are admitted already pass or do not, as the operator has it. HOLD on streams that are
// open: redis_refusal_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <utility>

#include "gateway_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

constexpr const char* kAdmit =
    "capacity = 3\nstore_down = \"admit\"\nstore_down_admit_for = \"30s\"\ncommand_timeout = "
    "\"5s\"";

class RedisStoreDown : public GatewayForTest {
 protected:
  void wait_down() {
    wait([&] { return host_.health("redis") == GW_DOWN; });
  }
  void wait_up() {
    wait([&] { return host_.health("redis") == GW_UP; });
  }
  unsigned gate(const std::string& user) {
    return call("POST", "/api/v1/reservations", user).status();
  }
  void expect_unavailable(const Client& client) {
    EXPECT_EQ(client.status(), 503u);
    EXPECT_EQ(client.error_code(), "SERVICE_UNAVAILABLE");
    EXPECT_EQ(client.header("retry-after"), "3");
  }
};

TEST_F(RedisStoreDown, every_call_is_refused_by_default_and_other_paths_are_not) {
  RedisServer server;
  start(server, "capacity = 1\nrenew_on = \"any\"");
  line_up("in");
  gate("in");
  const unsigned passed = call("GET", "/api/v1/products", "in").status();
  server.stop();
  wait_down();
  for (const auto& [method, path] : {std::pair("POST", "lineup"),
                                     {"GET", "status"},
                                     {"DELETE", "allowed-in-token"},
                                     {"DELETE", "waiting-token"}}) {
    SCOPED_TRACE(path);
    expect_unavailable(call(method, std::string("/api/v1/queue/") + path, "in"));
  }
  expect_unavailable(call("POST", "/api/v1/reservations", "in"));
  EXPECT_EQ(call("GET", "/api/v1/products", "in").status(), passed);
  Client& stream = call("GET", "/api/v1/queue/stream", "in");
  wait([&] { return stream.body().find("event: HOLD") != std::string::npos; });
  EXPECT_TRUE(stream.streaming());
}

TEST_F(RedisStoreDown, whoever_was_told_to_be_admitted_may_pass_however_it_was_told) {
  RedisServer server;
  start(server, kAdmit);
  const std::string now = std::to_string(std::time(nullptr));
  server.run({"HSET", "allowedIn:users", "asked", now, "gated", now});  // by another gateway
  const unsigned passed = gate("gated");
  EXPECT_EQ(call("GET", "/api/v1/queue/status", "asked").status(), 200u);
  EXPECT_THAT(line_up("lined-up").body(), HasSubstr("바로 입장"));
  line_up("waits");
  EXPECT_EQ(gate("waits"), 429u);
  server.stop();
  wait_down();
  for (const char* user : {"lined-up", "asked", "gated"}) EXPECT_EQ(gate(user), passed) << user;
  for (const char* user : {"waits", "unknown"}) EXPECT_EQ(gate(user), 503u) << user;
  host_.advance(31'000);
  for (const char* user : {"lined-up", "asked", "gated"}) EXPECT_EQ(gate(user), 503u) << user;
}

TEST_F(RedisStoreDown, whoever_is_admitted_no_more_does_not_pass) {
  RedisServer server;
  start(server, kAdmit);
  for (const char* user : {"left", "expired", "again"}) line_up(user), gate(user);
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "left").status(), 200u);
  server.run({"HDEL", "allowedIn:users", "expired", "again"});
  EXPECT_EQ(gate("expired"), 403u);
  server.run({"ZADD", "queue:wait", "7", "again"});
  EXPECT_EQ(call("GET", "/api/v1/queue/status", "again").status(), 200u);
  server.stop();
  wait_down();
  for (const char* user : {"left", "expired", "again"}) EXPECT_EQ(gate(user), 503u) << user;
}

TEST_F(RedisStoreDown, a_server_that_hangs_counts_as_away) {
  RedisServer server;
  start(server, kAdmit);
  for (const char* user : {"in", "too", "last", "waits"}) line_up(user);
  const unsigned passed = gate("in");
  server.freeze(true);
  EXPECT_EQ(gate("in"), passed);
  EXPECT_EQ(gate("waits"), 503u);
  server.freeze(false);
  wait_up();
  EXPECT_EQ(gate("waits"), 429u);
}

// Those who gave up meanwhile must not take the slots of those who did not.
TEST_F(RedisStoreDown, whose_stream_closes_meanwhile_is_away_and_whoever_comes_back_is_not) {
  for (const bool answers : {false, true}) {
    SCOPED_TRACE(answers);
    RedisServer server;
    start(server, "capacity = 1\ncommand_timeout = \"300ms\"");
    for (const char* user : {"in", "gone", "back", "stays"}) line_up(user);
    std::vector<Client*> streams;
    for (const char* user : {"gone", "back", "stays"})
      streams.push_back(&call("GET", "/api/v1/queue/stream", user));
    wait([&] { return events(*streams[2], "STATUS_UPDATE") == 1; });
    answers ? (void)server.run({"CONFIG", "SET", "min-replicas-to-write", "1"})
            : server.freeze(true);
    wait_down();
    streams[0]->leave();
    streams[1]->leave();
    call("GET", "/api/v1/queue/stream", "back");
    host_.run_until([] { return false; }, 700);  // longer than a command may take
    answers ? (void)server.run({"CONFIG", "SET", "min-replicas-to-write", "0"})
            : server.freeze(false);
    wait_up();
    wait([&] { return server.number({"SISMEMBER", "queue:away", "gone"}) == 1; });
    wait([&] { return server.number({"SCARD", "queue:away"}) == 1; });
    EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 200u);
    EXPECT_EQ(server.number({"HEXISTS", "allowedIn:users", "back"}), 1);
    clients_.clear();
    instance_.reset();
  }
}

// What passes meanwhile changes nothing in the store, and all go on behind it where they were.
TEST_F(RedisStoreDown, nobody_is_admitted_and_nobody_loses_the_place) {
  for (const char* choice : {"refuse", "admit"}) {
    SCOPED_TRACE(choice);
    RedisServer server;
    start(server,
          std::string("capacity = 1\nstatus_interval = \"3600s\"\ncommand_timeout = \"5s\"\n"
                      "store_down = \"") +
              choice + "\"");
    line_up("in");
    const unsigned passed = gate("in");
    for (const char* user : {"a", "b", "c"}) line_up(user);
    Client& stream = call("GET", "/api/v1/queue/stream", "a");
    wait([&] { return stream.body().find("STATUS_UPDATE") != std::string::npos; });
    const std::string line = "return table.concat(redis.call('ZRANGE', 'queue:wait', 0, -1), ' ')";
    server.run({"CONFIG", "SET", "min-replicas-to-write", "1"});
    wait_down();
    EXPECT_EQ(gate("in"), std::string_view(choice) == "admit" ? passed : 503u);
    for (const char* user : {"new", "b"}) EXPECT_EQ(line_up(user).status(), 503u);
    EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 503u);
    wait([&] { return stream.body().find("event: HOLD") != std::string::npos; });
    EXPECT_EQ(server.text({"EVAL_RO", line, "0"}), "a b c");
    EXPECT_EQ(server.number({"HEXISTS", "allowedIn:users", "in"}), 1);
    EXPECT_EQ(server.number({"HLEN", "allowedIn:users"}), 1);
    server.run({"CONFIG", "SET", "min-replicas-to-write", "0"});
    wait_up();
    EXPECT_EQ(line_up("new").status(), 200u);
    EXPECT_EQ(server.text({"EVAL_RO", line, "0"}), "a b c new");
    EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 200u);
    wait([&] { return stream.ended(); });
    EXPECT_THAT(stream.body(), HasSubstr("ALLOWED_IN"));
    clients_.clear();
    instance_.reset();
  }
}

}  // namespace
}  // namespace gw::queue
