// SPDX-License-Identifier: Apache-2.0
//
// Redis as it is run for real: behind TLS, with sentinels and a fail-over, as a cluster whose slots
// move, with users and databases. Real servers on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

std::string text(std::uint16_t port) {
  return std::to_string(port);
}

class RedisTopology : public GatewayForTest {
 protected:
  void wait_up() {
    wait([&] { return host_.health("redis") == GW_UP; });
  }
  void expect_down(const std::string& store, const std::string& more, const char* reason) {
    SCOPED_TRACE(store);
    start(store, more);
    wait([&] { return host_.health("redis") == GW_DOWN; });
    EXPECT_THAT(host_.health_details("redis"), HasSubstr(reason));
    instance_.reset();
  }
  // In a shell: what needs a program.
  static void shell(const std::string& command) {
    ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
  }
};

TEST_F(RedisTopology, a_user_with_few_rights_and_a_database) {
  const auto port = RedisServer::free_port();
  RedisServer server({"--port", text(port)});
  server.run({"ACL", "SETUSER", "shop", "on", ">p@ss", "~*", "&*", "+@all", "-@admin"});
  start("redis://shop:p%40ss@127.0.0.1:" + text(port) + "/7");
  wait_up();
  EXPECT_EQ(line_up("ann").status(), 200u);
  server.run({"SELECT", "7"});
  EXPECT_EQ(server.number({"HLEN", "allowedIn:users"}), 1);
  instance_.reset();
  expect_down("redis://shop:wrong@127.0.0.1:" + text(port), "", "WRONGPASS");
}

TEST_F(RedisTopology, settings_that_contradict_each_other_are_refused) {
  auto complaints = [&](const std::string& config) {
    testing::Instance instance(host_, gw_plugin_entry, config);
    return instance.created() ? "" : ::testing::PrintToString(instance.complaints());
  };
  EXPECT_THAT(complaints("coexist = true\nmax_stay_seconds = 60"), HasSubstr("max_stay_seconds"));
  EXPECT_THAT(complaints("coexist = true\nkey_prefix = \"x:\""), HasSubstr("key_prefix"));
  EXPECT_EQ(complaints("coexist = true"), "");
  EXPECT_THAT(complaints("store = \"rediss://h\"\ntls_key = \"k\""), HasSubstr("belong together"));
  for (const char* prefix : {"x", "{}", "}x{", "{x", "x}"})
    EXPECT_THAT(
        complaints("store = \"redis+cluster://h\"\nkey_prefix = \"" + std::string(prefix) + "\""),
        HasSubstr("hash tag"))
        << prefix;
  EXPECT_EQ(complaints("store = \"redis+cluster://h\"\nkey_prefix = \"a{x}b\""), "");
}

class RedisTls : public RedisTopology {
 protected:
  // An authority and two certificates, for localhost and for somebody else.
  void SetUp() override {
    RedisTopology::SetUp();
    char name[] = "/tmp/gateway-tls-XXXXXX";
    folder_ = mkdtemp(name);
    shell("cd " + folder_ +
          " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority"
          " -keyout ca.key -out ca.pem"
          " && for host in localhost elsewhere; do"
          "  openssl req -newkey rsa:2048 -nodes -subj /CN=$host -keyout $host.key -out $host.csr"
          "  && printf subjectAltName=DNS:$host > $host.ext"
          "  && openssl x509 -req -in $host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
          "   -extfile $host.ext -out $host.pem || exit 1; done");
  }
  void TearDown() override {
    RedisTopology::TearDown();
    std::filesystem::remove_all(folder_);
  }
  std::vector<std::string> arguments(std::uint16_t port, const std::string& name,
                                     const char* clients) const {
    return {"--tls-port",         text(port),
            "--tls-cert-file",    folder_ + "/" + name + ".pem",
            "--tls-key-file",     folder_ + "/" + name + ".key",
            "--tls-ca-cert-file", folder_ + "/ca.pem",
            "--tls-auth-clients", clients};
  }
  std::string trusting() const { return "tls_ca = \"" + folder_ + "/ca.pem\"\n"; }

  std::string folder_;
};

TEST_F(RedisTls, the_server_must_prove_who_it_is) {
  const auto port = RedisServer::free_port(), other = RedisServer::free_port();
  RedisServer server(arguments(port, "localhost", "no"));
  RedisServer impostor(arguments(other, "elsewhere", "no"));
  start("rediss://localhost:" + text(port), trusting() + "capacity = 0");
  wait_up();
  Client& stream = open("GET", "/api/v1/queue/stream", "user7");
  for (int i = 0; i < 300; ++i) open("POST", "/api/v1/queue/lineup", "user" + std::to_string(i));
  wait([&] { return server.number({"ZCARD", "queue:wait"}) == 300; });
  wait([&] { return stream.body().find("STATUS_UPDATE") != std::string::npos; });
  clients_.clear();
  instance_.reset();
  expect_down("rediss://localhost:" + text(port), "", "certificate verify failed");
  expect_down("rediss://localhost:" + text(other), trusting(), "certificate verify failed");
  expect_down("rediss://127.0.0.1:" + text(port), trusting(), "certificate verify failed");
}

