// SPDX-License-Identifier: Apache-2.0
#include "http/tunnel.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "http/testing_support.h"
#include "http/upstream.h"

namespace gw::http {
namespace {

using testing::ScriptedService;
using testing::Socket;
using testing::TestServer;

// Passes its request on; knows nothing but upgrades.
struct Relay final : TransactionSink, UpstreamSink {
  Relay(Transaction& its_transaction, UpstreamPool& pool, const std::string& its_address)
      : transaction(its_transaction), address(its_address) {
    target.address = address;
    target.host = "service";
    transaction.set_sink(this);
    call = pool.start(target, transaction.request(), transaction.arena(), *this);
  }
  void on_body(std::string_view, bool) override {}
  void on_writable() override {}
  void on_aborted() override {
    call->cancel();
    delete this;
  }
  void on_informational(const ResponseHead&) override {}
  void on_head(ResponseHead& head) override {
    EXPECT_EQ(101, head.status);
    transaction.send_head(head);
    transaction.tunnel(call->upgrade());
    delete this;
  }
  void on_failed(const UpstreamFailureInfo& info) override {
    failed_with = info.detail;
    testing::answer(transaction, 502, "");
    delete this;
  }

  Transaction& transaction;
  std::string address;
  UpstreamTarget target;
  UpstreamCall* call = nullptr;
  static inline std::string failed_with;
};

class TunnelTest : public ::testing::Test {
 protected:
  explicit TunnelTest(std::uint32_t idle_ms = 600000) {
    settings.limits.tunnel_idle_timeout_ms = idle_ms;
    server = std::make_unique<TestServer>(
        [this](Transaction& transaction) { new Relay(transaction, *pool, service.address()); },
        settings);
    server->thread.run(
        [&] { pool = make_upstream_pool(server->thread.loop(), {}, &server->metrics); });
  }
  ~TunnelTest() override {
    server->thread.run([&] {
      server->connections.reset();
      pool.reset();
    });
  }
  void join(std::string_view early = "", std::string_view behind = "") {
    client = server->connect();
    ASSERT_TRUE(
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n\r\n" +
                    std::string(early)));
    peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    peer.received.clear();
    ASSERT_TRUE(
        peer.send("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\nA: b\r\n\r\n" +
                  std::string(behind)));
    ASSERT_TRUE(client.receive_until("\r\n\r\n"));
    EXPECT_EQ("101", client.received.substr(9, 3));
    EXPECT_NE(std::string::npos, client.received.find("A: b\r\n"));
    client.received.erase(0, client.received.find("\r\n\r\n") + 4);
  }
  bool none_left() {
    return server->thread.wait_until([&] {
      return server->metrics.tunnels_open.value() == 0 &&
             server->metrics.upstream_busy.value() == 0 && server->connections->open() == 0;
    });
  }

  ServerSettings settings;
  ScriptedService service;
  std::unique_ptr<TestServer> server;
  std::unique_ptr<UpstreamPool> pool;
  Socket client, peer;
};

TEST_F(TunnelTest, CarriesBytesAndEnds) {
  join("early", "behind");
  EXPECT_TRUE(peer.receive_until("early"));
  EXPECT_TRUE(client.receive_until("behind"));
  const std::string large(3 << 20, 'x');
  std::thread sender([&] { client.send(large); });
  EXPECT_TRUE(peer.receive_bytes(5 + large.size()));
  sender.join();
  EXPECT_EQ(1u, server->metrics.tunnels_open.value());
  client.end_output();
  EXPECT_FALSE(peer.receive_some());
  EXPECT_FALSE(peer.was_reset);
  EXPECT_TRUE(peer.send("last words"));
  EXPECT_TRUE(client.receive_until("last words"));
  peer.close();
  EXPECT_FALSE(client.receive_some());
  EXPECT_FALSE(client.was_reset);
  EXPECT_TRUE(none_left());
  EXPECT_EQ(1u, server->metrics.tunnels.value());
}

TEST_F(TunnelTest, ResetOfEitherSideEndsTheOther) {
  for (const bool of_client : {true, false}) {
    join();
    (of_client ? client : peer).reset();
    EXPECT_FALSE((of_client ? peer : client).receive_some());
    EXPECT_TRUE(none_left());
  }
}

// It has closed, and what its client goes on to say breaks the connection.
TEST_F(TunnelTest, LastWordsArriveThoughTheirConnectionBreaks) {
  join();
  const int small = 8192;
  setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  const std::string said = std::string(300'000, 'x');
  ASSERT_TRUE(peer.send(said));
  ASSERT_TRUE(server->thread.wait_until([&] {
    int left = 0;
    return ::ioctl(peer.fd(), SIOCOUTQ, &left) == 0 && left == 0;
  }));
  peer.close();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client.send("ping"));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(said, client.receive_all());
  EXPECT_FALSE(client.was_reset);
  client.close();
  EXPECT_TRUE(none_left());
}

// Either side pushes more than the other reads; that says a last word and closes.
TEST_F(TunnelTest, FullOfWhatNobodyWantsItEndsWithItsSides) {
  for (const bool of_client : {true, false}) {
    SCOPED_TRACE(of_client ? "the client leaves" : "the service leaves");
    join();
    Socket& leaves = of_client ? client : peer;
    Socket& pushes = of_client ? peer : client;
    const std::string much(1 << 20, 'x');
    pollfd room{pushes.fd(), POLLOUT, 0};
    while (::poll(&room, 1, 100) > 0)
      (void)::send(pushes.fd(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ASSERT_TRUE(leaves.send("bye"));
    leaves.close();
    EXPECT_TRUE(pushes.receive_until("bye"));
    const auto lost = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < lost && ::poll(&room, 1, 1000) >= 0 &&
           ::send(pushes.fd(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != -1) {
    }
    pushes.close();
    EXPECT_TRUE(none_left());
  }
}

TEST_F(TunnelTest, WhoOnlyPushesHearsThatTheOtherHasClosed) {
  join();
  client.close();
  const auto lost = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (peer.send("push") && std::chrono::steady_clock::now() < lost)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(peer.send("push"));
  EXPECT_TRUE(none_left());
}

TEST_F(TunnelTest, GoesWithItsConnectionsOrItsPool) {
  join();
  Socket first = std::move(client);
  Socket first_peer = std::move(peer);
  join();
  server->thread.run([&] { pool.reset(); });
  EXPECT_FALSE(client.receive_some());
  EXPECT_FALSE(first.receive_some());
  EXPECT_FALSE(peer.receive_some());
  server->thread.run([&] { pool = make_upstream_pool(server->thread.loop(), {}); });
  join();
  server->thread.run([&] { server->connections.reset(); });
  EXPECT_FALSE(client.receive_some());
  EXPECT_FALSE(peer.receive_some());
}

TEST_F(TunnelTest, DrainEndsItAtTheDeadline) {
  join();
  bool drained = false;
  server->thread.run([&] { server->connections->drain(50, [&] { drained = true; }); });
  EXPECT_FALSE(client.receive_some());
  EXPECT_FALSE(peer.receive_some());
  EXPECT_TRUE(server->thread.wait_until([&] { return drained; }));
}

struct ShortTunnel : TunnelTest {
  ShortTunnel() : TunnelTest(50) {}
};

TEST_F(ShortTunnel, EndsWhenNothingIsSaid) {
  join();
  EXPECT_FALSE(client.receive_some());
  EXPECT_FALSE(peer.receive_some());
  EXPECT_TRUE(none_left());
  EXPECT_EQ(1u, server->metrics.tunnels_timed_out.value());
}

}  // namespace
}  // namespace gw::http
