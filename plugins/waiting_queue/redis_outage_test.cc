// SPDX-License-Identifier: Apache-2.0
//
// Redis as it is in bad times: away, restarted, frozen, a replica, or no Redis at all. In real
// time, through the fake host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>

#include "fake_server_for_test.h"
#include "gateway_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

class RedisOutage : public GatewayForTest {};

TEST_F(RedisOutage, starts_without_redis_and_serves_once_it_is_there) {
  RedisServer server;
  server.stop();
  start("unix:" + server.socket(), "capacity = 0");
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_EQ(line_up("ann").status(), 503u);
  Client& stream = call("GET", "/api/v1/queue/stream", "ann");
  wait([&] { return stream.body().find("event: HOLD") != std::string::npos; });
  server.start();
  wait([&] { return host_.health("redis") == GW_UP; });
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("version"));
  EXPECT_EQ(line_up("ann").status(), 200u);
  wait([&] { return stream.body().find("event: STATUS_UPDATE") != std::string::npos; });
}

TEST_F(RedisOutage, a_restart_is_survived_and_the_scripts_are_sent_again) {
  RedisServer server;
  start(server);
  EXPECT_EQ(line_up("ann").status(), 200u);
  server.stop();
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_EQ(line_up("ann").status(), 503u);
  server.start();
  wait([&] { return host_.health("redis") == GW_UP; });
  EXPECT_EQ(line_up("ann").status(), 200u);
  server.run({"SCRIPT", "FLUSH"});
  EXPECT_EQ(line_up("bob").status(), 200u);
}

TEST_F(RedisOutage, a_server_that_hangs_costs_the_command_timeout_and_no_more) {
  RedisServer server;
  start(server, "capacity = 1\ncommand_timeout = \"300ms\"");
  line_up("ann");
  server.freeze(true);
  Client& late = line_up("bob");
  EXPECT_EQ(late.status(), 503u);
  EXPECT_EQ(late.error_code(), "SERVICE_UNAVAILABLE");
  server.freeze(false);
  wait([&] { return host_.health("redis") == GW_UP; });
  wait([&] { return line_up("bob").status() == 200u; });
}

TEST_F(RedisOutage, a_lost_reply_is_asked_for_again) {
  RedisServer server;
  start(server, "capacity = 0\ncommand_timeout = \"5s\"");
  line_up("ann"), line_up("bob");
  server.run({"CLIENT", "PAUSE", "300", "WRITE"});
  Client& again = open("POST", "/api/v1/queue/lineup", "cat");
  host_.run_until([] { return false; }, 50);
  EXPECT_FALSE(again.done());
  server.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  wait([&] { return again.done(); });
  EXPECT_EQ(again.status(), 200u);
  EXPECT_EQ(server.number({"ZCARD", "queue:wait"}), 3);
}

TEST_F(RedisOutage, a_replica_is_not_written_to) {
  RedisServer replica({"--replicaof", "127.0.0.1 1"});
  start("unix:" + replica.socket());
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("not the master"));
  EXPECT_EQ(line_up("ann").status(), 503u);
}

