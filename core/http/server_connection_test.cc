// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Echo;
using testing::Socket;
using testing::status_of;
using testing::TestServer;

TEST(ServerConnection, AnswersAndKeepsTheConnection) {
  TestServer server(Echo::serve);
  Socket client = server.connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("GET /a?b=" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string text = client.receive_answer();
    EXPECT_EQ("200", status_of(text)) << text;
    EXPECT_TRUE(text.ends_with("\r\n\r\nGET /a?b=" + std::to_string(i) + " ")) << text;
    EXPECT_NE(std::string::npos, text.find("Date: ")) << text;
    EXPECT_EQ(std::string::npos, text.find("Connection:")) << text;
  }
  EXPECT_EQ(1u, server.metrics.connections_accepted.value());
  EXPECT_EQ(3u, server.metrics.requests.value());
}

TEST(ServerConnection, Http10ClosesUnlessAsked) {
  TestServer server(Echo::serve);
  Socket client = server.connect();
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_NE(std::string::npos, client.receive_all().find("Connection: close"));

  Socket keeping = server.connect();
  ASSERT_TRUE(keeping.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_NE(std::string::npos, keeping.receive_answer().find("Connection: keep-alive"));
  ASSERT_TRUE(keeping.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(std::string::npos, keeping.receive_all().find("Connection: close"));
}

TEST(ServerConnection, ServesPipelinedRequestsInOrder) {
  TestServer server(Echo::serve);
  Socket client = server.connect();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  }
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 200; ++i) {
    const std::string text = client.receive_answer();
    ASSERT_TRUE(text.ends_with("POST /" + std::to_string(i) + " abc")) << text;
  }
  sender.join();
}

// The first answers find the client gone; the last request ends the connection by itself.
TEST(ServerConnection, PipelinedRequestsOfAClientThatLeft) {
  TestServer server(Echo::serve);
  const std::string good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const std::string& last :
       {std::string("x y z\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nmore")}) {
    Socket client = server.connect();
    server.thread.run([&] {  // where the connection lives: it reads only when the client has left
      client.send(good + good + last);
      client.close();
    });
    EXPECT_TRUE(
        server.thread.wait_until([&] { return server.metrics.connections_open.value() == 0; }));
  }
  Socket other = server.connect();
  other.send(good);
  EXPECT_NE("", other.receive_answer());
}

TEST(ServerConnection, LastAnswerIsNotLostToWhatFollowsItsRequest) {
  TestServer server(Echo::serve);
  Socket client = server.connect();
  const std::string more(1'000'000, 'x');
  EXPECT_TRUE(client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + more));
  while (client.receive_some()) {
  }
  EXPECT_FALSE(client.was_reset);
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 200 ")) << client.received;
}

TEST(ServerConnection, WhoAsksWithoutReadingIsStopped) {
  const std::string body(10000, 'x');
  TestServer server([&](Transaction& transaction) { answer(transaction, 200, body); });
  Socket client = server.connect(4096);
  std::string ask;
  constexpr int kRequests = 20000;
  for (int i = 0; i < kRequests; ++i) ask += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  std::thread sender([&] { client.send(ask); });
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  // 200 MB would be served at once, were it not for the reader; the kernel's buffers are a few.
  constexpr std::uint64_t kMostAhead = 3000;
  std::uint64_t served = 0;
  for (int i = 0; i < kRequests; ++i) {
    if (client.receive_answer().size() < body.size()) FAIL() << "answer " << i << " is missing";
    if (i % 16 == 0) server.thread.run([&] { served = server.metrics.requests.value(); });
    EXPECT_LT(served, static_cast<std::uint64_t>(i) + kMostAhead);
  }
  sender.join();
}

TEST(ServerConnection, PipelinedRequestWaitsForAnAnswerThatTakesTime) {
  Transaction* waiting = nullptr;
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { aborted = true; }
    bool aborted = false;
  } sink;
  TestServer server([&](Transaction& transaction) {
    if (transaction.request().path == "/slow") {
      waiting = &transaction;
      transaction.set_sink(&sink);
      return;
    }
    answer(transaction, 200, "fast");
  });
  Socket client = server.connect();
  client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(server.thread.wait_until([&] { return waiting != nullptr; }));
  EXPECT_TRUE(client.quiet_for(20));
  server.thread.run([&] { answer(*waiting, 200, "slow"); });
  EXPECT_TRUE(client.receive_answer().ends_with("slow"));
  EXPECT_TRUE(client.receive_answer().ends_with("fast"));
}

