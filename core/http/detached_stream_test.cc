// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Socket;
using testing::TestServer;

// A stream and what its owner heard.
struct Owner final : DetachedStream {
  void on_lost(int reason) override { closed = reason; }
  void on_writable() override { ++writable; }
  void on_drain() override {
    drained = true;
    if (end_at_drain) {
      send("bye");
      end_answer();
    }
  }

  void begin(Transaction& transaction) {
    ResponseHead head(transaction.arena());
    head.status = 200;
    head.framing = Framing::kChunked;
    EXPECT_TRUE(head.fields.add("Content-Type", "text/event-stream"));
    transaction.send_head(head);
    transaction.detach(*this);
    EXPECT_EQ(Written::kOk, send("first"));
  }

  std::optional<int> closed;
  int writable = 0;
  bool drained = false;
  bool end_at_drain = false;
};

TestServer::Handler serve(Owner& owner) {
  return [&](Transaction& transaction) {
    if (transaction.request().path == "/stream") return owner.begin(transaction);
    answer(transaction, 200, "plain");
  };
}

constexpr std::string_view kRequest = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(DetachedStream, SendsAndGivesTheConnectionBack) {
  Owner owner;
  TestServer server(serve(owner));
  Socket client = server.connect();
  client.send(kRequest);
  ASSERT_TRUE(client.receive_until("\r\n\r\n5\r\nfirst\r\n"));
  EXPECT_EQ(1u, server.metrics.streams_open.value());
  server.thread.run([&] { owner.send("more"); });
  ASSERT_TRUE(client.receive_until("4\r\nmore\r\n"));
  server.thread.run([&] {
    owner.end_answer();
    EXPECT_EQ(DetachedStream::Written::kGone, owner.send("x"));
    owner.drop();
  });
  ASSERT_TRUE(client.receive_until("0\r\n\r\n"));
  client.received.clear();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.receive_answer().ends_with("plain"));
  EXPECT_EQ(0u, server.metrics.streams_open.value());
  EXPECT_FALSE(owner.closed.has_value());
}