TEST_F(RedisOutage, a_master_that_becomes_a_replica_is_left) {
  RedisServer server;
  start(server);
  line_up("ann");
  server.run({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_EQ(line_up("bob").status(), 503u);
  wait([&] { return host_.health("redis") == GW_DOWN; });
  server.run({"REPLICAOF", "NO", "ONE"});
  wait([&] { return host_.health("redis") == GW_UP; });
  EXPECT_EQ(line_up("bob").status(), 200u);
}

TEST_F(RedisOutage, the_password_is_given) {
  RedisServer server;
  server.run({"CONFIG", "SET", "requirepass", "s3cret"});
  start("unix:" + server.socket(), "password = \"wrong\"");
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("WRONGPASS"));
  instance_.reset();
  start("unix:" + server.socket() + "?db=3", "password = \"s3cret\"");
  wait([&] { return host_.health("redis") == GW_UP; });
  EXPECT_EQ(line_up("ann").status(), 200u);
}

TEST_F(RedisOutage, those_admitted_may_pass_while_the_store_is_away) {
  RedisServer server;
  start(server, "capacity = 1\nstore_down = \"admit\"\nstore_down_admit_for = \"30s\"");
  line_up("ann"), line_up("bob");
  unsigned passed = call("POST", "/api/v1/reservations", "ann").status();
  EXPECT_EQ(call("POST", "/api/v1/reservations", "bob").status(), 429u);
  server.stop();
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_EQ(call("POST", "/api/v1/reservations", "ann").status(), passed);
  EXPECT_EQ(call("POST", "/api/v1/reservations", "bob").status(), 503u);
  host_.advance(31'000);
  EXPECT_EQ(call("POST", "/api/v1/reservations", "ann").status(), 503u);
}

TEST_F(RedisOutage, pending_operations_are_bounded) {
  RedisServer server;
  start(server, "capacity = 1\nmax_pending = 5");
  server.run({"CLIENT", "PAUSE", "200", "ALL"});
  for (int i = 0; i < 10; ++i) open("POST", "/api/v1/queue/lineup", "user" + std::to_string(i));
  wait([&] {
    for (const auto& client : clients_)
      if (!client->done()) return false;
    return true;
  });
  int refused = 0;
  for (const auto& client : clients_) refused += client->status() == 503u;
  EXPECT_GE(refused, 5);
  EXPECT_GE(host_.metric("gateway_queue_store_errors_total", {{"kind", "overloaded"}}), 5);
}

TEST_F(RedisOutage, two_gateways_share_one_queue) {
  RedisServer server;
  start(server);
  testing::Instance other(host_, gw_plugin_entry,
                          "store = \"unix:" + server.socket() + "\"\ncapacity = 1", "other");
  ASSERT_EQ(other.start(), GW_OK);
  wait([&] {
    Reply reply = server.run({"PUBSUB", "NUMSUB", "queue:events"});
    return reply && reply->elements == 2 && reply->element[1]->integer == 2;
  });
  auto at_other = [&](std::string method, std::string target, std::string user) {
    RequestSpec spec;
    spec.method = std::move(method);
    spec.target = std::move(target);
    spec.attributes["identity.subject"] = std::move(user);
    auto client = std::make_unique<Client>(host_, std::vector<testing::Instance*>{&other}, spec);
    wait([&] { return client->done(); });
    return client;
  };
  line_up("ann");
  EXPECT_EQ(at_other("POST", "/api/v1/queue/lineup", "bob")->status(), 200u);
  auto bob = at_other("GET", "/api/v1/queue/stream", "bob");
  wait([&] { return bob->body().find("STATUS_UPDATE") != std::string::npos; });
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "ann").status(), 200u);
  wait([&] { return bob->ended(); });
  EXPECT_THAT(bob->body(), HasSubstr("ALLOWED_IN"));
}

TEST_F(RedisOutage, a_lock_that_never_ends_does_not_stop_the_scheduler) {
  RedisServer server;
  server.run({"RPUSH", "job-lock:default:queueTick", "forever"});
  start(server);
  for (int i = 0; i < 14; ++i) {
    host_.advance(1000);
    host_.run_until([] { return false; }, 20);
  }
  wait([&] { return server.text({"HGET", "queue:state", "sweep"}) == "0"; });
}

TEST_F(RedisOutage, those_who_come_in_one_turn_travel_in_one_script) {
  RedisServer server;
  start(server, "capacity = 10\nstatus_interval = \"3600s\"");
  auto scripts = [&] {
    std::string stats = server.text({"INFO", "commandstats"});
    return std::strtoll(stats.c_str() + stats.find("cmdstat_evalsha:calls=") + 22, nullptr, 10);
  };
  const long long before = scripts();
  for (int i = 0; i < 150; ++i) open("POST", "/api/v1/queue/lineup", "user" + std::to_string(i));
  for (int i = 0; i < 150; ++i) open("GET", "/api/v1/queue/status", "user" + std::to_string(i));
  for (int i = 0; i < 150; ++i) open("POST", "/api/v1/reservations", "user" + std::to_string(i));
  wait([&] {
    return std::all_of(clients_.begin(), clients_.end(), [](auto& c) { return c->done(); });
  });
  EXPECT_LE(scripts() - before, 9);
  EXPECT_EQ(server.number({"HLEN", "allowedIn:users"}), 10);
  for (int i = 10; i < 150; ++i)
    EXPECT_EQ(server.number({"ZRANK", "queue:wait", "user" + std::to_string(i)}), i - 10)
        << "in the order of arrival";
}

