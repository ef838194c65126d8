// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <random>

#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Echo;
using testing::Socket;
using testing::status_of;
using testing::TestServer;

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
      {"the beginning of a method", "GE / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"a CR before it", "\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"two CRs before it", "\r\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"an LF before it", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"an empty line and a CR before it", "\r\n\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"three empty lines before it", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"a space before it", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"no method", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"bad Max-Forwards", "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: -1\r\n\r\n", "400"},
      {"two Content-Types", with("Content-Type: a/b\r\nContent-Type: a/b\r\n"), "400"},
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
  // Of two faults the first one counts.
  const std::string large = "A: " + std::string(17000, 'a') + "\r\n";
  const std::string long_target = "/" + std::string(9000, 'a');
  cases.push_back({"too large a head, a bad line", with(large + ": b\r\n"), "431"});
  cases.push_back({"a bad line, too large a head", with(": b\r\n" + large), "400"});
  cases.push_back({"too long a target, a bad byte", get(long_target + "\x80"), "414"});
  cases.push_back({"too long a target, a bad line",
                   "GET " + long_target + " HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "414"});
  cases.push_back({"too long a target, too many lines",
                   "GET " + long_target + " HTTP/1.1\r\nHost: x\r\n" + many + "\r\n", "414"});
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
  for (const std::string& body :
       std::vector<std::string>{"x\r\n",
                                "-1\r\n",
                                "\r\n",
                                "0x3\r\nabc\r\n",
                                "3 \r\nabc\r\n",
                                "3\nabc\n0\n\n",
                                "3\r\nabcd\r\n0\r\n\r\n",
                                "3\r\nabc\r\n0\r\n: x\r\n\r\n",
                                "00000000000000003\r\nabc\r\n0\r\n\r\n",
                                "10000000000000000\r\n",
                                "3;" + std::string(5000, 'a') + "\r\nabc\r\n0\r\n\r\n",
                                "3\r\nabc\r\n0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n",
                                "3;a[=b\r\nabc\r\n0\r\n\r\n",
                                "3;a=\r\nabc\r\n0\r\n\r\n",
                                "3;a=b[\r\nabc\r\n0\r\n\r\n",
                                "3;a b\r\nabc\r\n0\r\n\r\n",
                                "3;a \r\nabc\r\n0\r\n\r\n",
                                "3;a=b=c\r\nabc\r\n0\r\n\r\n",
                                "3;a=\"b\"c\r\nabc\r\n0\r\n\r\n",
                                "3;a=\"b\"=c\r\nabc\r\n0\r\n\r\n",
                                "3;a=b \r\nabc\r\n0\r\n\r\n",
                                "3;;a\r\nabc\r\n0\r\n\r\n",
                                "3;\xc3\xa9\r\nabc\r\n0\r\n\r\n",
                                "3;a=b;\r\nabc\r\n0\r\n\r\n",
                                "3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n",
                                "3\r\nabc\r\n0\r\n A: b\r\n\r\n"}) {
    SCOPED_TRACE(body.substr(0, 40));
    Socket client = server.connect();
    client.send(head + body);
    EXPECT_EQ("400", status_of(client.receive_all()));
  }
}

// RFC 9110 9.3.2: whatever was wrong with it.
TEST(ServerConnection, RefusesHeadWithoutContent) {
  ServerSettings settings;
  settings.limits.max_target_bytes = 100;
  settings.limits.max_header_bytes = 1000;
  TestServer server(Echo::serve, settings);
  const std::string host = "Host: a\r\n";
  for (const auto& [request, status] : std::vector<std::pair<std::string, std::string>>{
           {"HEAD / HTTP/1.1\r\n" + host + "a b: c\r\n\r\n", "400"},
           {"HEAD / HTTP/1.1\r\n" + host + " folded\r\n\r\n", "400"},
           {"HEAD / HTTP/1.1\n" + host + "\r\n", "400"},
           {"HEAD /a//b HTTP/1.1\r\n" + host + "\r\n", "400"},
           {"HEAD / HTTP/1.1\r\n\r\n", "400"},
           {"HEAD / HTTP/3.0\r\n" + host + "\r\n", "505"},
           {"HEAD /" + std::string(200, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "414"},
           {"HEAD / HTTP/1.1\r\n" + host + "A: " + std::string(2000, 'a') + "\r\n\r\n", "431"},
           {"HEAD / HTTP/1.1\r\n" + host +
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400"}}) {
    for (const bool at_once : {true, false}) {
      SCOPED_TRACE(request.substr(0, 60));
      Socket client = server.connect();
      if (at_once) {
        ASSERT_TRUE(client.send(request));
      } else {
        for (const char byte : request) {
          if (!client.send(std::string(1, byte))) break;
        }
      }
      const std::string text = client.receive_all();
      EXPECT_EQ(status, status_of(text)) << text;
      EXPECT_EQ(text.find("\r\n\r\n"), text.size() - 4) << text;
    }
  }
  settings.limits.header_timeout_ms = 50;
  TestServer hasty(Echo::serve, settings);
  Socket client = hasty.connect();
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: "));
  const std::string text = client.receive_all();
  EXPECT_EQ("408", status_of(text)) << text;
  EXPECT_EQ(text.find("\r\n\r\n"), text.size() - 4) << text;
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
           {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ""},  // the gateway's own to answer
           {"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", ""},
           {"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n", ""},
           {"OPTIONS http://a? HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /? "},
           {"OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS / "},
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

TEST(ServerConnection, RefusalReachesAClientThatGoesOnSending) {
  TestServer server([](Transaction& transaction) { answer(transaction, 200, ""); });
  for (const std::size_t size : {2'000'000, 40'000'000}) {
    Socket client = server.connect();
    EXPECT_TRUE(client.send("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                            std::to_string(size) + "\r\n\r\n" + std::string(size, 'x')));
    client.end_output();
    EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 400"));
    EXPECT_FALSE(client.was_reset);
  }
}

}  // namespace
}  // namespace gw::http
