// SPDX-License-Identifier: Apache-2.0
#include "http/upstream.h"

#include <algorithm>
#include <random>

#include "http/upstream_testing.h"

namespace gw::http {
namespace {

using testing::Call;
using testing::ScriptedService;
using testing::Socket;
using testing::Upstream;

TEST_F(Upstream, SendsTheHeadAndUsesTheConnectionAgain) {
  Socket peer;
  for (int i = 0; i < 3; ++i) {
    Call call(thread, *pool, service.address());
    call.head.query = "a=b";
    call.head.has_query = true;
    EXPECT_TRUE(call.head.fields.add("Accept", "a"));
    call.start();
    if (i == 0) peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    EXPECT_EQ("GET /x?a=b HTTP/1.1\r\nHost: service.example\r\nAccept: a\r\n\r\n", peer.received);
    peer.received.clear();
    peer.send(
        "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nConnection: keep-alive, X-Y\r\nX-Y: 1\r\n"
        "Keep-Alive: 5\r\nProxy-Authenticate: x\r\nX-Application-Context: x\r\nA: b\r\n\r\nhello");
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(200, call.status);
    EXPECT_EQ("A=b\nVia=1.1 gateway\n", call.fields);
    EXPECT_EQ("hello", call.body);
    EXPECT_EQ(Framing::kLength, call.framing);
  }
  EXPECT_EQ(1u, metrics.upstream_opened.value());
  EXPECT_EQ(2u, metrics.upstream_reused.value());
  EXPECT_EQ(1u, metrics.upstream_idle.value());
  EXPECT_EQ(0u, metrics.upstream_busy.value());
}

struct AnswerCase {
  const char* what;
  std::string answer;
  int status;  // 0: refused
  const char* body;
  bool reusable;
};

std::vector<AnswerCase> answer_cases() {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  return {
      {"length", ok + "Content-Length: 3\r\n\r\nabc", 200, "abc", true},
      {"empty", ok + "Content-Length: 0\r\n\r\n", 200, "", true},
      {"chunks",
       ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nX: y\r\n\r\n", 200,
       "abc", true},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
      {"304 with length", "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", 304, "", true},
      {"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", true},
      {"informational first",
       "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", 200, "a",
       true},
      {"close", ok + "Connection: close\r\nContent-Length: 1\r\n\r\na", 200, "a", false},
      {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false},
      {"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200,
       "a", true},
      {"surplus", ok + "Content-Length: 1\r\n\r\nabc", 200, "a", false},
      {"surplus answer", ok + "Content-Length: 0\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n", 200,
       "", false},
      {"length and chunked", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
       0, "", false},
      {"two lengths", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, "", false},
      {"length list", ok + "Content-Length: 3, 3\r\n\r\nabc", 0, "", false},
      {"gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "", false},
      {"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "",
       false},
      {"101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 0, "", false},
      {"interim close",
       "HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na",
       200, "a", false},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", 0, "", false},
      {"status 99", "HTTP/1.1 099 X\r\n\r\n", 0, "", false},
      {"status 600", "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", 0, "", false},
      {"nonsense", "hello\r\n\r\n", 0, "", false},
      {"folded", ok + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", 0, "", false},
      {"space before colon", ok + "Content-Length : 0\r\n\r\n", 0, "", false},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0, "", false},
      {"control", ok + "A: \x01\r\nContent-Length: 0\r\n\r\n", 0, "", false},
      {"too large a head", ok + "A: " + std::string(40000, 'a') + "\r\n\r\n", 0, "", false},
  };
}

TEST_F(Upstream, ReadsAnswersStrictlyHoweverTheyAreSplit) {
  const std::uint32_t seed = 4711;
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (const bool split : {false, true}) {
    for (const AnswerCase& item : answer_cases()) {
      SCOPED_TRACE(item.what);
      ScriptedService own;
      Call call(thread, *pool, own.address());
      call.start();
      Socket peer = own.accept();
      ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
      const bool surplus = std::string_view(item.what).starts_with("surplus");
      std::string_view rest = item.answer;
      while (!rest.empty()) {
        const std::size_t size =
            split && !surplus
                ? std::min<std::size_t>(rest.size(), 1 + random() % (rest.size() > 999 ? 5000 : 9))
                : rest.size();
        if (!peer.send(rest.substr(0, size))) break;
        rest.remove_prefix(size);
        std::this_thread::yield();
      }
      ASSERT_TRUE(call.wait());
      EXPECT_EQ(item.status, call.status);
      EXPECT_EQ(item.body, call.body);
      if (item.status == 0) {
        EXPECT_EQ(UpstreamFailure::kBadAnswer, call.failure.value_or(UpstreamFailure::kRefused))
            << call.detail;
        EXPECT_TRUE(call.sent);
      }
      if (item.reusable) {
        Call next(thread, *pool, own.address());
        next.start();
        peer.received.clear();
        EXPECT_TRUE(peer.receive_until("\r\n\r\n")) << "a new connection was opened";
        peer.send("HTTP/1.1 204 N\r\n\r\n");
        EXPECT_TRUE(next.wait());
      } else {
        while (peer.receive_some()) {
        }  // it closes
      }
    }
  }
}

TEST_F(Upstream, BadChunksBehindTheHeadBreakTheAnswer) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(200, call.status);
  EXPECT_EQ(UpstreamFailure::kBadAnswer, call.failure);
  EXPECT_TRUE(call.head_received);
}

TEST_F(Upstream, BodyUntilClose) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  peer.send("HTTP/1.1 200 OK\r\n\r\nhello ");
  peer.send("world");
  peer.close();
  ASSERT_TRUE(call.wait());
  EXPECT_EQ("hello world", call.body);
  EXPECT_EQ(Framing::kUntilClose, call.framing);
}

TEST_F(Upstream, HeadRequestHasNoBody) {
  Call call(thread, *pool, service.address());
  call.head.method = "HEAD";
  call.start();
  Socket peer = service.accept();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(5u, call.content_length);
  EXPECT_EQ("", call.body);
  EXPECT_EQ(1u, metrics.upstream_idle.value());
}

TEST_F(Upstream, SendsBodies) {
  for (const Framing framing : {Framing::kLength, Framing::kChunked}) {
    ScriptedService own;
    Call call(thread, *pool, own.address());
    call.with_body(framing, 10);
    thread.run([&] {
      call.call = pool->start(call.target, call.head, call.arena, call);
      EXPECT_FALSE(call.call->can_send());
      EXPECT_FALSE(call.call->send_body("hello"));
    });
    Socket peer = own.accept();
    ASSERT_TRUE(thread.wait_until([&] { return call.writable == 1; }));
    thread.run([&] {
      EXPECT_TRUE(call.call->can_send());
      EXPECT_TRUE(call.call->send_body("hello"));
      EXPECT_TRUE(call.call->send_body("world"));
      call.call->finish_body();
    });
    ASSERT_TRUE(peer.receive_until(framing == Framing::kLength ? "\r\n\r\nhelloworld"
                                                               : "\r\n5\r\nworld\r\n0\r\n\r\n"));
    peer.send("HTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(call.wait());
    EXPECT_EQ(201, call.status);
  }
}

TEST_F(Upstream, HeadLeavesBeforeTheBodyIsThere) {
  Call call(thread, *pool, service.address());
  call.with_body(Framing::kChunked);
  call.start();
  Socket peer = service.accept();
  EXPECT_TRUE(peer.receive_until("\r\n\r\n"));
}

TEST_F(Upstream, EarlyAnswerIsNotFollowedByAnotherRequest) {
  Call call(thread, *pool, service.address());
  call.with_body(Framing::kLength, 100);
  call.request_over = false;
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(413, call.status);
  thread.run([&] {
    EXPECT_TRUE(call.call->send_body("late"));
    std::exchange(call.call, nullptr)->finish_body();
  });
  while (peer.receive_some()) {
  }
  EXPECT_EQ(0u, metrics.upstream_idle.value());
}

// It cannot go on before its client does.
TEST_F(Upstream, AnswerThatBeganEarlyWaitsForTheRequest) {
  Call call(thread, *pool, service.address());
  call.target.idle_timeout_ms = 50;
  Socket peer = accept_upload(call, 5);
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(thread.wait_until([&] { return call.status == 200; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  thread.run([&] {
    ASSERT_FALSE(call.over) << call.detail;
    EXPECT_TRUE(call.call->send_body("hello"));
    call.call->finish_body();
  });
  ASSERT_TRUE(call.wait());  // now it stalls
  EXPECT_EQ("its answer stalled", call.detail);
}

TEST_F(Upstream, SlowReaderOfTheAnswer) {
  Call call(thread, *pool, service.address());
  call.pause_at_head = true;
  call.start();
  Socket peer = service.accept();
  constexpr std::size_t kSize = 20'000'000;
  std::thread sender([&] {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n" +
              std::string(kSize, 'x'));
  });
  ASSERT_TRUE(thread.wait_until([&] { return call.status == 200; }));
  thread.run([&] { EXPECT_EQ("", call.body); });
  thread.run([&] { call.call->resume_reading(); });
  ASSERT_TRUE(call.wait());
  sender.join();
  EXPECT_EQ(kSize, call.body.size());
}

// The time for its answer begins when it has the request.
TEST_F(Upstream, SlowReaderOfTheRequestMayTakeItsTimeToAnswer) {
  Call call(thread, *pool, service.address());
  call.target.response_timeout_ms = call.target.idle_timeout_ms = 2000;
  constexpr std::size_t kSize = 4'000'000;
  Socket peer = accept_upload(call, kSize);
  const int receive_buffer = 250'000;  // of a service whose system holds little
  setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  ASSERT_TRUE(thread.wait_until([&] { return call.writable > 0; }));
  thread.run([&] {
    (void)call.call->send_body(std::string(kSize, 'x'));
    call.call->finish_body();
  });
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.received.erase(0, peer.received.find("\r\n\r\n") + 4);
  constexpr std::size_t kPiece = 40'000;
  std::size_t taken = 0;
  while ((taken += peer.received.size()) < kSize) {  // for 3 s
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    peer.received.clear();
    ASSERT_TRUE(peer.receive_bytes(std::min(kPiece, kSize - taken)));
  }
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status);
}

TEST_F(Upstream, SlowReaderOfTheRequest) {
  Call call(thread, *pool, service.address());
  constexpr std::size_t kSize = 40'000'000;
  Socket peer = accept_upload(call, kSize);
  std::size_t left = kSize;
  bool blocked = false;
  int seen = 0;
  const std::string piece(200'000, 'x');
  std::thread reader;
  while (left > 0) {
    ASSERT_TRUE(thread.wait_until([&] { return call.writable > seen; }));
    thread.run([&] {
      seen = call.writable;
      while (left > 0) {
        const std::size_t size = std::min(left, piece.size());
        left -= size;
        if (call.call->send_body(std::string_view(piece).substr(0, size))) continue;
        blocked = true;
        break;
      }
      if (left == 0) call.call->finish_body();
    });
    if (!reader.joinable()) {
      reader = std::thread([&] {
        peer.receive_until("\r\n\r\n");
        peer.receive_bytes(peer.received.find("\r\n\r\n") + 4 + kSize);
      });
    }
  }
  EXPECT_TRUE(blocked);
  reader.join();
  ASSERT_TRUE(serves(peer, call));
}

}  // namespace
}  // namespace gw::http
