// SPDX-License-Identifier: Apache-2.0
#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Echo;
using testing::Socket;
using testing::status_of;
using testing::TestServer;

TEST(ServerConnection, ExpectContinue) {
  TestServer server([](Transaction& transaction) {
    if (transaction.request().path == "/no") {
      EXPECT_TRUE(transaction.request().expects_continue);
      return answer(transaction, 403, "no");
    }
    Echo::serve(transaction);
  });
  const std::string lines =
      " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  Socket client = server.connect();
  client.send("PUT /yes" + lines);
  ASSERT_TRUE(client.receive_until("HTTP/1.1 100 Continue\r\n\r\n"));
  client.received.clear();
  client.send("hello");
  EXPECT_TRUE(client.receive_answer().ends_with("PUT /yes hello"));

  client.send("PUT /no" + lines);
  const std::string& text = client.receive_all();
  EXPECT_EQ("403", status_of(text));
  EXPECT_NE(std::string::npos, text.find("Connection: close")) << text;
}

TEST(ServerConnection, DrainsASmallUnreadBodyAndKeepsTheConnection) {
  TestServer server([](Transaction& transaction) { answer(transaction, 401, "no"); });
  Socket client = server.connect();
  for (int i = 0; i < 3; ++i) {
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" +
                std::string(500, 'a'));
    client.send(std::string(500, 'b'));
    EXPECT_EQ("401", status_of(client.receive_answer()));
  }
  EXPECT_EQ(1u, server.metrics.connections_accepted.value());
  // Too much to read in vain: the answer says so, and arrives although the body is not read.
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" +
              std::string(100000, 'a'));
  client.end_output();
  const std::string& text = client.receive_all();
  EXPECT_EQ("401", status_of(text));
  EXPECT_NE(std::string::npos, text.find("Connection: close"));
}

TEST(ServerConnection, DrainsASlowBodyAsLongAsItComes) {
  ServerSettings settings;
  settings.limits.body_idle_timeout_ms = 1000;
  TestServer server([](Transaction& transaction) { answer(transaction, 401, "no"); }, settings);
  Socket client = server.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ("401", status_of(client.receive_answer()));
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    client.send("a");
  }
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ("401", status_of(client.receive_answer()));
  EXPECT_EQ(1u, server.metrics.connections_accepted.value());
}

TEST(ServerConnection, BodyLimit) {
  ServerSettings settings;
  settings.limits.max_body_bytes = 10;
  TestServer server(Echo::serve, settings);
  for (const char* body :
       {"Content-Length: 11\r\n\r\nhello world",
        "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"}) {
    Socket client = server.connect();
    client.send(std::string("POST / HTTP/1.1\r\nHost: a\r\n") + body);
    const std::string& text = client.receive_all();
    EXPECT_EQ("413", status_of(text)) << text;
  }
  Socket client = server.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhelloworld");
  EXPECT_EQ("200", status_of(client.receive_answer()));
}

