// SPDX-License-Identifier: Apache-2.0
#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Socket;
using testing::TestServer;

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
      "Proxy-Connection: close\r\nProxy: http://evil\r\nX_User_Id: evil\r\nX-Forwarded-For: "
      "1.2.3.4\r\n"
      "X-Forwarded-Prefix: /x\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
      "X-Request-Id: mine\r\nAccept: a\r\n\r\n");
  client.receive_all();
  server.thread.run([&] {
    const std::string id = seen.substr(seen.find("X-Request-Id=") + 13, 32);
    EXPECT_EQ(std::string::npos, id.find_first_not_of("0123456789abcdef"));
    EXPECT_EQ(
        "Accept=a\nX-Forwarded-For=127.0.0.1\n"
        "Forwarded=for=127.0.0.1;host=\"shop.example\";proto=http\nX-Forwarded-Proto=http\n"
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
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n"
      "Connection: close, X-Forwarded-For, x-forwarded-proto, X-Forwarded-Port, X-Real-IP\r\n"
      "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
      "X-Real-IP: 1.2.3.4\r\nX-Request-Id: mine-1\r\n\r\n");
  client.receive_all();
  server.thread.run([&] {
    EXPECT_EQ("1.2.3.4", client_address);
    EXPECT_EQ("https", scheme);
    EXPECT_EQ(
        "X-Forwarded-For=9.9.9.9, 1.2.3.4, 10.0.0.9, 127.0.0.1\n"
        "Forwarded=for=1.2.3.4;host=\"a\";proto=https\nX-Forwarded-Proto=https\n"
        "X-Forwarded-Host=a\nX-Forwarded-Port=8443\nX-Real-IP=1.2.3.4\n"
        "Via=1.1 gateway\nX-Request-Id=mine-1\n",
        seen);
  });
}

// What a trusted peer's fields make of the client, its scheme and the Forwarded line.
TEST(ServerConnection, ForwardedOfTrustedProxies) {
  struct Case {
    const char* fields;
    const char* client;
    const char* scheme;
    const char* forwarded;
    const char* forwarded_for = nullptr;  // X-Forwarded-For, where Forwarded tells it
  };
  const Case table[] = {
      {"Forwarded: for=\"[2001:db8::1]:80\";proto=https, for=10.0.0.9\r\n", "2001:db8::1", "https",
       "for=\"[2001:db8::1]:80\";proto=https, for=10.0.0.9, for=127.0.0.1;host=\"a\";proto=https",
       "2001:db8::1, 10.0.0.9, 127.0.0.1"},
      {"Forwarded: for=9.9.9.9\r\nForwarded: for=1.2.3.4\r\n", "1.2.3.4", "http",
       "for=9.9.9.9, for=1.2.3.4, for=127.0.0.1;host=\"a\";proto=http", "1.2.3.4, 127.0.0.1"},
      {"Forwarded: for=unknown, for=10.0.0.9\r\n", "10.0.0.9", "http",
       "for=unknown, for=10.0.0.9, for=127.0.0.1;host=\"a\";proto=http", "10.0.0.9, 127.0.0.1"},
      {"Forwarded: for=1.2.3.4;\r\n", "127.0.0.1", "http", "for=127.0.0.1;host=\"a\";proto=http"},
      {"Forwarded: for=1.2.3.4;\r\nX-Forwarded-For: 2001:db8::2\r\n", "2001:db8::2", "http",
       "for=\"[2001:db8::2]\";host=\"a\";proto=http"},
      {"Forwarded: for=1.2.3.4;proto=https\r\nX-Forwarded-For: 5.6.7.8\r\n", "5.6.7.8", "http",
       "for=1.2.3.4;proto=https, for=127.0.0.1;host=\"a\";proto=http"},
      {"X-Forwarded-Host: b, shop.example:8443\r\nX-Forwarded-Proto: https\r\n", "127.0.0.1",
       "https", "for=127.0.0.1;host=\"shop.example:8443\";proto=https"},
      {"X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4", "http", "for=1.2.3.4;host=\"a\";proto=http"},
      {"X-Forwarded-For: 1.2.3.4, [2001:db8::1]:443, 10.0.0.9:80\r\n", "2001:db8::1", "http",
       "for=\"[2001:db8::1]\";host=\"a\";proto=http"},
      {"X-Forwarded-For: 1.2.3.4:x\r\n", "127.0.0.1", "http",
       "for=127.0.0.1;host=\"a\";proto=http"},
      {"X-Forwarded-Host: \"\r\nX-Forwarded-Proto:\r\n", "127.0.0.1", "http",
       "for=127.0.0.1;host=\"a\";proto=http"},
  };
  ServerSettings settings;
  settings.trusted = [](std::string_view address) {
    return address == "127.0.0.1" || address.starts_with("10.");
  };
  std::string forwarded, forwarded_for, client_address, scheme;
  TestServer server(
      [&](Transaction& transaction) {
        forwarded = std::string(transaction.request().fields.find("Forwarded")->value);
        forwarded_for = std::string(transaction.request().fields.find("X-Forwarded-For")->value);
        client_address = transaction.peer().client_address;
        scheme = transaction.peer().scheme;
        answer(transaction, 200, "");
      },
      settings);
  for (const Case& row : table) {
    SCOPED_TRACE(row.fields);
    Socket client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + std::string(row.fields) +
                "\r\n");
    client.receive_all();
    server.thread.run([&] {
      EXPECT_EQ(row.client, client_address);
      EXPECT_EQ(row.scheme, scheme);
      EXPECT_EQ(row.forwarded, forwarded);
      if (row.forwarded_for != nullptr) {
        EXPECT_EQ(row.forwarded_for, forwarded_for);
      }
    });
  }
}

// Joining them would take more memory than a request may have.
TEST(ServerConnection, ForwardedThatCannotBeJoinedIsRefused) {
  ServerSettings settings;
  settings.trusted = [](std::string_view) { return true; };
  settings.limits.max_fields = 1000;
  settings.limits.max_header_bytes = 64 * 1024;
  TestServer server([](Transaction&) { FAIL() << "was served"; }, settings);
  for (const char* name : {"X-Forwarded-For", "Forwarded"}) {
    SCOPED_TRACE(name);
    std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
    const std::string line = std::string(name) + ": for=" + std::string(60, '1') + "\r\n";
    for (int i = 0; i < 600; ++i) request += line;
    Socket client = server.connect();
    client.send(request + "\r\n");
    EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 431"));
  }
}

TEST(ServerConnection, ForwardedCanBeOff) {
  ServerSettings settings;
  settings.trusted = [](std::string_view) { return true; };
  settings.forwarded = false;
  std::string seen;
  TestServer server(
      [&](Transaction& transaction) {
        seen = fields_of(transaction.request());
        answer(transaction, 200, "");
      },
      settings);
  Socket client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nForwarded: for=1.2.3.4\r\n\r\n");
  client.receive_all();
  server.thread.run([&] { EXPECT_EQ(std::string::npos, seen.find("\nForwarded=")) << seen; });
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
