// SPDX-License-Identifier: Apache-2.0
//
// A Redis that answers and takes no changes: out of memory, too few replicas, a replica, busy,
// loading, unable to save, a key of another type. Open streams hear HOLD soon and all go on when it
// is over; nobody connects in a storm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "gateway_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

class RedisRefusal : public GatewayForTest {
 protected:
  static constexpr int kStreams = 40;
  // A status interval so long that no stream is asked for by itself.
  static constexpr const char* kSettings =
      "capacity = 1\nstatus_interval = \"3600s\"\ncommand_timeout = \"5s\"";

  void open_streams() {
    line_up("in");
    for (int i = 0; i < kStreams; ++i) {
      const std::string user = "user" + std::to_string(i);
      EXPECT_EQ(line_up(user).status(), 200u);
      streams_.push_back(&open("GET", "/api/v1/queue/stream", user));
    }
    wait([&] { return all_have("STATUS_UPDATE", 1); });
  }
  bool all_have(const std::string& event, int count) const {
    return std::all_of(streams_.begin(), streams_.end(),
                       [&](const Client* stream) { return events(*stream, event) == count; });
  }
  void expect_hold_and_resume(RedisServer& server, const std::function<void()>& refuse,
                              const std::function<void()>& relent, const char* reason) {
    start(server, kSettings);
    open_streams();
    refuse();
    wait([&] { return host_.health("redis") == GW_DOWN; });
    EXPECT_THAT(host_.health_details("redis"), HasSubstr(reason));
    wait([&] { return all_have("HOLD", 1); });
    EXPECT_EQ(line_up("late").status(), 503u);
    EXPECT_EQ(call("POST", "/api/v1/reservations", "in").status(), 503u);
    EXPECT_EQ(host_.metric("gateway_queue_store_up", {}), 0);
    host_.run_until([] { return false; }, 1200);
    relent();
    wait([&] { return host_.health("redis") == GW_UP; });
    wait([&] { return all_have("STATUS_UPDATE", 2); });
    EXPECT_TRUE(all_have("HOLD", 1)) << "said once";
    EXPECT_EQ(line_up("late").status(), 200u);
    EXPECT_EQ(server.number({"ZRANK", "queue:wait", "user0"}), 0);
    EXPECT_EQ(server.number({"ZRANK", "queue:wait", "user39"}), 39);
  }
  // What one connection says while the server is busy with it.
  static std::thread in_background(RedisServer& server, std::vector<std::string> words) {
    return std::thread([path = server.socket(), words = std::move(words)] {
      redisContext* context = redisConnectUnix(path.c_str());
      std::vector<const char*> arguments;
      for (const auto& word : words) arguments.push_back(word.c_str());
      Reply reply(static_cast<redisReply*>(redisCommandArgv(
          context, static_cast<int>(arguments.size()), arguments.data(), nullptr)));
      redisFree(context);
    });
  }

  std::vector<Client*> streams_;
};

TEST_F(RedisRefusal, out_of_memory) {
  RedisServer server;
  expect_hold_and_resume(
      server,
      [&] {
        server.run({"CONFIG", "SET", "maxmemory", "1"});
      },
      [&] {
        server.run({"CONFIG", "SET", "maxmemory", "0"});
      },
      "OOM");
}

TEST_F(RedisRefusal, too_few_replicas) {
  RedisServer server;
  long long before = 0;
  auto connections = [&] {
    std::string text = server.text({"INFO", "stats"});
    return std::strtoll(text.c_str() + text.find("total_connections_received:") + 27, nullptr, 10);
  };
  expect_hold_and_resume(
      server,
      [&] {
        before = connections();
        server.run({"CONFIG", "SET", "min-replicas-to-write", "1"});
      },
      [&] {
        server.run({"CONFIG", "SET", "min-replicas-to-write", "0"});
      },
      "NOREPLICAS");
  EXPECT_LE(connections() - before, 2) << "the connection stays";
}

TEST_F(RedisRefusal, a_replica_since_now) {
  RedisServer server;
  expect_hold_and_resume(
      server,
      [&] {
        server.run({"REPLICAOF", "127.0.0.1", "1"});
      },
      [&] {
        server.run({"REPLICAOF", "NO", "ONE"});
      },
      "");
}

TEST_F(RedisRefusal, a_shared_key_of_another_type) {
  RedisServer server;
  expect_hold_and_resume(
      server,
      [&] {
        server.run({"RENAME", "queue:wait", "aside"});
        server.run({"RPUSH", "queue:wait", "x"});
      },
      [&] {
        server.run({"RENAME", "aside", "queue:wait"});
      },
      "WRONGTYPE");
}

// Only a line-up meets it; the store must not come back between one and the next.
TEST_F(RedisRefusal, a_counter_of_another_type) {
  RedisServer server;
  expect_hold_and_resume(
      server,
      [&] {
        server.run({"RENAME", "queue:counter", "aside"});
        server.run({"RPUSH", "queue:counter", "x"});
        EXPECT_EQ(line_up("early").status(), 503u);
      },
      [&] {
        server.run({"RENAME", "aside", "queue:counter"});
      },
      "WRONGTYPE");
}

TEST_F(RedisRefusal, unable_to_save) {
  RedisServer server({"--enable-protected-configs", "yes"});
  expect_hold_and_resume(
      server,
      [&] {
        const std::string gone = server.folder() + "/gone";
        std::filesystem::create_directory(gone);
        server.run({"CONFIG", "SET", "dir", gone});
        server.run({"CONFIG", "SET", "save", "3600 1000000"});
        std::filesystem::remove(gone);
        server.run({"BGSAVE"});
      },
      [&] {
        server.run({"CONFIG", "SET", "stop-writes-on-bgsave-error", "no"});
      },
      "MISCONF");
}

TEST_F(RedisRefusal, busy_with_another_script) {
  RedisServer server({"--lua-time-limit", "50"});
  std::thread busy;
  expect_hold_and_resume(
      server,
      [&] {
        busy = in_background(server, {"EVAL", "while true do end", "0"});
      },
      [&] {
        server.run({"SCRIPT", "KILL"});
        busy.join();
      },
      "BUSY");
}

TEST_F(RedisRefusal, loading) {
  RedisServer server(
      {"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"});
  server.run({"DEBUG", "POPULATE", "4000"});
  server.run({"CONFIG", "SET", "key-load-delay", "1000"});
  std::thread loading;
  expect_hold_and_resume(
      server,
      [&] {
        loading = in_background(server, {"DEBUG", "RELOAD"});
      },
      [&] { loading.join(); }, "LOADING");
}

}  // namespace
}  // namespace gw::queue
