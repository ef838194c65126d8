// SPDX-License-Identifier: Apache-2.0
//
// Redis as a cluster of three masters whose slots move. Real servers on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

class RedisCluster : public RedisTopology {
 protected:
  void SetUp() override {
    RedisTopology::SetUp();
    constexpr const char* kSlots[][2] = {{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}};
    for (int i = 0; i < 3; ++i) {
      ports_[i] = RedisServer::free_node_port();
      servers_[i] = std::make_unique<RedisServer>(
          std::vector<std::string>{"--port", text(ports_[i]), "--cluster-enabled", "yes"});
      servers_[i]->run({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
      servers_[i]->run({"CLUSTER", "ADDSLOTSRANGE", kSlots[i][0], kSlots[i][1]});
      if (i > 0) servers_[i]->run({"CLUSTER", "MEET", "127.0.0.1", text(ports_[0])});
    }
    wait([&] {
      for (auto& server : servers_) {
        const std::string info = server->text({"CLUSTER", "INFO"});
        if (info.find("cluster_state:ok") == std::string::npos ||
            info.find("cluster_known_nodes:3") == std::string::npos)
          return false;
      }
      return true;
    });
    store_ = "redis+cluster://127.0.0.1:" + text(ports_[0]) + ",127.0.0.1:" + text(ports_[1]);
  }
  std::string slot() {
    return std::to_string(servers_[0]->number({"CLUSTER", "KEYSLOT", "{concert-42}:queue:wait"}));
  }
  void begin_move(int from, int to) {
    const std::string source = servers_[from]->text({"CLUSTER", "MYID"}),
                      target = servers_[to]->text({"CLUSTER", "MYID"});
    servers_[to]->run({"CLUSTER", "SETSLOT", slot(), "IMPORTING", source});
    servers_[from]->run({"CLUSTER", "SETSLOT", slot(), "MIGRATING", target});
  }
  void end_move(int from, int to) {
    const std::string target = servers_[to]->text({"CLUSTER", "MYID"});
    for (int i : {to, from, 3 - from - to})
      servers_[i]->run({"CLUSTER", "SETSLOT", slot(), "NODE", target});
  }
  int owner(const std::string& key) {
    for (int i = 0; i < 3; ++i)
      if (servers_[i]->number({"EXISTS", key}) >= 0 &&
          servers_[i]->run({"TYPE", key})->type == REDIS_REPLY_STATUS)
        return i;
    return -1;
  }

  std::unique_ptr<RedisServer> servers_[3];
  std::uint16_t ports_[3] = {};
  std::string store_;
};

TEST_F(RedisCluster, is_refused_with_the_default_keys) {
  testing::Instance instance(host_, gw_plugin_entry, "store = \"" + store_ + "\"");
  EXPECT_FALSE(instance.created());
  EXPECT_THAT(::testing::PrintToString(instance.complaints()), HasSubstr("hash tag"));
  testing::Instance plain(host_, gw_plugin_entry,
                          "store = \"redis://127.0.0.1:" + text(ports_[0]) + "\"", "plain");
  ASSERT_TRUE(plain.created());
  EXPECT_NE(plain.start(), GW_OK);
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("hash tag"));
}

// As redis-cli moves a slot, one key after the other.
TEST_F(RedisCluster, a_slot_that_moves_key_by_key_costs_nobody_anything) {
  start(store_,
        "capacity = 1\nkey_prefix = \"{concert-42}:\"\nstatus_interval = \"3600s\"\n"
        "command_timeout = \"5s\"");
  wait_up();
  line_up("in", "op-in");
  std::vector<std::string> line = {"a", "b", "c"};
  for (const auto& user : line) EXPECT_EQ(line_up(user, "op-" + user).status(), 200u);
  Client& stream = open("GET", "/api/v1/queue/stream", "a");
  wait([&] { return events(stream, "STATUS_UPDATE") == 1; });
  auto expect_all_as_it_was = [&] {
    for (std::size_t i = 0; i < line.size(); ++i)
      EXPECT_THAT(call("GET", "/api/v1/queue/status", line[i]).body(),
                  HasSubstr("\"userQueuePosition\":" + std::to_string(i + 1)));
    EXPECT_EQ(call("POST", "/api/v1/reservations", line[0]).status(), 429u);
    RedisServer& holder = *servers_[owner("{concert-42}:queue:wait")];
    EXPECT_EQ(holder.number({"ZCARD", "{concert-42}:queue:wait"}), std::ssize(line));
    EXPECT_EQ(holder.number({"GET", "{concert-42}:queue:counter"}), std::ssize(line));
    EXPECT_EQ(holder.number({"HLEN", "{concert-42}:allowedIn:users"}), 1);
  };
  for (int round = 1; round <= 3; ++round) {
    SCOPED_TRACE(round);
    const int from = owner("{concert-42}:queue:wait"), to = (from + 1) % 3;
    ASSERT_GE(from, 0);
    const std::string late = "late" + std::to_string(round);
    const auto last = [&](const char* event) { return stream.body().rfind(event); };
    const std::size_t so_far = stream.body().size();
    begin_move(from, to);
    wait([&] { return host_.health("redis") == GW_DOWN; });
    Reply keys = servers_[from]->run({"CLUSTER", "GETKEYSINSLOT", slot(), "100"});
    ASSERT_GT(keys->elements, 4u);
    for (std::size_t i = 0; i < keys->elements; ++i) {
      EXPECT_EQ(line_up(late, "op-" + late).status(), 503u) << "some keys are here, some there";
      EXPECT_EQ(call("GET", "/api/v1/queue/status", "a").status(), 503u);
      Reply moved = servers_[from]->run(
          {"MIGRATE", "127.0.0.1", text(ports_[to]), keys->element[i]->str, "0", "5000"});
      EXPECT_STREQ(moved->str, "OK");
    }
    wait([&] { return host_.health_details("redis").find("ASK ") != std::string::npos; });
    wait([&] { return stream.body().find("HOLD", so_far) != std::string::npos; });
    end_move(from, to);
    wait_up();
    wait([&] { return last("STATUS_UPDATE") > last("HOLD"); });
    EXPECT_EQ(owner("{concert-42}:queue:wait"), to);
    expect_all_as_it_was();
    // What was refused meanwhile is done now, and what was done before is not done again.
    EXPECT_EQ(line_up(late, "op-" + late).status(), 200u);
    line.push_back(late);
    for (const auto& user : line) EXPECT_EQ(line_up(user, "op-" + user).status(), 200u);
    expect_all_as_it_was();
  }
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in", "op-out").status(), 200u);
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in", "op-out").status(), 200u);
  wait([&] { return stream.ended(); });
  EXPECT_EQ(events(stream, "ALLOWED_IN"), 1);
  EXPECT_THAT(call("GET", "/api/v1/queue/status", "b").body(),
              HasSubstr("\"userQueuePosition\":1"));
}

TEST_F(RedisCluster, keeps_a_queue_in_one_slot_and_is_followed_when_it_moves) {
  start(store_, "capacity = 1\nkey_prefix = \"{concert-42}:\"\nstatus_interval = \"3600s\"");
  wait_up();
  line_up("in");
  for (const char* user : {"a", "b"}) EXPECT_EQ(line_up(user).status(), 200u);
  Client& stream = open("GET", "/api/v1/queue/stream", "a");
  wait([&] { return stream.body().find("STATUS_UPDATE") != std::string::npos; });

  const int from = owner("{concert-42}:queue:wait"), to = (from + 1) % 3;
  ASSERT_GE(from, 0);
  begin_move(from, to);
  wait([&] { return host_.health("redis") == GW_DOWN; });  // some keys are there, some here
  EXPECT_EQ(line_up("late").status(), 503u);
  wait([&] { return stream.body().find("HOLD") != std::string::npos; });
  Reply keys = servers_[from]->run({"CLUSTER", "GETKEYSINSLOT", slot(), "100"});
  for (std::size_t i = 0; i < keys->elements; ++i)
    servers_[from]->run(
        {"MIGRATE", "127.0.0.1", text(ports_[to]), keys->element[i]->str, "0", "5000"});
  end_move(from, to);
  wait_up();
  EXPECT_EQ(line_up("c").status(), 200u);
  EXPECT_EQ(owner("{concert-42}:queue:wait"), to);
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 200u);
  wait([&] { return stream.ended(); });
  EXPECT_THAT(stream.body(), HasSubstr("ALLOWED_IN"));
  EXPECT_THAT(call("GET", "/api/v1/queue/status", "b").body(),
              HasSubstr("\"userQueuePosition\":1"));
}

}  // namespace
}  // namespace gw::queue