TEST(ServerConnection, FramesAnswers) {
  TestServer server([](Transaction& transaction) {
    const std::string_view path = transaction.request().path;
    ResponseHead head(transaction.arena());
    head.status = path == "/204" ? 204 : path == "/304" ? 304 : 200;
    head.framing = path == "/none"                       ? Framing::kNone
                   : path == "/length" || path == "/304" ? Framing::kLength
                                                         : Framing::kChunked;
    head.content_length = 3;
    transaction.send_head(head);
    transaction.send_body("abc");
    transaction.finish();
  });
  struct Case {
    const char* request;
    const char* contains;
    const char* lacks;
    const char* end;
  };
  for (const Case& item :
       std::vector<Case>{{"GET /length HTTP/1.1", "Content-Length: 3", "Transfer", "\r\n\r\nabc"},
                         {"GET /chunked HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length",
                          "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
                         {"GET /chunked HTTP/1.0", "Connection: close", "Transfer", "\r\n\r\nabc"},
                         {"HEAD /length HTTP/1.1", "Content-Length: 3", "Transfer", "\r\n\r\n"},
                         {"HEAD /chunked HTTP/1.1", "200 OK", "Content-Length", "\r\n\r\n"},
                         {"GET /none HTTP/1.1", "Content-Length: 0", "Transfer", "\r\n\r\n"},
                         {"GET /204 HTTP/1.1", "204 No Content", "Content-Length", "\r\n\r\n"},
                         {"GET /304 HTTP/1.1", "Content-Length: 3", "Transfer", "\r\n\r\n"}}) {
    SCOPED_TRACE(item.request);
    Socket client = server.connect();
    client.send(std::string(item.request) + "\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string& text = client.receive_all();
    EXPECT_NE(std::string::npos, text.find(item.contains)) << text;
    EXPECT_EQ(std::string::npos, text.find(item.lacks)) << text;
    EXPECT_TRUE(text.ends_with(item.end)) << text;
  }
}

TEST(ServerConnection, AnswerThatEndsEarlyClosesTheConnection) {
  TestServer server([](Transaction& transaction) {
    ResponseHead head(transaction.arena());
    head.status = 200;
    head.framing = transaction.request().path == "/length" ? Framing::kLength : Framing::kChunked;
    head.content_length = 100;
    transaction.send_head(head);
    transaction.send_body("abc");
    transaction.request().path == "/length" ? transaction.finish() : transaction.abort();
  });
  for (const char* path : {"/length", "/chunked"}) {
    Socket client = server.connect();
    client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string& text = client.receive_all();
    EXPECT_EQ(std::string::npos, text.find("\r\n0\r\n\r\n")) << text;
    EXPECT_NE(std::string::npos, text.find("abc")) << text;
  }
  // To an HTTP/1.0 client the end of the connection would look like the end of the body.
  Socket client = server.connect();
  client.send("GET /chunked HTTP/1.0\r\n\r\n");
  client.receive_all();
  EXPECT_TRUE(client.was_reset);
}

TEST(ServerConnection, SlowReaderStopsTheWriter) {
  struct Writer final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override { write(); }
    void on_aborted() override { over = true; }
    void write() {
      const std::string piece(100000, 'x');
      while (left > 0) {
        const std::size_t size = std::min(left, piece.size());
        left -= size;
        ++pieces;
        if (!transaction->send_body(std::string_view(piece).substr(0, size))) return;
      }
      over = true;
      transaction->finish();
    }
    Transaction* transaction = nullptr;
    std::size_t left = 50'000'000;
    int pieces = 0;
    bool over = false;
  } writer;
  TestServer server([&](Transaction& transaction) {
    writer.transaction = &transaction;
    transaction.set_sink(&writer);
    ResponseHead head(transaction.arena());
    head.status = 200;
    head.framing = Framing::kLength;
    head.content_length = writer.left;
    transaction.send_head(head);
    writer.write();
  });
  Socket client = server.connect(8192);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  server.thread.run([&] { EXPECT_GT(writer.left, 30'000'000u); });
  const std::size_t head = client.received.find("\r\n\r\n") + 4;
  EXPECT_EQ(head + 50'000'000u, client.receive_all().size());
  server.thread.run([&] { EXPECT_TRUE(writer.over); });
}

TEST(ServerConnection, PausedBodyWaits) {
  struct Sink final : TransactionSink {
    void on_body(std::string_view data, bool last) override {
      EXPECT_FALSE(paused);
      bytes += data.size();
      done = last;
      paused = true;
      transaction->pause_body();
    }
    void on_writable() override {}
    void on_aborted() override {}
    Transaction* transaction = nullptr;
    std::size_t bytes = 0;
    bool paused = false;
    bool done = false;
  } sink;
  TestServer server([&](Transaction& transaction) {
    sink.transaction = &transaction;
    transaction.set_sink(&sink);
    transaction.read_body();
  });
  Socket client = server.connect();
  constexpr std::size_t kSize = 5'000'000;
  std::thread sender([&] {
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kSize) +
                "\r\n\r\n" + std::string(kSize, 'a'));
  });
  while (true) {
    ASSERT_TRUE(server.thread.wait_until([&] { return sink.paused; }));
    bool done = false;
    server.thread.run([&] {
      done = sink.done;
      sink.paused = false;
      if (!done) sink.transaction->read_body();
    });
    if (done) break;
  }
  sender.join();
  EXPECT_EQ(kSize, sink.bytes);
  server.thread.run([&] { answer(*sink.transaction, 200, ""); });
  EXPECT_EQ("200", status_of(client.receive_answer()));
}

}  // namespace
}  // namespace gw::http
