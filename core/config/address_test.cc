// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <gmock/gmock.h>

namespace gw::config {
namespace {

using ::testing::HasSubstr;

TEST(ListenAddress, IsRead) {
  struct Case {
    const char* text;
    const char* normal;
    bool loopback;
  };
  const Case cases[] = {
      {"127.0.0.1:8080", "127.0.0.1:8080", true},
      {"127.9.0.1:0", "127.9.0.1:0", true},
      {"0.0.0.0:80", "0.0.0.0:80", false},
      {"localhost:8080", "127.0.0.1:8080", true},
      {"*:8080", "*:8080", false},
      {"systemd:web", "systemd:web", false},
      {"[::1]:8080", "[::1]:8080", true},
      {"[::]:8080", "[::]:8080", false},
      {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true},
      {"unix:run/admin.sock", "unix:/etc/gw/run/admin.sock", true},
      {"unix:/run/x/../gw.sock", "unix:/run/gw.sock", true},
  };
  for (const Case& test : cases) {
    auto address = parse_listen_address(test.text, "/etc/gw");
    ASSERT_TRUE(address.ok()) << test.text;
    EXPECT_EQ(address->text, test.normal);
    EXPECT_EQ(address->loopback, test.loopback) << test.text;
  }
  EXPECT_EQ(parse_listen_address("[::1]:65535", "/")->port, 65535);
  EXPECT_EQ(parse_listen_address("[::1]:65535", "/")->host, "::1");
}

TEST(ListenAddress, IsRefused) {
  for (const char* text : {"",
                           ":",
                           ":80",
                           "8080",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:x",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1: 80",
                           "::1:8080",
                           "[127.0.0.1]:80",
                           "[::1]",
                           "[]:80",
                           "shop.example:80",
                           "300.0.0.1:80",
                           "127.1:80",
                           "unix:",
                           "systemd:",
                           "systemd:a b",
                           "http://127.0.0.1:80"})
    EXPECT_FALSE(parse_listen_address(text, "/").ok()) << text;
  EXPECT_FALSE(parse_listen_address("unix:" + std::string(200, 'x'), "/").ok());
  EXPECT_FALSE(parse_listen_address(std::string("unix:a\0b", 8), "/").ok());
}

TEST(IpAddress, OnlyStrictForms) {
  IpAddress ip;
  for (const char* good : {"10.0.0.7", "::1", "::", "fe80::1", "::ffff:10.0.0.7"})
    EXPECT_TRUE(parse_ip(good, ip)) << good;
  for (const char* bad : {"", "10.0.0", "10.0.0.07", "0x7f.0.0.1", "2130706433", "10.0.0.7 ",
                          "10.0.0.7:80", "[::1]", "fe80::1%eth0", "unix", ":::"})
    EXPECT_FALSE(parse_ip(bad, ip)) << bad;
  EXPECT_FALSE(parse_ip(std::string_view("10.0.0.7\0x", 10), ip));
  EXPECT_FALSE(parse_ip(std::string(1000, '1'), ip));
}

TEST(Cidr, Contains) {
  struct Case {
    const char* network;
    const char* address;
    bool inside;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},  // IPv4 on an IPv6 socket
      {"172.16.0.0/12", "172.31.255.255", true},
      {"172.16.0.0/12", "172.32.0.0", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"::1/128", "::1", true},
      {"::1", "::2", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::/0", "10.0.0.1", true},
      {"10.0.0.0/8", "unix", false},
      {"10.0.0.0/8", "nonsense", false},
  };
  for (const Case& test : cases) {
    auto cidr = parse_cidr(test.network);
    ASSERT_TRUE(cidr.ok()) << test.network;
    EXPECT_EQ(NetworkSet({*cidr}).contains(std::string_view(test.address)), test.inside)
        << test.network << " " << test.address;
  }
  EXPECT_TRUE(NetworkSet({}, true).contains("unix"));
  EXPECT_TRUE(NetworkSet().empty());
}

TEST(Cidr, IsRefused) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
                           "10.0.0.0/ 8", "::1/129", "localhost/8", "10.0.0.0/256"})
    EXPECT_FALSE(parse_cidr(text).ok()) << text;
  EXPECT_THAT(parse_cidr("10.0.0.1/8").error(), HasSubstr("bits set behind"));
}

}  // namespace
}  // namespace gw::config
