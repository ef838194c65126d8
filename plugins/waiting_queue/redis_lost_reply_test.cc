// SPDX-License-Identifier: Apache-2.0
//
// Operations that Redis carried out and whose replies were lost on the way: something between the
// gateway and a real server lets the command through and breaks the connection at its reply.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "fake_server_for_test.h"
#include "gateway_for_test.h"

namespace gw::queue {
namespace {

class Wire {
 public:
  explicit Wire(std::string server)
      : server_(std::move(server)),
        path_(server_ + ".wire"),
        wires_(path_, [this](int client, const std::atomic<bool>& stop) { carry(client, stop); }) {}
  const std::string& path() const { return path_; }
  // The reply to the next command in which `part` stands is lost.
  void lose_reply_to(const std::string& part) {
    const std::lock_guard lock(mutex_);
    part_ = part;
  }
  int lost() const { return lost_; }

 private:
  bool to_lose(std::string_view command) {
    const std::lock_guard lock(mutex_);
    if (part_.empty() || command.find(part_) == command.npos) return false;
    part_.clear();
    return true;
  }
  // Commands are small enough to come whole.
  void carry(int client, const std::atomic<bool>& stop) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un address = unix_address(server_);
    bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    bool losing = false;
    while (open && !stop) {
      pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      poll(ends, 2, 100);
      for (int i : {0, 1}) {
        if (ends[i].revents == 0) continue;
        char bytes[65536];
        const ssize_t size = recv(ends[i].fd, bytes, sizeof bytes, 0);
        if (size <= 0) open = false;
        if (!open) break;
        const std::string_view text(bytes, static_cast<std::size_t>(size));
        if (i == 0) losing |= to_lose(text);
        if (i == 1 && losing) {
          ++lost_;
          open = false;
          break;
        }
        if (send(ends[1 - i].fd, bytes, text.size(), MSG_NOSIGNAL) != size) open = false;
      }
    }
    close(server);
  }

  std::string server_, path_;
  std::mutex mutex_;
  std::string part_;
  std::atomic<int> lost_ = 0;
  FakeServer wires_;
};

class RedisLostReply : public GatewayForTest {
 protected:
  void start_over(Wire& wire, const std::string& more) {
    start("unix:" + wire.path(), more + "\ncommand_timeout = \"10s\"");
    wait([&] { return host_.health("redis") == GW_UP; });
  }
};

TEST_F(RedisLostReply, a_lineup_that_was_carried_out_demotes_nobody_and_counts_once) {
  RedisServer server;
  Wire wire(server.socket());
  start_over(wire, "capacity = 0");
  line_up("ann"), line_up("bob"), line_up("cat");
  wire.lose_reply_to("bob");
  Client& again = line_up("bob");
  EXPECT_EQ(wire.lost(), 1);
  EXPECT_EQ(again.status(), 200u);
  EXPECT_EQ(server.number({"ZSCORE", "queue:wait", "bob"}), 4) << "once, to the back";
  EXPECT_EQ(server.number({"GET", "queue:counter"}), 4);
}

TEST_F(RedisLostReply, leaving_that_was_carried_out_is_still_said_to_be_done) {
  RedisServer server;
  Wire wire(server.socket());
  start_over(wire, "capacity = 1");
  line_up("in"), line_up("ann"), line_up("bob");
  for (const auto& [path, user] : {std::pair("waiting-token", "bob"), {"allowed-in-token", "in"}}) {
    const int before = wire.lost();
    wire.lose_reply_to(user);
    EXPECT_EQ(call("DELETE", std::string("/api/v1/queue/") + path, user).status(), 200u) << user;
    EXPECT_EQ(wire.lost(), before + 1);
    EXPECT_EQ(call("DELETE", std::string("/api/v1/queue/") + path, user).status(), 404u) << user;
  }
  EXPECT_EQ(server.number({"HEXISTS", "allowedIn:users", "ann"}), 1);
}

TEST_F(RedisLostReply, an_admission_is_one_and_is_told_to_the_stream) {
  RedisServer server;
  Wire wire(server.socket());
  start_over(wire, "capacity = 1");
  Client& stream = open("GET", "/api/v1/queue/stream", "ann");
  wait([&] { return stream.body().find("event: ERROR") != std::string::npos; });
  wire.lose_reply_to("ann");
  EXPECT_THAT(line_up("ann").body(), ::testing::HasSubstr("바로 입장 가능합니다."));
  EXPECT_EQ(wire.lost(), 1);
  EXPECT_EQ(server.number({"HLEN", "allowedIn:users"}), 1);
  EXPECT_EQ(line_up("bob").status(), 200u);
  EXPECT_EQ(server.number({"HLEN", "allowedIn:users"}), 1);
  wait([&] { return stream.ended(); });
  EXPECT_THAT(stream.body(), ::testing::HasSubstr("event: ALLOWED_IN"));
}

}  // namespace
}  // namespace gw::queue