TEST(DetachedStream, EndsWithinTheCallThatBeganIt) {
  Owner owner;
  TestServer server([&](Transaction& transaction) {
    if (transaction.request().path != "/stream") return answer(transaction, 200, "plain");
    owner.begin(transaction);
    owner.end_answer();
  });
  Socket client = server.connect();
  client.send(std::string(kRequest).append("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  ASSERT_TRUE(client.receive_until("5\r\nfirst\r\n0\r\n\r\n"));
  EXPECT_TRUE(client.receive_until("plain"));
}

TEST(DetachedStream, Http10GetsItRaw) {
  Owner owner;
  TestServer server(serve(owner));
  Socket client = server.connect();
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(client.receive_until("\r\n\r\nfirst"));
  server.thread.run([&] { owner.end_answer(); });
  EXPECT_TRUE(client.receive_all().ends_with("\r\n\r\nfirst"));
}

TEST(DetachedStream, TellsWhenTheClientIsGone) {
  for (const bool reset : {false, true}) {
    Owner owner;
    TestServer server(serve(owner));
    Socket client = server.connect();
    client.send(kRequest);
    ASSERT_TRUE(client.receive_until("first"));
    reset ? client.reset() : client.close();
    ASSERT_TRUE(server.thread.wait_until([&] { return owner.closed.has_value(); }));
    EXPECT_EQ(1, *owner.closed);
    server.thread.run([&] {
      EXPECT_EQ(DetachedStream::Written::kGone, owner.send("x"));
      owner.end_answer();
      owner.drop();
    });
  }
}

TEST(DetachedStream, DroppingTheHandleClosesTheConnection) {
  Owner owner;
  TestServer server(serve(owner));
  Socket client = server.connect();
  client.send(kRequest);
  ASSERT_TRUE(client.receive_until("first"));
  server.thread.run([&] { owner.drop(); });
  EXPECT_EQ(std::string::npos, client.receive_all().find("0\r\n\r\n"));
}

TEST(DetachedStream, BoundsWhatIsUnsentAndCutsTheSlowOff) {
  Owner owner;
  ServerSettings settings;
  settings.limits.max_stream_unsent_bytes = 20000;
  settings.limits.write_timeout_ms = 200;
  TestServer server(serve(owner), settings);
  Socket client = server.connect(4096);
  client.send(kRequest);
  ASSERT_TRUE(client.receive_until("first"));
  // Fill the socket, then the cap.
  server.thread.run([&] {
    const std::string event(1000, 'e');
    int written = 0;
    while (owner.send(event) == DetachedStream::Written::kOk) {
      ASSERT_LT(++written, 100000);
    }
    EXPECT_EQ(DetachedStream::Written::kFull, owner.send(event));
    EXPECT_LT(0u, server.metrics.streams_full.value());
  });
  // Reading lets the owner write on.
  while (client.receive_some()) {
    bool writable = false;
    server.thread.run([&] { writable = owner.writable > 0; });
    if (writable) break;
  }
  server.thread.run([&] {
    const std::string event(1000, 'e');
    while (owner.send(event) == DetachedStream::Written::kOk) {
    }
  });
  ASSERT_TRUE(server.thread.wait_until([&] { return owner.closed.has_value(); }));
  EXPECT_EQ(2, *owner.closed);
  EXPECT_EQ(1u, server.metrics.streams_too_slow.value());
}

TEST(DetachedStream, AClientThatTalksIsCutOff) {
  Owner owner;
  TestServer server(serve(owner));
  Socket client = server.connect();
  client.send(kRequest);
  ASSERT_TRUE(client.receive_until("first"));
  client.send("tolerated");
  EXPECT_TRUE(client.quiet_for(20));
  client.send(std::string(10000, 'x'));
  EXPECT_TRUE(server.thread.wait_until([&] { return owner.closed.has_value(); }));
}

TEST(ServerConnections, DrainLetsEverybodyFinish) {
  Owner owner;
  owner.end_at_drain = true;
  Transaction* waiting = nullptr;
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { FAIL(); }
  } sink;
  TestServer server([&](Transaction& transaction) {
    if (transaction.request().path == "/stream") return owner.begin(transaction);
    if (transaction.request().path == "/idle") return answer(transaction, 200, "");
    waiting = &transaction;
    transaction.set_sink(&sink);
  });
  Socket idle = server.connect(), stream = server.connect(), busy = server.connect();
  idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_NE("", idle.receive_answer());
  stream.send(kRequest);
  ASSERT_TRUE(stream.receive_until("first"));
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(server.thread.wait_until([&] { return waiting != nullptr; }));

  bool done = false;
  server.thread.run([&] { server.connections->drain(30000, [&] { done = true; }); });
  EXPECT_EQ("", idle.receive_all());
  EXPECT_TRUE(stream.receive_all().ends_with("3\r\nbye\r\n0\r\n\r\n"));
  EXPECT_TRUE(owner.drained);
  stream.close();
  server.thread.run([&] {
    EXPECT_FALSE(done);
    answer(*waiting, 200, "whole");
  });
  const std::string& text = busy.receive_all();
  EXPECT_NE(std::string::npos, text.find("Connection: close")) << text;
  EXPECT_TRUE(text.ends_with("whole")) << text;
  EXPECT_TRUE(server.thread.wait_until([&] { return done; }));
}

// On a connection that rested, on one that nobody has accepted, behind a PROXY header, or just now.
TEST(ServerConnections, DrainServesWhatIsOnItsWay) {
  ListenerInfo info{.name = "main"};
  for (const bool proxied : {false, true}) {
    info.proxy_protocol = proxied;
    const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string header = proxied ? "PROXY UNKNOWN\r\n" : "";
    TestServer server([](Transaction& transaction) { answer(transaction, 200, "whole"); }, {},
                      info);
    Socket kept = server.connect(), last = server.connect(), fresh, bare;
    for (Socket* socket : {&kept, &last}) {
      socket->send(header + request);
      ASSERT_NE("", socket->receive_answer());
    }
    bool done = false;
    server.thread.run([&] {
      kept.send(request);
      fresh = server.connect();
      fresh.send(header + request);
      bare = server.connect();
      server.connections->drain(30000, [&] { done = true; });
      last.send(request);
      bare.send(header + request);
    });
    for (Socket* socket : {&kept, &last, &fresh, &bare}) {
      const std::string& text = socket->receive_all();
      EXPECT_NE(std::string::npos, text.find("Connection: close")) << text;
      EXPECT_TRUE(text.ends_with("whole")) << text;
    }
    EXPECT_TRUE(server.thread.wait_until([&] { return done; }));
  }
}

TEST(ServerConnections, DrainAbortsAtItsDeadline) {
  Owner owner;
  struct Sink final : TransactionSink {
    void on_body(std::string_view, bool) override {}
    void on_writable() override {}
    void on_aborted() override { aborted = true; }
    bool aborted = false;
  } sink;
  bool serving = false;
  TestServer server([&](Transaction& transaction) {
    if (transaction.request().path == "/stream") return owner.begin(transaction);
    serving = true;
    transaction.set_sink(&sink);
  });
  Socket stream = server.connect(), busy = server.connect();
  stream.send(kRequest);
  ASSERT_TRUE(stream.receive_until("first"));
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(server.thread.wait_until([&] { return serving; }));
  bool done = false;
  server.thread.run([&] { server.connections->drain(30, [&] { done = true; }); });
  EXPECT_TRUE(server.thread.wait_until([&] { return done; }));
  EXPECT_EQ(3, owner.closed.value_or(0));
  EXPECT_TRUE(sink.aborted);
}

TEST(ServerConnections, DrainOfNothingIsDoneSoonButLater) {
  TestServer server([](Transaction&) {});
  bool done = false;
  server.thread.run([&] {
    server.connections->drain(30000, [&] { done = true; });
    EXPECT_FALSE(done);
  });
  EXPECT_TRUE(server.thread.wait_until([&] { return done; }));
}

}  // namespace
}  // namespace gw::http
