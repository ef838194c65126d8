// SPDX-License-Identifier: Apache-2.0
//
// What services, sockets and networks do wrong, and what is made of it.
#include <sys/resource.h>
#include <sys/un.h>

#include <chrono>
#include <random>
#include <thread>

#include "http/upstream_testing.h"

namespace gw::http {
namespace {

using testing::Call;
using testing::ScriptedService;
using testing::Socket;
using testing::Upstream;

// On the loop's thread, so that it finds out by writing, before it could read.
TEST_F(Upstream, AnswerInFrontOfAResetIsHeard) {
  struct Case {
    const char* answer;
    bool whole;
  };
  for (const Case& item : {Case{"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", true},
                           Case{"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno", false},
                           Case{"HTTP/1.1 413 No\r\n\r\nno", false}}) {
    SCOPED_TRACE(item.answer);
    ScriptedService own;
    Call call(thread, *pool, own.address());
    call.with_body(Framing::kLength, 100);
    call.request_over = false;
    call.start();
    Socket peer = own.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    thread.run([&] {
      EXPECT_TRUE(peer.send(item.answer));
      peer.reset();
      EXPECT_TRUE(call.call->send_body("late"));
    });
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(413, call.status);
    EXPECT_EQ("no", call.body);
    EXPECT_EQ(!item.whole, call.failure.has_value());
    if (call.call != nullptr) thread.run([&] { std::exchange(call.call, nullptr)->finish_body(); });
  }
}

// What came in front of the reset waits for a reader that has paused.
TEST_F(Upstream, AnswerInFrontOfAResetWaitsForItsReader) {
  constexpr std::size_t kSize = 40'000;
  for (const std::size_t announced : {kSize, kSize + 1}) {
    SCOPED_TRACE(announced);
    ScriptedService own;
    Call call(thread, *pool, own.address());
    call.with_body(Framing::kLength, 100);
    call.request_over = false;
    call.pause_at_head = true;
    call.start();
    Socket peer = own.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    ASSERT_TRUE(
        peer.send("HTTP/1.1 413 No\r\nContent-Length: " + std::to_string(announced) + "\r\n\r\nx"));
    ASSERT_TRUE(thread.wait_until([&] { return call.status == 413; }));
    thread.run([&] {
      EXPECT_TRUE(peer.send(std::string(kSize - 1, 'x')));
      peer.reset();
      EXPECT_TRUE(call.call->send_body("late"));
    });
    thread.run([&] { EXPECT_FALSE(call.over); });
    thread.run([&] { call.call->resume_reading(); });
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(kSize, call.body.size());
    EXPECT_EQ(announced != kSize, call.failure.has_value());
    if (call.call != nullptr) thread.run([&] { std::exchange(call.call, nullptr)->finish_body(); });
  }
}

// Which says nothing about the service.
TEST_F(Upstream, NoDescriptorIsOverload) {
  Call refused(thread, *pool, service.address()), served(thread, *pool, service.address());
  rlimit before{};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
  const int lowest = dup(0);
  close(lowest);
  const rlimit tight{static_cast<rlim_t>(lowest), before.rlim_max};
  thread.run([&] {
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &tight));
    refused.call = pool->start(refused.target, refused.head, refused.arena, refused);
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
  });
  ASSERT_TRUE(refused.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, refused.failure);
  EXPECT_EQ("Too many open files", refused.detail);
  served.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, served));
}