TEST(ServerConnection, HalfClosedClientGetsItsAnswer) {
  Transaction* waiting = nullptr;
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { FAIL(); }
  } sink;
  TestServer server([&](Transaction& transaction) {
    waiting = &transaction;
    transaction.set_sink(&sink);
  });
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.end_output();
  ASSERT_TRUE(server.thread.wait_until([&] { return waiting != nullptr; }));
  server.thread.run([&] { answer(*waiting, 200, "late"); });
  EXPECT_TRUE(client.receive_all().ends_with("late"));
}

TEST(ServerConnection, HalfClosedClientIsNotWaitedForWithoutEnd) {
  std::atomic<bool> aborted = false;
  struct Sink final : TransactionSink {
    explicit Sink(std::atomic<bool>& flag) : flag_(flag) {}
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { flag_ = true; }
    std::atomic<bool>& flag_;
  } sink(aborted);
  ServerSettings settings;
  settings.limits.half_closed_timeout_ms = 50;
  TestServer server([&](Transaction& transaction) { transaction.set_sink(&sink); }, settings);
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.close();
  EXPECT_TRUE(server.thread.wait_until([&] { return aborted.load(); }));
}

// Nothing else would tell for as long as the service has no event.
TEST(ServerConnection, ClientOfAnEventStreamIsGoneWhenItEndsItsSide) {
  Transaction* waiting = nullptr;
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { aborted = true; }
    std::atomic<bool> aborted = false;
  } sink;
  TestServer server([&](Transaction& transaction) {
    waiting = &transaction;
    transaction.set_sink(&sink);
    ResponseHead head(transaction.arena());
    head.status = 200;
    head.framing = Framing::kChunked;
    ASSERT_TRUE(head.fields.add("Content-Type", "text/event-stream;charset=UTF-8"));
    transaction.send_head(head);
    transaction.send_body("data: 1\n\n");
  });
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("data: 1\n\n"));
  client.end_output();
  EXPECT_TRUE(server.thread.wait_until([&] { return sink.aborted.load(); }));
}

TEST(ServerConnection, TellsWhenTheClientIsGone) {
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { aborted = true; }
    bool aborted = false;
  } sink;
  bool seen = false;
  TestServer server([&](Transaction& transaction) {
    seen = true;
    transaction.set_sink(&sink);
    transaction.read_body();
  });
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(server.thread.wait_until([&] { return seen; }));
  client.reset();
  EXPECT_TRUE(server.thread.wait_until([&] { return sink.aborted; }));

  sink.aborted = seen = false;
  Socket other = server.connect();
  other.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  ASSERT_TRUE(server.thread.wait_until([&] { return seen; }));
  other.close();
  EXPECT_TRUE(server.thread.wait_until([&] { return sink.aborted; }));
  EXPECT_EQ(2u, server.metrics.requests_aborted.value());
}

TEST(ServerConnection, Deadlines) {
  ServerSettings settings;
  settings.limits.header_timeout_ms = 50;
  settings.limits.idle_timeout_ms = 50;
  settings.limits.body_idle_timeout_ms = 50;
  TestServer server(Echo::serve, settings);
  Socket slow_head = server.connect();
  slow_head.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_EQ("408", status_of(slow_head.receive_all()));
  Socket slow_body = server.connect();
  slow_body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc");
  EXPECT_EQ("408", status_of(slow_body.receive_all()));
  Socket idle = server.connect();
  idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("200", status_of(idle.receive_all()));
  Socket silent = server.connect();
  EXPECT_EQ("", silent.receive_all());
}

