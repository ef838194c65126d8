// SPDX-License-Identifier: Apache-2.0
#include "http/upstream_pool.h"

#include "http/upstream_testing.h"

namespace gw::http {
namespace {

using testing::Call;
using testing::ScriptedService;
using testing::Socket;
using testing::Upstream;

TEST_F(Upstream, FreshConnectionIsNoneThatHasServed) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 2;
  restart(limits);
  Socket served[2];
  {
    Call first(thread, *pool, service.address()), second(thread, *pool, service.address());
    for (Call* call : {&first, &second}) call->start();
    for (Socket& peer : served) {
      peer = service.accept();
      ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    }
    for (Socket& peer : served) peer.send("HTTP/1.1 204 N\r\n\r\n");
    ASSERT_TRUE(first.wait());
    ASSERT_TRUE(second.wait());
  }
  EXPECT_EQ(2u, metrics.upstream_idle.value());
  Call call(thread, *pool, service.address());
  call.target.fresh_connection = true;
  call.start();  // one of the others makes room
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  EXPECT_EQ(1u, metrics.upstream_idle.value());
  ASSERT_TRUE(serves(peer, call));
}

TEST_F(Upstream, UnaskedBytesCloseAnIdleConnection) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, call));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(thread.wait_until([&] { return metrics.upstream_idle.value() == 0; }));
}

// Its end, or a byte that nobody asked for, is there before the request leaves, though the loop has
// not heard of it yet.
TEST_F(Upstream, WhatCannotBeRepeatedLeavesOnNoConnectionThatHasEnded) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 1;
  restart(limits);
  for (const bool waits : {true, false}) {
    for (const std::string unasked : {"", "H"}) {
      for (const std::string body : {"", "ab"}) {
        SCOPED_TRACE((waits ? "waits, " : "comes, ") + unasked + ", " + body);
        ScriptedService own;
        Call first(thread, *pool, own.address()), next(thread, *pool, own.address()),
            behind(thread, *pool, own.address());
        next.with_body(Framing::kLength, body.size());
        first.start();
        Socket old = own.accept();
        ASSERT_TRUE(old.receive_until("\r\n\r\n"));
        if (!waits) {
          old.send("HTTP/1.1 204 N\r\n\r\n");
          ASSERT_TRUE(first.wait());
        }
        thread.run([&] {  // one turn of the loop
          const auto start = [](Call& call) {
            call.call = call.pool.start(call.target, call.head, call.arena, call);
            if (call.head.content_length > 0) call.call->send_body({});
          };
          if (waits) {
            start(next);
            start(behind);
            old.send("HTTP/1.1 204 N\r\n\r\n");
          }
          unasked.empty() ? old.end_output() : (void)old.send(unasked);
          if (!waits) start(next);
        });
        Socket fresh = own.accept();
        ASSERT_TRUE(fresh.receive_until("\r\n\r\n"));
        EXPECT_TRUE(fresh.received.starts_with("POST")) << fresh.received;
        if (!body.empty()) {
          ASSERT_TRUE(thread.wait_until([&] { return next.writable == 1; }));
          thread.run([&] {
            EXPECT_TRUE(next.call->send_body(body));
            next.call->finish_body();
          });
          ASSERT_TRUE(fresh.receive_until(body));
        }
        fresh.send("HTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n");
        ASSERT_TRUE(next.wait());
        EXPECT_EQ(201, next.status) << next.detail;
        if (waits) {
          ASSERT_TRUE(serves(fresh, behind));
        }
      }
    }
  }
}

// What comes later in this turn finds it gone.
TEST_F(Upstream, WhatCannotBeRepeatedLeavesAtOnce) {
  Call first(thread, *pool, service.address()), next(thread, *pool, service.address());
  next.with_body(Framing::kLength);
  first.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, first));
  thread.run([&] {
    next.call = pool->start(next.target, next.head, next.arena, next);
    EXPECT_TRUE(peer.receive_until("\r\n\r\n"));
  });
  ASSERT_TRUE(serves(peer, next));
}

