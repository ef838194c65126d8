// SPDX-License-Identifier: Apache-2.0
//
// Redis with sentinels: fail-overs, masters that do not know that they were replaced, sentinels that
// know less than others. Real servers on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "fake_server_for_test.h"
#include "topology_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

class RedisSentinels : public RedisTopology {
 protected:
  void SetUp() override {
    RedisTopology::SetUp();
    for (auto& port : ports_) port = RedisServer::free_port();
    servers_[0] =
        std::make_unique<RedisServer>(std::vector<std::string>{"--port", text(ports_[0])});
    for (int i : {1, 2})
      servers_[i] = std::make_unique<RedisServer>(std::vector<std::string>{
          "--port", text(ports_[i]), "--replicaof", "127.0.0.1 " + text(ports_[0])});
    for (int i = 0; i < 3; ++i) {
      const auto port = RedisServer::free_port();
      sentinels_[i] = std::make_unique<RedisServer>(
          std::vector<std::string>{"--port", text(port), "--sentinel"}, RedisServer::usual(),
          "sentinel monitor shop 127.0.0.1 " + text(ports_[0]) +
              " 2\nsentinel down-after-milliseconds shop 500\n"
              "sentinel failover-timeout shop 3000\n");
      store_ += (i == 0 ? "redis+sentinel://127.0.0.1:" : ",127.0.0.1:") + text(port);
    }
    store_ += "/shop";
    wait([&] {  // they know each other and both replicas
      for (auto& sentinel : sentinels_) {
        Reply others = sentinel->run({"SENTINEL", "sentinels", "shop"});
        Reply replicas = sentinel->run({"SENTINEL", "replicas", "shop"});
        if (!others || others->elements != 2 || !replicas || replicas->elements != 2) return false;
      }
      return servers_[0]->text({"INFO", "replication"}).find("connected_slaves:2") !=
             std::string::npos;
    });
  }
  // Its index; the first one was the master.
  int wait_for_another_master() {
    int made = 0;
    wait([&] {
      for (int i : {1, 2})
        if (servers_[i]->text({"INFO", "replication"}).starts_with("# Replication\r\nrole:master"))
          made = i;
      return made != 0;
    });
    return made;
  }
  // "in" is let in, then another master is made and serves, and the old one never hears of it. Which it is.
  int replace_unheard() {
    wait_up();
    line_up("in");
    servers_[0]->number({"WAIT", "2", "5000"});
    servers_[0]->run({"ACL", "SETUSER", "default", "-replicaof", "-slaveof"});
    sentinels_[0]->run({"SENTINEL", "FAILOVER", "shop"});
    const int made = wait_for_another_master();
    int asked = 0;
    wait([&] {
      line_up("late" + std::to_string(++asked));
      return servers_[made]->number({"ZCARD", "queue:wait"}) > 0;
    });
    EXPECT_THAT(servers_[0]->text({"INFO", "replication"}), HasSubstr("role:master"));
    return made;
  }
  std::unique_ptr<RedisServer> servers_[3], sentinels_[3];
  std::uint16_t ports_[3] = {};
  std::string store_;
};

TEST_F(RedisSentinels, name_the_master_before_and_after_a_failover) {
  sentinels_[0]->freeze(true);  // the first that is asked does not answer
  start(store_, "capacity = 1\nconnect_timeout = \"300ms\"");
  wait_up();
  line_up("in");
  for (const char* user : {"a", "b", "c"}) EXPECT_EQ(line_up(user).status(), 200u);
  Client& stream = open("GET", "/api/v1/queue/stream", "a");
  wait([&] { return stream.body().find("STATUS_UPDATE") != std::string::npos; });
  servers_[0]->number({"WAIT", "2", "5000"});
  sentinels_[0]->freeze(false);
  servers_[0]->stop();
  wait([&] { return host_.health("redis") == GW_DOWN; });
  wait([&] { return stream.body().find("HOLD") != std::string::npos; });
  wait_up();
  servers_[0]->start();  // comes back as an empty master, until a sentinel speaks to it
  wait([&] { return line_up("d").status() == 200u; });
  wait([&] { return call("DELETE", "/api/v1/queue/allowed-in-token", "in").status() == 200u; });
  wait([&] { return stream.ended(); });
  EXPECT_THAT(stream.body(), HasSubstr("ALLOWED_IN"));
  EXPECT_THAT(call("GET", "/api/v1/queue/status", "b").body(),
              HasSubstr("\"userQueuePosition\":1"));
}

TEST_F(RedisSentinels, make_another_master_and_the_old_one_never_hears_of_it) {
  start(store_);
  const int made = replace_unheard();
  EXPECT_EQ(line_up("next").status(), 200u);
  EXPECT_GT(servers_[made]->number({"ZSCORE", "queue:wait", "next"}), 0);
}