TEST_F(Upstream, AnswerThatNobodyAskedForIsNoneOfTheNextRequest) {
  Call first(thread, *pool, service.address());
  first.start();
  Socket peer = service.accept();
  ASSERT_TRUE(serves(peer, first));
  Call next(thread, *pool, service.address());
  thread.run([&] {
    EXPECT_TRUE(peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
    peer.reset();
    next.call = pool->start(next.target, next.head, next.arena, next);
  });
  ASSERT_TRUE(next.wait());
  EXPECT_EQ(0, next.status);
  EXPECT_EQ(UpstreamFailure::kBroken, next.failure);
  EXPECT_TRUE(next.stale);
}

TEST_F(Upstream, Failures) {
  {
    ScriptedService gone;
    const std::string address = gone.address();
    gone.close();
    Call call(thread, *pool, address);
    call.start();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kRefused, call.failure);
    EXPECT_FALSE(call.sent);
    EXPECT_EQ("Connection refused", call.detail);
  }
  for (const char* address : {"", "nonsense", "a:b", "1.2.3.4:0", "unix:/nowhere/at/all"}) {
    Call call(thread, *pool, address);
    call.start();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kRefused, call.failure) << address;
  }
  {
    Call call(thread, *pool, "no-such-host.invalid:80");
    call.target.connect_timeout_ms = 20000;
    call.start();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kRefused, call.failure);
  }
  {
    Call call(thread, *pool, service.address());
    call.start();
    Socket peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    peer.send("HTTP/1.1 200");
    peer.close();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kBroken, call.failure);
    EXPECT_TRUE(call.sent);
    EXPECT_FALSE(call.stale);
    EXPECT_FALSE(call.head_received);
  }
  {
    Call call(thread, *pool, service.address());
    call.target.response_timeout_ms = 30;
    call.start();
    Socket peer = service.accept();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kResponseTimeout, call.failure);
  }
  {
    Call call(thread, *pool, service.address());
    call.target.idle_timeout_ms = 30;
    call.start();
    Socket peer = service.accept();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kResponseTimeout, call.failure);
    EXPECT_TRUE(call.head_received);
  }
}

// Each wait has the whole of its time: the head does not use up the body's, nor a piece the next one's.
TEST_F(Upstream, AnswersThatTakeTheirTime) {
  constexpr std::chrono::milliseconds kPause(1200);
  Call call(thread, *pool, service.address());
  call.target.response_timeout_ms = call.target.idle_timeout_ms = 2200;
  call.start();
  Socket peer = service.accept();
  for (const char* piece : {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "a", "b"}) {
    std::this_thread::sleep_for(kPause);
    peer.send(piece);
  }
  ASSERT_TRUE(call.wait());
  EXPECT_FALSE(call.failure.has_value());
  EXPECT_EQ("ab", call.body);
}

TEST_F(Upstream, ConnectTimeout) {
  // A listener whose backlog is full answers no SYN.
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(0, ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at));
  ASSERT_EQ(0, ::listen(fd, 0));
  socklen_t size = sizeof at;
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 8; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)!::connect(fillers.back(), reinterpret_cast<sockaddr*>(&at), sizeof at);
  }
  Call call(thread, *pool, "127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
  call.target.connect_timeout_ms = 50;
  call.start();
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(UpstreamFailure::kConnectTimeout, call.failure) << call.detail;
  for (const int filler : fillers) ::close(filler);
  ::close(fd);
}

TEST_F(Upstream, StaleConnectionIsNoticedWhileItIsIdle) {
  Socket peer;
  {
    Call call(thread, *pool, service.address());
    call.start();
    peer = service.accept();
    ASSERT_TRUE(serves(peer, call));
  }
  peer.close();
  ASSERT_TRUE(thread.wait_until([&] { return metrics.upstream_idle.value() == 0; }));
  Call call(thread, *pool, service.address());
  call.start();
  peer = service.accept();
  ASSERT_TRUE(serves(peer, call));
}

// A connection that broke before any byte of the answer may be stale; then it was the service.
TEST_F(Upstream, BrokenConnectionIsStaleOnlyBeforeTheAnswer) {
  for (const std::string begun : {"", "H", "HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 103 E\r\n\r\n"}) {
    SCOPED_TRACE(begun);
    Socket peer;
    {
      Call call(thread, *pool, service.address());
      call.start();
      peer = service.accept();
      ASSERT_TRUE(serves(peer, call));
    }
    Call call(thread, *pool, service.address());
    call.start();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    peer.send(begun);
    peer.close();
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(UpstreamFailure::kBroken, call.failure);
    EXPECT_EQ(begun.empty(), call.stale);
    EXPECT_FALSE(call.head_received);
  }
}

TEST_F(Upstream, AUnixSocketWithoutRoomIsOverload) {
  const std::string path = ::testing::TempDir() + std::to_string(::getpid()) + "full_test.sock";
  ::unlink(path.c_str());
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  const auto* address = reinterpret_cast<const sockaddr*>(&at);
  const Socket listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(0, ::bind(listening.fd(), address, sizeof at));
  ASSERT_EQ(0, ::listen(listening.fd(), 0));
  std::vector<Socket> waiting;
  do {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } while (::connect(waiting.back().fd(), address, sizeof at) == 0);
  Call call(thread, *pool, "unix:" + path);
  call.start();
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, call.failure);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace gw::http