TEST_F(Upstream, WaitsForAConnectionWithinBounds) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 1;
  limits.max_waiting_per_endpoint = 1;
  restart(limits);
  Call first(thread, *pool, service.address()), second(thread, *pool, service.address()),
      third(thread, *pool, service.address());
  second.target.connect_timeout_ms = 20000;
  first.start();
  second.start();
  third.start();
  ASSERT_TRUE(third.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, third.failure);
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, first));
  ASSERT_TRUE(serves(peer, second));
  EXPECT_EQ(1u, metrics.upstream_opened.value());
}

TEST_F(Upstream, WhoSendsSlowlyMakesRoomForWhoWaits) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 1;
  restart(limits);
  for (const auto& kind : {std::pair(1, false), std::pair(1, true), std::pair(200'000, false)}) {
    const auto size = static_cast<std::size_t>(kind.first);
    const bool early = kind.second;
    SCOPED_TRACE(std::to_string(size) + (early ? ", its answer has begun" : ""));
    Call upload(thread, *pool, service.address()), waiting(thread, *pool, service.address());
    upload.with_body(Framing::kChunked);
    upload.start();
    Socket peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    thread.run([&] { EXPECT_TRUE(upload.call->send_body(std::string(size, 'x')) || size > 1); });
    ASSERT_TRUE(peer.receive_bytes(size));
    if (early) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    ASSERT_TRUE(thread.wait_until([&] { return !early || upload.status == 200; }));
    const bool slow = size == 1;
    waiting.target.connect_timeout_ms = slow ? 20000 : 1500;
    waiting.start();
    if (slow) {
      ASSERT_TRUE(upload.wait());
      EXPECT_EQ(UpstreamFailure::kOverloaded, upload.failure);
      EXPECT_TRUE(upload.sent);
      EXPECT_FALSE(upload.stale);
      Socket next = service.accept();
      ASSERT_TRUE(next.receive_until("\r\n\r\n"));
      next.send("HTTP/1.1 204 N\r\nConnection: close\r\n\r\n");
      ASSERT_TRUE(waiting.wait());
      EXPECT_EQ(204, waiting.status);
    } else {
      ASSERT_TRUE(waiting.wait());
      EXPECT_EQ("no connection became free", waiting.detail);
      thread.run([&] { EXPECT_FALSE(upload.over); });
    }
  }
}

// However many they are: who has said all is served beside them, and waits behind none of them.
TEST_F(Upstream, BodiesToComeTakeHalf) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = limits.max_waiting_per_endpoint = 4;
  restart(limits);
  std::vector<std::unique_ptr<Call>> uploads;
  for (int i = 0; i < 5; ++i) {
    uploads.push_back(std::make_unique<Call>(thread, *pool, service.address()));
    uploads.back()->with_body(Framing::kLength, 1);
    uploads.back()->start();
  }
  Socket first = service.accept(), second = service.accept();
  ASSERT_TRUE(uploads[4]->wait());  // two wait, as many as may
  EXPECT_EQ("too many requests wait for it", uploads[4]->detail);
  for (int i = 0; i < 3; ++i) {
    Call whole(thread, *pool, service.address());
    whole.start();
    Socket peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    peer.send("HTTP/1.1 204 N\r\nConnection: close\r\n\r\n");
    ASSERT_TRUE(whole.wait());
    EXPECT_EQ(204, whole.status);
  }
  EXPECT_EQ(2u, metrics.upstream_waiting.value());
  thread.run([&] {
    EXPECT_TRUE(uploads[0]->call->send_body("x"));
    uploads[0]->call->finish_body();
  });
  Socket third = service.accept();  // the first one's answer is not needed for that
  ASSERT_TRUE(third.receive_until("\r\n\r\n"));
  EXPECT_FALSE(uploads[2]->over);
  EXPECT_EQ(1u, metrics.upstream_waiting.value());
  first.send("HTTP/1.1 204 N\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(uploads[0]->wait());
}

TEST_F(Upstream, OpensNoMoreConnectionsThanThePoolMay) {
  UpstreamLimits limits;
  limits.max_connections = 1;
  restart(limits);
  ScriptedService another;
  Call first(thread, *pool, service.address()), second(thread, *pool, another.address()),
      third(thread, *pool, service.address());
  first.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  second.start();
  ASSERT_TRUE(second.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, second.failure);
  ASSERT_TRUE(serves(peer, first));
  peer.received.clear();
  // The connection rests now, and gives way to one that is needed elsewhere.
  Call fourth(thread, *pool, another.address());
  fourth.start();
  Socket next = another.accept();
  EXPECT_FALSE(peer.receive_some());
  third.start();
  ASSERT_TRUE(third.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, third.failure);
  ASSERT_TRUE(serves(next, fourth));
  EXPECT_EQ(2u, metrics.upstream_opened.value());
}

TEST_F(Upstream, CancelClosesAndLetsTheNextOneIn) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 1;
  restart(limits);
  Call first(thread, *pool, service.address()), second(thread, *pool, service.address());
  first.start();
  second.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  thread.run([&] { std::exchange(first.call, nullptr)->cancel(); });
  EXPECT_FALSE(peer.receive_some());
  Socket other = service.accept();
  ASSERT_TRUE(serves(other, second));
}