// From its first byte on, however often more of it comes.
TEST(ServerConnection, AHeadHasOneDeadline) {
  ServerSettings settings;
  settings.limits.header_timeout_ms = 300;
  TestServer server(Echo::serve, settings);
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  for (int i = 0; i < 20; ++i) {
    client.send("x");
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  client.send("\r\n\r\n");
  EXPECT_EQ("408", status_of(client.receive_answer()));
}

// The first bytes of a request are kept without a transaction.
TEST(ServerConnection, RequestsThatBeginByteForByte) {
  TestServer server(Echo::serve);
  for (const std::string before : {"", "\r\n"}) {
    Socket client = server.connect();
    for (const std::string method : {"GET", "PUT", "OPTIONS"}) {
      for (const char byte : before + method + " /a HTTP/1.1\r\nHost: x\r\n\r\n") {
        const std::uint64_t seen = server.metrics.bytes_received.value();
        ASSERT_TRUE(client.send({&byte, 1}));
        ASSERT_TRUE(
            server.thread.wait_until([&] { return server.metrics.bytes_received.value() > seen; }));
      }
      const std::string text = client.receive_answer();
      EXPECT_TRUE(text.ends_with(method + " /a ")) << text;
    }
  }
  EXPECT_EQ(6u, server.metrics.requests.value());
}

TEST(ServerConnection, RequestsThatBeginAndStop) {
  ServerSettings settings;
  settings.limits.header_timeout_ms = 50;
  settings.limits.idle_timeout_ms = 60000;
  TestServer server(Echo::serve, settings);
  const std::pair<const char*, const char*> cases[] = {
      {"G", "408"},     {"GET /a HTT", "408"},    {"GET /a HTTP/1.1\r\n", "408"},
      {"\r\nG", "408"}, {"\r\nPOST /a\r", "400"}, {"GET /a\r\n", "400"}};
  for (const auto& [begun, status] : cases) {
    SCOPED_TRACE(begun);
    Socket client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ("200", status_of(client.receive_answer()));
    client.send(begun);
    EXPECT_EQ(status, status_of(client.receive_all()));
    Socket leaver = server.connect();
    leaver.send(begun);
    leaver.end_output();
    leaver.receive_all();
  }
  EXPECT_EQ(4u, server.metrics.requests_timed_out.value());
  EXPECT_EQ(4u, server.metrics.requests_malformed.value());  // of each leaver too
}

// An empty line begins no request: neither its deadline nor an answer.
TEST(ServerConnection, EmptyLinesLeaveItIdle) {
  ServerSettings settings;
  settings.limits.idle_timeout_ms = 300;
  TestServer server(Echo::serve, settings);
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const char* lines : {"\r", "\r\n", "\r\n\r\n"}) {
    for (const bool together : {true, false}) {
      SCOPED_TRACE(std::string(lines) + (together ? " together" : ""));
      Socket client = server.connect();
      client.send(together ? get + lines : get);
      EXPECT_EQ("200", status_of(client.receive_answer()));
      if (!together) client.send(lines);
      EXPECT_EQ("", client.receive_all());
      EXPECT_FALSE(client.was_reset);
    }
  }
  EXPECT_EQ(6u, server.metrics.connections_idle.value());
  EXPECT_EQ(0u, server.metrics.requests_timed_out.value());
}

