// SPDX-License-Identifier: Apache-2.0
#include "http/upstream.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <algorithm>
#include <optional>
#include <random>

#include "http/testing_support.h"
#include "http/upstream_pool.h"

namespace gw::http {
namespace {

using testing::LoopThread;
using testing::ScriptedService;
using testing::Socket;

// One call and what its owner heard.
struct Call final : UpstreamSink {
  Call(LoopThread& its_thread, UpstreamPool& its_pool, const std::string& its_address)
      : thread(its_thread), pool(its_pool), address(its_address) {
    target.address = address;
    target.host = "service.example";
    head.method = "GET";
    head.path = "/x";
  }
  ~Call() override {
    thread.run([&] {
      if (call != nullptr) call->cancel();
    });
  }
  void start() {
    thread.run([&] { call = pool.start(target, head, arena, *this); });
  }
  void with_body(Framing how, std::uint64_t length = 0) {
    head.method = "POST";
    head.framing = how;
    head.content_length = length;
  }
  bool wait() {
    return thread.wait_until([&] { return over; });
  }

  void on_informational(const ResponseHead& it) override { informational.push_back(it.status); }
  void on_head(ResponseHead& it) override {
    status = it.status;
    framing = it.framing;
    content_length = it.content_length;
    for (const Field& field : it.fields) {
      fields += std::string(field.name) + "=" + std::string(field.value) + "\n";
    }
    if (pause_at_head) call->pause_reading();
    if (cancel_at_head) {
      std::exchange(call, nullptr)->cancel();
      over = true;
    }
  }
  void on_body(std::string_view data, bool last) override {
    EXPECT_FALSE(over);
    body.append(data);
    if (!last) return;
    over = true;
    if (request_over) call = nullptr;
  }
  void on_writable() override { ++writable; }
  void on_failed(const UpstreamFailureInfo& info) override {
    EXPECT_FALSE(over);
    failure = info.failure;
    stale = info.stale_connection;
    sent = info.request_bytes_sent;
    head_received = info.head_received;
    detail = info.detail;
    over = true;
    call = nullptr;
  }

  LoopThread& thread;
  UpstreamPool& pool;
  std::string address;
  base::ChunkPool chunks;
  base::Arena arena{chunks};
  RequestHead head{arena};
  UpstreamTarget target;
  UpstreamCall* call = nullptr;

  std::vector<int> informational;
  int status = 0;
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  std::string fields;
  std::string body;
  int writable = 0;
  std::optional<UpstreamFailure> failure;
  bool stale = false;
  bool sent = false;
  bool head_received = false;
  std::string detail;
  bool over = false;
  bool request_over = true;
  bool pause_at_head = false;
  bool cancel_at_head = false;
};

class Upstream : public ::testing::Test {
 protected:
  explicit Upstream(const UpstreamLimits& limits = {}) {
    thread.run([&] { pool = make_upstream_pool(thread.loop(), limits, &metrics); });
  }
  ~Upstream() override {
    thread.run([&] { pool.reset(); });
  }
  void restart(const UpstreamLimits& limits) {
    thread.run([&] {
      pool.reset();
      pool = make_upstream_pool(thread.loop(), limits, &metrics);
    });
  }

  HttpMetrics metrics;
  ScriptedService service;
  LoopThread thread;
  std::unique_ptr<UpstreamPool> pool;
};

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
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(served.wait());
  EXPECT_EQ(204, served.status);
}

TEST_F(Upstream, AnswerThatNobodyAskedForIsNoneOfTheNextRequest) {
  Call first(thread, *pool, service.address());
  first.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(first.wait());
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

TEST_F(Upstream, SlowReaderOfTheRequest) {
  Call call(thread, *pool, service.address());
  constexpr std::size_t kSize = 40'000'000;
  call.with_body(Framing::kLength, kSize);
  thread.run([&] {
    call.call = pool->start(call.target, call.head, call.arena, call);
    (void)call.call->send_body({});
  });
  Socket peer = service.accept();
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
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status);
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
    peer.send("HTTP/1.1 204 N\r\n\r\n");
    ASSERT_TRUE(call.wait());
  }
  peer.close();
  ASSERT_TRUE(thread.wait_until([&] { return metrics.upstream_idle.value() == 0; }));
  Call call(thread, *pool, service.address());
  call.start();
  peer = service.accept();
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status);
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
      ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
      peer.received.clear();
      peer.send("HTTP/1.1 204 N\r\n\r\n");
      ASSERT_TRUE(call.wait());
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
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status);
}

TEST_F(Upstream, UnaskedBytesCloseAnIdleConnection) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(thread.wait_until([&] { return metrics.upstream_idle.value() == 0; }));
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
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.received.clear();
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(first.wait());
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(second.wait());
  EXPECT_EQ(204, second.status);
  EXPECT_EQ(1u, metrics.upstream_opened.value());
}

TEST_F(Upstream, WhoSendsSlowlyMakesRoomForWhoWaits) {
  UpstreamLimits limits;
  limits.max_connections_per_endpoint = 1;
  restart(limits);
  for (const std::size_t size : {1, 200'000}) {
    SCOPED_TRACE(size);
    Call upload(thread, *pool, service.address()), waiting(thread, *pool, service.address());
    upload.with_body(Framing::kChunked);
    upload.start();
    Socket peer = service.accept();
    ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
    thread.run([&] { EXPECT_TRUE(upload.call->send_body(std::string(size, 'x')) || size > 1); });
    ASSERT_TRUE(peer.receive_bytes(size));
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
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(first.wait());
  peer.received.clear();
  // The connection rests now, and gives way to one that is needed elsewhere.
  Call fourth(thread, *pool, another.address());
  fourth.start();
  Socket next = another.accept();
  EXPECT_FALSE(peer.receive_some());
  third.start();
  ASSERT_TRUE(third.wait());
  EXPECT_EQ(UpstreamFailure::kOverloaded, third.failure);
  next.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(fourth.wait());
  EXPECT_EQ(204, fourth.status);
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
  other.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(second.wait());
  EXPECT_EQ(204, second.status);
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
  while (peer.receive_some()) {
  }
}

TEST_F(Upstream, CloseIdleSparesThoseInUse) {
  Call call(thread, *pool, service.address());
  call.start();
  Socket peer = service.accept();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  thread.run([&] { pool->close_idle(); });
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status);
  EXPECT_FALSE(peer.receive_some());
}

TEST_F(Upstream, NamesAreLookedUp) {
  Call call(thread, *pool, "localhost:" + std::to_string(service.port()));
  call.target.connect_timeout_ms = 20000;
  call.start();
  Socket peer = service.accept();
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(call.wait());
  EXPECT_EQ(204, call.status) << call.detail;
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
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  peer.received.clear();
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(first.wait());
  EXPECT_EQ(204, first.status) << first.detail;
  EXPECT_EQ(3u, metrics.upstream_opened.value());

  Call second(thread, *pool, name);
  second.start();
  ASSERT_TRUE(peer.receive_until("\r\n\r\n"));
  // The name moves while the call is under way: its connection does not serve again.
  thread.run([&] {
    static_cast<Pool&>(*pool).set_addresses(*endpoint, {net::Address::from_ip("127.0.0.3", port)});
  });
  peer.send("HTTP/1.1 204 N\r\n\r\n");
  ASSERT_TRUE(second.wait());
  EXPECT_EQ(204, second.status);
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