TEST_F(Upstream, CancelInsideOfACallback) {
  Call call(thread, *pool, service.address());
  call.cancel_at_head = true;
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ("", call.body);
  // All of the answer was at hand: the connection serves on.
  Call next(thread, *pool, service.address());
  next.start();
  peer.received.clear();
  ASSERT_TRUE(serves(peer, next));
}

TEST_F(Upstream, CloseIdleSparesThoseInUse) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  thread.run([&] { pool->close_idle(); });
  ASSERT_TRUE(serves(peer, call));
  EXPECT_FALSE(peer.receive_some());
}

TEST_F(Upstream, NamesAreLookedUp) {
  Call call(thread, *pool, "localhost:" + std::to_string(service.port()));
  call.target.connect_timeout_ms = 20000;
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, call));
}

TEST_F(Upstream, AddressesOfANameAreTriedInTurnAndFollowed) {
  UpstreamLimits limits;
  limits.resolve_refresh_ms = 1000000;
  const std::string name = "shop.invalid:" + std::to_string(service.port());
  const auto port = static_cast<std::uint16_t>(service.port());
  PoolEndpoint* endpoint = nullptr;
  thread.run([&] {
    auto its = std::make_unique<Pool>(thread.loop(), limits, &metrics);
    endpoint = its->endpoint(name);
    // Nobody listens at the first two.
    its->set_addresses(
        *endpoint, {net::Address::from_ip("127.0.0.2", port), net::Address::from_ip("::1", port),
                    net::Address::from_ip("127.0.0.1", port)});
    endpoint->resolved_ms = thread.loop().now_ms();
    pool = std::move(its);
  });
  Call first(thread, *pool, name);
  first.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, first));
  EXPECT_EQ(3u, metrics.upstream_opened.value());

  Call second(thread, *pool, name);
  second.start();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  // The name moves while the call is under way: its connection does not serve again.
  thread.run([&] {
    static_cast<Pool&>(*pool).set_addresses(*endpoint, {net::Address::from_ip("127.0.0.3", port)});
  });
  ASSERT_TRUE(serves(peer, second));
  EXPECT_FALSE(peer.receive_some());
  Call third(thread, *pool, name);
  third.start();
  ASSERT_TRUE(third.wait());
  EXPECT_EQ(UpstreamFailure::kRefused, third.failure);
}

TEST_F(Upstream, UnixSockets) {
  const std::string path = ::testing::TempDir() + std::to_string(::getpid()) + "upstream_test.sock";
  ::unlink(path.c_str());
  auto opened = net::ListenSocket::open("unix:" + path);
  ASSERT_TRUE(opened.ok()) << opened.error();
  auto fd = (*opened)->for_worker();
  ASSERT_TRUE(fd.ok());
  Call call(thread, *pool, "unix:" + path);
  call.start();
  pollfd ready{*fd, POLLIN, 0};
  ASSERT_EQ(1, ::poll(&ready, 1, testing::kDeadlineMs));
  Socket peer(::accept(*fd, nullptr, nullptr));
  ::close(*fd);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ("a", call.body);
}

TEST_F(Upstream, DroppingThePoolDropsCalls) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  thread.run([&] {
    pool.reset();
    call.call = nullptr;
  });
  while (peer.receive_some()) {
  }
  EXPECT_FALSE(call.over);
}

}  // namespace
}  // namespace gw::http
