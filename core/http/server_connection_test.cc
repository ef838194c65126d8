// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <random>

#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Socket;
using testing::TestServer;

// Reads the body, then answers with what came: "METHOD path?query body".
class Echo final : public TransactionSink {
 public:
  explicit Echo(Transaction& transaction) : transaction_(transaction) {}
  static void serve(Transaction& transaction) {
    auto* echo = new Echo(transaction);
    transaction.set_sink(echo);
    transaction.read_body();
  }
  void on_body(std::string_view data, bool last) override {
    body_.append(data);
    if (!last) return;
    const RequestHead& head = transaction_.request();
    const std::string text = std::string(head.method) + " " + std::string(head.path) +
                             (head.has_query ? "?" + std::string(head.query) : "") + " " + body_;
    answer(transaction_, 200, text);
    delete this;
  }
  void on_writable() override {}
  void on_aborted() override { delete this; }

 private:
  Transaction& transaction_;
  std::string body_;
};

std::string status_of(const std::string& text) {
  return text.size() < 12 ? "none" : text.substr(9, 3);
}

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

struct RefusedCase {
  const char* what;
  std::string request;
  const char* status;
};

std::vector<RefusedCase> refused_cases() {
  const std::string host = "Host: x\r\n";
  const auto get = [&](const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\n" + host + "\r\n";
  };
  const auto with = [&](const std::string& lines) {
    return "POST / HTTP/1.1\r\n" + host + lines + "\r\n";
  };
  std::vector<RefusedCase> cases = {
      {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
      {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
      {"joined Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
      {"Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
      {"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
      {"Host with bad port", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400"},
      {"absolute-form with userinfo", get("http://u@a/"), "400"},
      {"absolute-form of another scheme", get("ftp://a/"), "400"},
      {"absolute-form, bad Host", "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), "400"},
      {",chunked", with("Transfer-Encoding: ,chunked\r\n"), "400"},
      {"chunked, chunked", with("Transfer-Encoding: chunked, chunked\r\n"), "400"},
      {"chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       "400"},
      {"xchunked", with("Transfer-Encoding: xchunked\r\n"), "400"},
      {"identity", with("Transfer-Encoding: identity\r\n"), "400"},
      {"chunked and length", with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400"},
      {"empty coding and length", with("Transfer-Encoding:\r\nContent-Length: 3\r\n"), "400"},
      {"two lengths", with("Content-Length: 3\r\nContent-Length: 3\r\n"), "400"},
      {"length list", with("Content-Length: 3, 3\r\n"), "400"},
      {"signed length", with("Content-Length: +3\r\n"), "400"},
      {"hex length", with("Content-Length: 0x3\r\n"), "400"},
      {"length overflow", with("Content-Length: 99999999999999999999\r\n"), "400"},
      {"empty length", with("Content-Length:\r\n"), "400"},
      {"HTTP/0.9", "GET /\r\n\r\n", "400"},
      {"HTTP/0.9 named", "GET / HTTP/0.9\r\nHost: x\r\n\r\n", "400"},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505"},
      {"HTTP/3.0", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505"},
      {"HTTP/x.1", "GET / HTTP/x.1\r\nHost: x\r\n\r\n", "400"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "400"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
      {"RTSP", "GET / RTSP/1.0\r\nHost: x\r\n\r\n", "400"},
      {"lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", "400"},
      {"DESCRIBE", "DESCRIBE / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "501"},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"PROPFIND", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"no method", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"bad Max-Forwards", "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: -1\r\n\r\n", "400"},
      {"two Max-Forwards",
       "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", "400"},
      {"GET *", get("*"), "400"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"two spaces behind", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"tab", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"relative target", get("a"), "400"},
      {"fragment", get("/a#b"), "400"},
      {"backslash", get("/a\\b"), "400"},
      {"bad escape", get("/%zz"), "400"},
      {"short escape", get("/%4"), "400"},
      {"bad escape in query", get("/?%zz"), "400"},
      {"space in name", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "400"},
      {"folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400"},
      {"bare LF", "GET / HTTP/1.1\nHost: x\n\n", "400"},
      {"bare CR", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400"},
      {"control in value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", "400"},
      {"DEL in value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n", "400"},
      {"NUL in value", "GET / HTTP/1.1\r\nHost: x\r\nA: b" + std::string(1, 0) + "c\r\n\r\n",
       "400"},
      {"obs-text in name", "GET / HTTP/1.1\r\nHost: x\r\nA\xc3\xa4: b\r\n\r\n", "400"},
      {"obs-text in target", get("/\xc3\xa4"), "400"},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400"},
      {"bad Connection", with("Connection: a b\r\n"), "400"},
      {"unknown expectation", with("Expect: 200-maybe\r\n"), "417"},
      {"too long a target", get("/" + std::string(9000, 'a')), "414"},
      {"too large a head", with("A: " + std::string(17000, 'a') + "\r\n"), "431"},
  };
  for (const char c : {'"', '<', '>', '^', '{', '|', '}', '`'}) {
    cases.push_back({"forbidden character", get(std::string("/a") + c), "400"});
    cases.push_back({"forbidden character in the query", get(std::string("/?a") + c), "400"});
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  cases.push_back({"too many lines", with(many), "431"});
  return cases;
}

TEST(ServerConnection, RefusesWhatIsAmbiguous) {
  TestServer server([](Transaction&) { FAIL() << "was served"; });
  for (const RefusedCase& item : refused_cases()) {
    SCOPED_TRACE(item.what);
    Socket client = server.connect();
    ASSERT_TRUE(client.send(item.request));
    client.end_output();
    const std::string& text = client.receive_all();
    EXPECT_EQ(item.status, status_of(text)) << text;
    EXPECT_NE(std::string::npos, text.find("Connection: close\r\n")) << text;
    EXPECT_NE(std::string::npos, text.find("{\"success\":false,\"error\":{\"code\":\"")) << text;
    EXPECT_EQ(text.rfind("HTTP/1.1 "), 0u);
    EXPECT_EQ(text.find("HTTP/1.1 ", 1), std::string::npos) << "answered twice: " << text;
  }
}

TEST(ServerConnection, RefusesTheSameHoweverItIsSplit) {
  const std::uint32_t seed = 20250115;
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  TestServer server(Echo::serve);
  std::vector<RefusedCase> cases = refused_cases();
  cases.push_back(
      {"a good one", "GET /x HTTP/1.1\r\nHost: a\r\nB: c\r\nConnection: close\r\n\r\n", "200"});
  cases.push_back({"an empty line before it",
                   "\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"});
  cases.push_back(
      {"a body",
       "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
       "200"});
  cases.push_back(
      {"chunks",
       "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
       "\r\n2\r\nhe\r\n3;x=\"y;\\\"z\"\r\nllo\r\n0\r\nX-User-Id: evil\r\n\r\n",
       "200"});
  for (const RefusedCase& item : cases) {
    SCOPED_TRACE(item.what);
    Socket client = server.connect();
    const int on = 1;
    setsockopt(client.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    std::string_view rest = item.request;
    while (!rest.empty()) {
      const std::size_t size =
          std::min<std::size_t>(rest.size(), 1 + random() % (rest.size() > 300 ? 2000 : 12));
      if (!client.send(rest.substr(0, size))) break;
      rest.remove_prefix(size);
      std::this_thread::yield();
    }
    client.end_output();
    const std::string& text = client.receive_all();
    EXPECT_EQ(item.status, status_of(text)) << text;
    if (std::string_view(item.status) == "200" && item.request.find("POST") != std::string::npos) {
      EXPECT_TRUE(text.ends_with("POST /x hello")) << text;
    }
  }
}

TEST(ServerConnection, RefusesBadChunks) {
  TestServer server(Echo::serve);
  const std::string head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& body : std::vector<std::string>{
           "x\r\n", "-1\r\n", "\r\n", "0x3\r\nabc\r\n", "3 \r\nabc\r\n", "3\nabc\n0\n\n",
           "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n: x\r\n\r\n",
           "00000000000000003\r\nabc\r\n0\r\n\r\n", "10000000000000000\r\n",
           "3;" + std::string(5000, 'a') + "\r\nabc\r\n0\r\n\r\n",
           "3\r\nabc\r\n0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n",
           "3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n A: b\r\n\r\n"}) {
    SCOPED_TRACE(body.substr(0, 40));
    Socket client = server.connect();
    client.send(head + body);
    EXPECT_EQ("400", status_of(client.receive_all()));
  }
}

TEST(ServerConnection, TakesWhatIsFine) {
  struct Case {
    const char* request;
    const char* echo;
  };
  TestServer server(Echo::serve);
  for (const Case& item : std::vector<Case>{
           {"GET http://a.example:80/x?y HTTP/1.1\r\nHost: other\r\n\r\n", "GET /x?y "},
           {"GET http://a HTTP/1.1\r\nHost: other\r\n\r\n", "GET / "},
           {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * "},
           {"GET /a? HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /a? "},
           {"GET /%ed%95%9c%41 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%ED%95%9CA "},
           {"DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "DELETE /a "},
           {"PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "PATCH / ab"},
           {"GET / HTTP/1.1\r\nHost: a\r\nCookie: \xea\xb0\x80\r\nEmpty:\r\n\r\n", "GET / "}}) {
    SCOPED_TRACE(item.request);
    Socket client = server.connect();
    ASSERT_TRUE(client.send(item.request));
    const std::string text = client.receive_answer();
    EXPECT_EQ("200", status_of(text)) << text;
    EXPECT_TRUE(text.ends_with(std::string("\r\n\r\n") + item.echo)) << text;
  }
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

TEST(ServerConnection, RefusalReachesAClientThatGoesOnSending) {
  TestServer server([](Transaction& transaction) { answer(transaction, 200, ""); });
  Socket client = server.connect();
  client.send("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" +
              std::string(2000000, 'x'));
  client.end_output();
  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 400"));
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

// What the handler saw of the request's fields, as text.
std::string fields_of(const RequestHead& head) {
  std::string out;
  for (const Field& field : head.fields) {
    out += std::string(field.name) + "=" + std::string(field.value) + "\n";
  }
  return out;
}

TEST(ServerConnection, TakesOutWhatBelongsToOneConnection) {
  std::string seen;
  TestServer server([&](Transaction& transaction) {
    seen = fields_of(transaction.request());
    answer(transaction, 200, "");
  });
  Socket client = server.connect();
  client.send(
      "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Private\r\nX-Private: 1\r\n"
      "Keep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\n"
      "Proxy-Connection: close\r\nX_User_Id: evil\r\nX-Forwarded-For: 1.2.3.4\r\n"
      "X-Forwarded-Prefix: /x\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
      "X-Request-Id: mine\r\nAccept: a\r\n\r\n");
  client.receive_all();
  server.thread.run([&] {
    const std::string id = seen.substr(seen.find("X-Request-Id=") + 13, 32);
    EXPECT_EQ(std::string::npos, id.find_first_not_of("0123456789abcdef"));
    EXPECT_EQ(
        "Accept=a\nX-Forwarded-For=127.0.0.1\nX-Forwarded-Proto=http\n"
        "X-Forwarded-Host=shop.example\nX-Forwarded-Port=80\nVia=1.1 gateway\nX-Request-Id=" +
            id + "\n",
        seen);
  });
}

TEST(ServerConnection, BelievesTrustedProxies) {
  ServerSettings settings;
  settings.trusted = [](std::string_view address) {
    return address == "127.0.0.1" || address.starts_with("10.");
  };
  std::string seen, client_address, scheme;
  TestServer server(
      [&](Transaction& transaction) {
        seen = fields_of(transaction.request());
        client_address = transaction.peer().client_address;
        scheme = transaction.peer().scheme;
        answer(transaction, 200, "");
      },
      settings);
  Socket client = server.connect();
  client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n"
      "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
      "X-Real-IP: 1.2.3.4\r\nX-Request-Id: mine-1\r\n\r\n");
  client.receive_all();
  server.thread.run([&] {
    EXPECT_EQ("1.2.3.4", client_address);
    EXPECT_EQ("https", scheme);
    EXPECT_EQ(
        "X-Forwarded-Proto=https\nX-Forwarded-Port=8443\nX-Real-IP=1.2.3.4\n"
        "X-Forwarded-For=9.9.9.9, 1.2.3.4, 10.0.0.9, 127.0.0.1\nX-Forwarded-Host=a\n"
        "Via=1.1 gateway\nX-Request-Id=mine-1\n",
        seen);
  });
}

TEST(ServerConnection, DefaultHeadersAndMessages) {
  ServerSettings settings;
  settings.response_headers = {{{{"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}}, {304}},
                               {{{"X-Frame-Options", "DENY"}}, {}},
                               {{{"Strict-Transport-Security", "max-age=1"}}, {}, true}};
  settings.trusted = [](std::string_view) { return true; };
  settings.text = [](std::string_view code, std::string_view language) -> std::string_view {
    return code != "BAD_REQUEST" ? "?" : language == "en" ? "bad" : "잘못된 요청입니다.";
  };
  TestServer server(
      [](Transaction& transaction) {
        if (transaction.request().path == "/own") {
          return answer(transaction, 200, "", {{"pragma", "x"}});
        }
        answer(transaction, transaction.request().path == "/304" ? 304 : 200, "");
      },
      settings);
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string text = client.receive_answer();
  EXPECT_NE(std::string::npos, text.find("Cache-Control: no-cache\r\nPragma: no-cache\r\nX-Frame"));
  EXPECT_EQ(std::string::npos, text.find("Strict-Transport-Security"));
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
  EXPECT_NE(std::string::npos, client.receive_answer().find("Strict-Transport-Security"));
  client.send("GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
  text = client.receive_answer();
  EXPECT_EQ(std::string::npos, text.find("Cache-Control"));
  EXPECT_NE(std::string::npos, text.find("X-Frame-Options: DENY"));
  client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("\r\n\r\n"));
  EXPECT_EQ(std::string::npos, client.received.find("Cache-Control"));
  client.received.clear();
  client.send("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n");
  text = client.receive_all();
  EXPECT_NE(std::string::npos, text.find("\"message\":\"잘못된 요청입니다.\"")) << text;
  EXPECT_NE(std::string::npos, text.find("\"path\":\"/a//b\"")) << text;
  EXPECT_NE(std::string::npos, text.find("X-Frame-Options: DENY")) << text;
}

}  // namespace
}  // namespace gw::http