// A sentinel that missed an election: it names the same master whatever happens.
FakeServer stale_sentinel(std::uint16_t master) {
  return FakeServer(FakeServer::answering([master = text(master)](std::string_view asked) {
    std::string reply;
    if (asked.find("\r\nMASTER\r\n") != asked.npos) reply += "*2\r\n+config-epoch\r\n+0\r\n";
    if (asked.find("get-master-addr-by-name") != asked.npos)
      reply += "*2\r\n$9\r\n127.0.0.1\r\n+" + master + "\r\n";
    return reply;
  }));
}

TEST_F(RedisSentinels, of_which_one_knows_less_lead_to_the_new_master_at_every_connection) {
  const FakeServer stale = stale_sentinel(ports_[0]);
  // The second of them is asked when a connection was lost.
  std::string store = store_;
  start(store.insert(store.find(',') + 1, "127.0.0.1:" + text(stale.port()) + ","));
  const int made = replace_unheard();
  const long long lost = servers_[0]->number({"ZCARD", "queue:wait"});
  for (int i = 0; i < 5; ++i) {
    servers_[made]->run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    const std::string user = "next" + std::to_string(i);
    wait([&] { return line_up(user).status() == 200u; });
    EXPECT_GT(servers_[made]->number({"ZSCORE", "queue:wait", user}), 0) << user;
  }
  EXPECT_EQ(servers_[0]->number({"ZCARD", "queue:wait"}), lost);
}

TEST_F(RedisSentinels, that_are_set_up_anew_are_followed_though_they_count_elections_anew) {
  start(store_);
  wait_up();
  sentinels_[0]->run({"SENTINEL", "FAILOVER", "shop"});
  const int made = wait_for_another_master();
  wait([&] {
    return line_up("a").status() == 200u && servers_[made]->number({"HLEN", "allowedIn:users"}) > 0;
  });
  for (auto& sentinel : sentinels_) sentinel->run({"SENTINEL", "REMOVE", "shop"});
  servers_[0]->run({"REPLICAOF", "NO", "ONE"});
  for (auto& sentinel : sentinels_)
    sentinel->run({"SENTINEL", "MONITOR", "shop", "127.0.0.1", text(ports_[0]), "2"});
  int asked = 0;
  wait([&] {
    const std::string user = "late" + std::to_string(++asked);
    return line_up(user).status() == 200u &&
           servers_[0]->number({"ZSCORE", "queue:wait", user}) > 0;
  });
}

TEST_F(RedisSentinels, whose_master_needs_no_replica_are_warned_of_once) {
  auto warnings = [&] {
    return std::count_if(host_.log().begin(), host_.log().end(), [](const auto& line) {
      return line.text.find("min-replicas-to-write 0") != line.text.npos;
    });
  };
  start(store_);
  wait_up();
  wait([&] { return warnings() == 1; });
  servers_[0]->run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  wait([&] { return host_.health("redis") == GW_DOWN; });
  wait_up();
  EXPECT_EQ(line_up("ann").status(), 200u);
  EXPECT_EQ(warnings(), 1);
  instance_.reset();
  servers_[0]->run({"CONFIG", "SET", "min-replicas-to-write", "1"});
  start(store_);
  wait_up();
  EXPECT_EQ(line_up("bob").status(), 200u);
  EXPECT_EQ(warnings(), 1);
}

// As README.md recommends: cut off from its replicas, a master takes nothing that a fail-over loses.
TEST_F(RedisSentinels, whose_master_needs_a_replica_hold_the_queue_when_it_has_none) {
  for (auto& server : servers_) {
    server->run({"CONFIG", "SET", "min-replicas-to-write", "1"});
    server->run({"CONFIG", "SET", "min-replicas-max-lag", "1"});
  }
  start(store_);
  wait_up();
  wait([&] { return line_up("ann").status() == 200u; });
  for (int i : {1, 2}) servers_[i]->freeze(true);
  wait([&] { return host_.health("redis") == GW_DOWN; });
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("NOREPLICAS"));
  const long long before = servers_[0]->number({"GET", "queue:counter"});
  EXPECT_EQ(line_up("late").status(), 503u);
  EXPECT_EQ(servers_[0]->number({"GET", "queue:counter"}), before);
  for (int i : {1, 2}) servers_[i]->freeze(false);
  wait_up();
  wait([&] { return line_up("late").status() == 200u; });
}

TEST_F(RedisSentinels, that_do_not_know_the_master_are_said_so) {
  expect_down(store_ + "2", "", "does not know a master");
}

}  // namespace
}  // namespace gw::queue