TEST_F(RedisTls, we_prove_who_we_are_where_asked) {
  const auto port = RedisServer::free_port();
  RedisServer server(arguments(port, "localhost", "yes"));
  const std::string ours = "tls_certificate = \"" + folder_ + "/elsewhere.pem\"\ntls_key = \"" +
                           folder_ + "/elsewhere.key\"\n";
  start("rediss://localhost:" + text(port), trusting() + ours);
  wait_up();
  EXPECT_EQ(line_up("ann").status(), 200u);
  instance_.reset();
  expect_down("rediss://localhost:" + text(port), trusting(), "");
}

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
  wait_up();
  line_up("in");
  servers_[0]->number({"WAIT", "2", "5000"});
  servers_[0]->run({"ACL", "SETUSER", "default", "-replicaof", "-slaveof"});
  sentinels_[0]->run({"SENTINEL", "FAILOVER", "shop"});
  int made = 0;
  wait([&] {
    for (int i : {1, 2})
      if (servers_[i]->text({"INFO", "replication"}).starts_with("# Replication\r\nrole:master"))
        made = i;
    return made != 0;
  });
  int asked = 0;
  wait([&] {
    line_up("late" + std::to_string(++asked));
    return servers_[made]->number({"ZCARD", "queue:wait"}) > 0;
  });
  EXPECT_THAT(servers_[0]->text({"INFO", "replication"}), HasSubstr("role:master"));
  EXPECT_EQ(line_up("next").status(), 200u);
  EXPECT_GT(servers_[made]->number({"ZSCORE", "queue:wait", "next"}), 0);
}

TEST_F(RedisSentinels, that_do_not_know_the_master_are_said_so) {
  expect_down(store_ + "2", "", "does not know a master");
}

class RedisCluster : public RedisTopology {
 protected:
  void SetUp() override {
    RedisTopology::SetUp();
    std::string nodes;
    for (int i = 0; i < 3; ++i) {
      do ports_[i] = RedisServer::free_port();
      while (ports_[i] > 55000);  // the cluster's bus listens 10000 above
      nodes += " 127.0.0.1:" + text(ports_[i]);
      servers_[i] = std::make_unique<RedisServer>(std::vector<std::string>{
          "--port", text(ports_[i]), "--cluster-enabled", "yes", "--cluster-node-timeout", "2000"});
    }
    shell("redis-cli --cluster create" + nodes + " --cluster-yes");
    wait([&] {
      for (auto& server : servers_)
        if (server->text({"CLUSTER", "INFO"}).find("cluster_state:ok") == std::string::npos)
          return false;
      return true;
    });
    store_ = "redis+cluster://127.0.0.1:" + text(ports_[0]) + ",127.0.0.1:" + text(ports_[1]);
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

TEST_F(RedisCluster, keeps_a_queue_in_one_slot_and_is_followed_when_it_moves) {
  start(store_, "capacity = 1\nkey_prefix = \"{concert-42}:\"\nstatus_interval = \"3600s\"");
  wait_up();
  line_up("in");
  for (const char* user : {"a", "b"}) EXPECT_EQ(line_up(user).status(), 200u);
  Client& stream = open("GET", "/api/v1/queue/stream", "a");
  wait([&] { return stream.body().find("STATUS_UPDATE") != std::string::npos; });

  const int from = owner("{concert-42}:queue:wait"), to = (from + 1) % 3;
  ASSERT_GE(from, 0);
  const std::string slot =
      std::to_string(servers_[from]->number({"CLUSTER", "KEYSLOT", "{concert-42}:queue:wait"}));
  const std::string source = servers_[from]->text({"CLUSTER", "MYID"}),
                    target = servers_[to]->text({"CLUSTER", "MYID"});
  servers_[to]->run({"CLUSTER", "SETSLOT", slot, "IMPORTING", source});
  servers_[from]->run({"CLUSTER", "SETSLOT", slot, "MIGRATING", target});
  wait([&] { return host_.health("redis") == GW_DOWN; });  // some keys are there, some here
  EXPECT_EQ(line_up("late").status(), 503u);
  wait([&] { return stream.body().find("HOLD") != std::string::npos; });
  Reply keys = servers_[from]->run({"CLUSTER", "GETKEYSINSLOT", slot, "100"});
  for (std::size_t i = 0; i < keys->elements; ++i)
    servers_[from]->run(
        {"MIGRATE", "127.0.0.1", text(ports_[to]), keys->element[i]->str, "0", "5000"});
  for (auto& server : servers_) server->run({"CLUSTER", "SETSLOT", slot, "NODE", target});
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