TEST_F(RedisOutage, an_admission_while_nobody_listened_is_told_once_to_every_tab) {
  RedisServer server;
  start(server, "capacity = 1\nstatus_interval = \"3600s\"");
  line_up("in"), line_up("ann");
  std::vector<Client*> tabs;
  for (int i = 0; i < 3; ++i) tabs.push_back(&open("GET", "/api/v1/queue/stream", "ann"));
  wait([&] {
    return std::all_of(tabs.begin(), tabs.end(), [](Client* tab) {
      return tab->body().find("STATUS_UPDATE") != std::string::npos;
    });
  });
  // Admitted by another gateway whose message is lost with our subscriber's connection.
  server.run({"EVAL",
              "redis.call('ZREM', 'queue:wait', 'ann') redis.call('DEL', 'allowedIn:users') "
              "redis.call('HSET', 'allowedIn:users', 'ann', redis.call('TIME')[1])",
              "0"});
  server.run({"CLIENT", "KILL", "TYPE", "pubsub"});
  wait([&] {
    return std::all_of(tabs.begin(), tabs.end(), [](Client* tab) { return tab->ended(); });
  });
  for (Client* tab : tabs) {
    const std::string body(tab->body());
    const std::size_t first = body.find("ALLOWED_IN");
    EXPECT_NE(first, body.npos);
    EXPECT_EQ(body.find("ALLOWED_IN", first + 1), body.npos);
  }
}

// Something that speaks as if it were Redis, and answers every script with the same bytes.
class Impostor {
 public:
  explicit Impostor(std::string answer) : answer_(std::move(answer)) {
    char name[] = "/tmp/gateway-impostor-XXXXXX";
    folder_ = mkdtemp(name);
    server_.emplace(path(), FakeServer::answering([this](std::string_view asked) -> std::string {
                      if (asked.find("EVAL") != asked.npos) return ++scripts_, answer_;
                      if (asked.find("SUBSCRIBE") != asked.npos)
                        return ++subscriptions_,
                               "*3\r\n$9\r\nsubscribe\r\n$12\r\nqueue:events\r\n:1\r\n";
                      if (asked.find("ROLE") != asked.npos) return "*1\r\n$6\r\nmaster\r\n";
                      if (asked.find("HELLO") != asked.npos)
                        return "*2\r\n$7\r\nversion\r\n$3\r\n9.9\r\n";
                      return "+OK\r\n";
                    }));
  }
  ~Impostor() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/socket"; }
  int scripts() const { return scripts_; }
  int subscriptions() const { return subscriptions_; }

 private:
  std::string answer_, folder_;
  std::atomic<int> scripts_ = 0, subscriptions_ = 0;
  std::optional<FakeServer> server_;
};

TEST_F(RedisOutage, answers_that_make_no_sense_are_errors_and_no_more) {
  for (const char* answer :
       {":1\r\n", "+OK\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "*2\r\n:-1\r\n:0\r\n",
        "*2\r\n:9\r\n:-2\r\n", "*2\r\n:2\r\n:9\r\n", "*2\r\n$1\r\n1\r\n:0\r\n",
        "*2\r\n*0\r\n*0\r\n", "*999999999\r\n", "-ERR broken\r\n", "-LOADING wait\r\n",
        "-NOSCRIPT again\r\n", "-READONLY no\r\n", "HTTP/1.1 200 OK\r\n\r\n", "%1\r\n+a\r\n:1\r\n",
        ">2\r\n+x\r\n:1\r\n", "*3\r\n:3\r\n:7\r\n:1\r\n"}) {
    SCOPED_TRACE(answer);
    Impostor impostor(answer);
    start("unix:" + impostor.path(), "command_timeout = \"200ms\"");
    wait([&] { return impostor.scripts() > 0 || host_.health("redis") == GW_DOWN; });
    EXPECT_EQ(line_up("ann").status(), 503u);
    EXPECT_EQ(call("POST", "/api/v1/reservations", "ann").status(), 503u);
    clients_.clear();
    instance_.reset();
  }
}

TEST_F(RedisOutage, a_subscriber_that_hears_nothing_connects_again) {
  Impostor impostor("*8\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:1\r\n:5\r\n");
  start("unix:" + impostor.path(), "command_timeout = \"60s\"");
  wait([&] { return impostor.subscriptions() == 1; });
  for (int i = 0; i < 12; ++i) {
    host_.advance(1000);
    host_.run_until([] { return false; }, 20);
  }
  wait([&] { return impostor.subscriptions() >= 2; });
}

}  // namespace
}  // namespace gw::queue
