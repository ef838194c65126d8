// SPDX-License-Identifier: Apache-2.0
//
// Listeners that ask for PROXY headers, and listeners with a limit of their own, over real sockets.
#include "http/proxy_entrance.h"

#include <cstdint>

#include "http/testing_support.h"

namespace gw::http {
namespace {

using testing::answer;
using testing::Socket;
using testing::TestServer;

const std::string kHeader = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 8443\r\n";
const std::string kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Answers with the addresses that a filter and a service would see.
void tell_addresses(Transaction& transaction) {
  const FieldList& fields = transaction.request().fields;
  const std::string text = std::string(transaction.peer().address) + " " +
                           std::string(fields.find("X-Forwarded-For")->value) + " " +
                           std::string(fields.find("X-Forwarded-Port")->value);
  answer(transaction, 200, text);
}

ListenerInfo proxied() {
  ListenerInfo info;
  info.name = "main";
  info.proxy_protocol = true;
  return info;
}

TEST(ProxyEntrance, TheHeaderSaysWhoTheClientIs) {
  TestServer server(tell_addresses, {}, proxied());
  Socket text = server.connect();
  ASSERT_TRUE(text.send(kHeader + kRequest + kRequest));
  EXPECT_TRUE(text.receive_answer().ends_with("\r\n\r\n192.0.2.1 192.0.2.1 8443"));
  EXPECT_TRUE(text.receive_answer().ends_with("\r\n\r\n192.0.2.1 192.0.2.1 8443"));
  Socket port_said = server.connect();
  ASSERT_TRUE(port_said.send(kHeader + "GET / HTTP/1.1\r\nHost: a:81\r\n\r\n"));
  EXPECT_TRUE(port_said.receive_answer().ends_with(" 192.0.2.1 81"));

  for (const std::string& silent :
       {std::string("PROXY UNKNOWN\r\n"), std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16)}) {
    Socket local = server.connect();
    ASSERT_TRUE(local.send(silent + kRequest));
    EXPECT_TRUE(local.receive_answer().ends_with("\r\n\r\n127.0.0.1 127.0.0.1 80"));
  }
}

TEST(ProxyEntrance, TheHeaderMayComeInPieces) {
  TestServer server(tell_addresses, {}, proxied());
  Socket client = server.connect();
  for (const char byte : kHeader + kRequest) {
    ASSERT_TRUE(client.send({&byte, 1}));
    server.thread.run([] {});  // lets the loop see it alone
  }
  EXPECT_TRUE(client.receive_answer().ends_with(" 192.0.2.1 8443"));
}

TEST(ProxyEntrance, ClosesWhatDoesNotSayIt) {
  ServerSettings settings;
  settings.limits.header_timeout_ms = 100;
  TestServer server(tell_addresses, settings, proxied());
  std::uint64_t refused = 0;
  for (const std::string& wrong : {kRequest, std::string("PROXY TCP4 1.2.3.4\r\n"),
                                   std::string(5000, 'P'), kHeader.substr(0, 20)}) {
    Socket client = server.connect();
    client.send(wrong);
    EXPECT_EQ("", client.receive_all());
    ++refused;
    EXPECT_TRUE(server.thread.wait_until([&] {
      return server.metrics.connections_refused_proxy_header.value() == refused;
    })) << wrong;
  }
  Socket silent = server.connect();  // until the deadline
  EXPECT_EQ("", silent.receive_all());
  Socket scan = server.connect();  // a health check of the lower sort
  scan.close();
  EXPECT_TRUE(server.thread.wait_until([&] { return server.count.total() == 0; }));
  EXPECT_EQ(refused + 1, server.metrics.connections_refused_proxy_header.value());
  EXPECT_EQ(0u, server.metrics.connections_accepted.value());
}

TEST(ProxyEntrance, LimitsCountTheClientAndWhoIsStillAtTheDoor) {
  ServerSettings settings;
  settings.limits.max_connections_per_peer = 1;
  settings.limits.max_connections = 3;
  TestServer server(tell_addresses, settings, proxied());
  Socket first = server.connect();
  first.send(kHeader + kRequest);
  first.receive_answer();
  Socket same = server.connect();
  same.send(kHeader + kRequest);
  EXPECT_NE(std::string::npos, same.receive_all().find(" 503 "));
  Socket other = server.connect();
  other.send("PROXY TCP4 192.0.2.9 198.51.100.2 1 2\r\n" + kRequest);
  EXPECT_TRUE(other.receive_answer().ends_with(" 192.0.2.9 2"));
  Socket waiting = server.connect();
  ASSERT_TRUE(server.thread.wait_until([&] { return server.count.total() == 3; }));
  Socket surplus = server.connect();
  EXPECT_NE(std::string::npos, surplus.receive_all().find(" 503 "));
}

TEST(ProxyEntrance, EndsWithTheDrain) {
  TestServer server(tell_addresses, {}, proxied());
  Socket waiting = server.connect();
  ASSERT_TRUE(server.thread.wait_until([&] { return server.count.total() == 1; }));
  bool drained = false;
  server.thread.run([&] { server.connections->drain(60000, [&] { drained = true; }); });
  EXPECT_EQ("", waiting.receive_all());
  EXPECT_TRUE(server.thread.wait_until([&] { return drained && server.count.total() == 0; }));
}

TEST(ListenerLimit, RefusesWhatIsTooMuchForTheListener) {
  ListenerInfo info;
  info.name = "main";
  info.share->max_connections = 1;
  TestServer server(tell_addresses, {}, info);
  Socket first = server.connect();
  first.send(kRequest);
  first.receive_answer();
  Socket second = server.connect();
  EXPECT_NE(std::string::npos, second.receive_all().find(" 503 "));
  EXPECT_EQ(1u, server.metrics.connections_refused_listener.value());
  EXPECT_EQ(1u, server.count.total());
  first.close();
  ASSERT_TRUE(server.thread.wait_until([&] { return server.count.total() == 0; }));
  Socket third = server.connect();
  third.send(kRequest);
  EXPECT_NE(std::string::npos, third.receive_answer().find(" 200 "));
}

TEST(ListenerRemoval, ServesWhoHadConnectedBefore) {
  TestServer server(tell_addresses);
  Socket client;
  server.thread.run([&] {
    client = server.connect();  // by the system alone: the loop is busy here
    server.connections->remove_listener(0);
  });
  ASSERT_TRUE(client.send(kRequest));
  EXPECT_NE(std::string::npos, client.receive_answer().find(" 200 "));
}

}  // namespace
}  // namespace gw::http
