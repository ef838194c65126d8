// SPDX-License-Identifier: Apache-2.0
//
// Redis as it is run for real: behind TLS, with users and databases. Real servers on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "lua_texts.h"
#include "topology_for_test.h"

namespace gw::queue {
namespace {

using ::testing::HasSubstr;

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

// The line that README.md gives.
std::vector<std::string> few_rights() {
  return {"ACL",           "SETUSER",      "shop",
          "reset",         "on",           ">secret",
          "~queue:*",      "~allowedIn:*", "~job-lock:default:queueTick",
          "&queue:events", "+@all",        "-@admin",
          "-@dangerous",   "+role",        "+info"};
}

// Were it found only when a script comes to it, the script would have done a part.
TEST_F(RedisTopology, a_right_that_is_missing_holds_the_queue_before_anything_is_changed) {
  const auto port = RedisServer::free_port();
  RedisServer server({"--port", text(port)});
  std::set<std::string> commands = {"EVALSHA", "EVAL"};
  for (const char* script : {lua::k_lineup, lua::k_look, lua::k_leave, lua::k_away, lua::k_tick,
                             lua::k_configure, lua::k_probe}) {
    const std::string body(script);
    for (const std::string before : {"call('", "own('"})
      for (auto at = body.find(before); at != body.npos; at = body.find(before, at)) {
        at += before.size();
        commands.insert(body.substr(at, body.find('\'', at) - at));
      }
  }
  EXPECT_GE(commands.size(), 30u);
  commands.erase("PUBLISH");  // may be missing
  const std::string store = "redis://shop:secret@127.0.0.1:" + text(port);
  for (const std::string& command : commands) {
    SCOPED_TRACE(command);
    server.run({"FLUSHALL"});
    server.run({"SCRIPT", "FLUSH"});
    auto rights = few_rights();
    rights.push_back("-" + command);
    EXPECT_EQ(server.text(rights), "OK");
    expect_down(store, "", "");
    EXPECT_EQ(server.number({"DBSIZE"}), server.number({"EXISTS", "queue:state"}));
    rights.pop_back();
    server.run(rights);
    start(store);
    wait_up();
    instance_.reset();
  }
  auto rights = few_rights();
  std::erase(rights, "~job-lock:default:queueTick");
  server.run(rights);
  expect_down(store, "", "NOPERM");
}

TEST_F(RedisTopology, a_right_that_is_taken_away_holds_the_queue_until_it_is_back) {
  const auto port = RedisServer::free_port();
  RedisServer server({"--port", text(port)});
  server.run(few_rights());
  start("redis://shop:secret@127.0.0.1:" + text(port));
  wait_up();
  for (const char* user : {"in", "ann", "bob"}) line_up(user);
  Client& stream = call("GET", "/api/v1/queue/stream", "bob");
  server.run({"ACL", "SETUSER", "shop", "-zrem"});
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 503u);
  wait([&] { return events(stream, "HOLD") == 1; });
  EXPECT_EQ(line_up("cat").status(), 503u);
  host_.run_until([] { return false; }, 1200);
  EXPECT_EQ(host_.health("redis"), GW_DOWN);
  EXPECT_THAT(host_.health_details("redis"), HasSubstr("ZREM"));
  server.run({"ACL", "SETUSER", "shop", "+zrem"});
  wait_up();
  EXPECT_EQ(call("DELETE", "/api/v1/queue/allowed-in-token", "in").status(), 200u);
  EXPECT_EQ(server.number({"HEXISTS", "allowedIn:users", "ann"}), 1);
  EXPECT_EQ(events(stream, "HOLD"), 1) << "said once";
  EXPECT_THAT(call("GET", "/api/v1/queue/status", "bob").body(),
              HasSubstr("\"userQueuePosition\":1"));
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

}  // namespace
}  // namespace gw::queue