// Between two requests, but with answers under way.
TEST(ServerConnection, WhoReadsItsAnswerIsNotIdle) {
  ServerSettings settings;
  settings.limits.idle_timeout_ms = 400;
  const std::string body(20 << 20, 'x');  // more than the sockets' buffers hold
  TestServer server([&](Transaction& transaction) { answer(transaction, 200, body); }, settings);
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  client.received.erase(0, client.received.find("\r\n\r\n") + 4);
  std::size_t seen = client.received.size();
  while (seen < body.size()) {  // takes a few times as long
    client.received.clear();
    if (!client.receive_some()) break;
    seen += client.received.size();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(body.size(), seen);
}

// What the sockets' buffers do not hold of an answer that is over: the client has write_timeout for
// it, and must not take less for the whole.
TEST(ServerConnection, EndOfAnAnswerWaitsForItsReader) {
  const std::string body(20 << 20, 'x');
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (const std::string& request : {get + "Connection: close\r\n\r\n", get + "\r\n"}) {
    for (const bool half_closed : {false, true}) {
      SCOPED_TRACE(request + std::to_string(half_closed));
      ServerSettings settings;
      settings.limits.write_timeout_ms = settings.limits.idle_timeout_ms = 400;
      TestServer server([&](Transaction& transaction) { answer(transaction, 200, body); },
                        settings);
      Socket client = server.connect();
      client.send(request);
      if (half_closed) client.end_output();
      ASSERT_TRUE(
          server.thread.wait_until([&] { return server.metrics.requests_timed_out.value() == 1; }));
      EXPECT_GT(body.size(), client.receive_all().size());
      EXPECT_TRUE(client.was_reset);
    }
  }
}

// Sends its body as the client takes it.
class Pouring final : public TransactionSink {
 public:
  Pouring(Transaction& transaction, std::size_t size) : transaction_(transaction), left_(size) {
    ResponseHead head(transaction.arena());
    head.status = 200;
    head.framing = Framing::kLength;
    head.content_length = size;
    transaction.set_sink(this);
    transaction.send_head(head);
    on_writable();
  }
  void on_body(std::string_view, bool) override {}
  void on_aborted() override { delete this; }
  void on_writable() override {
    static const std::string kPiece(16384, 'x');
    while (left_ > 0) {
      const std::size_t size = std::min(left_, kPiece.size());
      left_ -= size;
      if (!transaction_.send_body({kPiece.data(), size}) && left_ > 0) return;
    }
    transaction_.finish();
    delete this;
  }

 private:
  Transaction& transaction_;
  std::size_t left_;
};

// What fills the socket to the brim is not dropped because nothing waited before.
TEST(ServerConnection, EndOfAnAnswerToAHalfClosedClientIsSent) {
  std::size_t size = 0;
  TestServer server([&](Transaction& transaction) { new Pouring(transaction, size); });
  for (size = 1'000'000; size < 12'000'000; size += 16384 * 5) {
    Socket client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.end_output();
    ASSERT_TRUE(client.receive_until("\r\n\r\n"));
    const std::size_t head = client.received.find("\r\n\r\n") + 4;
    EXPECT_EQ(head + size, client.receive_all().size());
  }
}

TEST(ServerConnection, EndOfAnAnswerWaitsAsLongAsItMay) {
  const std::string body(20 << 20, 'x');
  ServerSettings settings;
  settings.limits.idle_timeout_ms = 400;
  TestServer server([&](Transaction& transaction) { answer(transaction, 200, body); }, settings);
  for (const char* connection : {"close", "keep-alive"}) {
    SCOPED_TRACE(connection);
    Socket client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: " + std::string(connection) + "\r\n\r\n");
    ASSERT_TRUE(client.receive_until("\r\n\r\n"));
    pollfd end{client.fd(), POLLRDHUP, 0};
    EXPECT_EQ(0, poll(&end, 1, 3000));  // of write_timeout's 30 s
    EXPECT_LT(body.size(), client.receive_all().size());
    EXPECT_FALSE(client.was_reset);
  }
}

TEST(ServerConnection, ConnectionLimits) {
  ServerSettings settings;
  settings.limits.max_connections = 2;
  TestServer server(Echo::serve, settings);
  Socket a = server.connect(), b = server.connect();
  a.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("200", status_of(a.receive_answer()));
  b.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("200", status_of(b.receive_answer()));
  Socket c = server.connect();
  const std::string& text = c.receive_all();
  EXPECT_EQ("503", status_of(text)) << text;
  EXPECT_NE(std::string::npos, text.find("Retry-After: 1")) << text;
  a.close();
  ASSERT_TRUE(server.thread.wait_until([&] { return server.count.total() == 1; }));
  Socket d = server.connect();
  d.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("200", status_of(d.receive_answer()));
}

TEST(ServerConnection, PeerLimit) {
  ServerSettings settings;
  settings.limits.max_connections_per_peer = 1;
  TestServer server(Echo::serve, settings);
  Socket a = server.connect();
  a.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("200", status_of(a.receive_answer()));
  Socket b = server.connect();
  EXPECT_EQ("503", status_of(b.receive_all()));
  EXPECT_EQ(1u, server.metrics.connections_refused_peer.value());
}

}  // namespace
}  // namespace gw::http
