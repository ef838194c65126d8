// SPDX-License-Identifier: Apache-2.0
#include "http/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::http {
namespace {

using Result = ProxyHeader::Result;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string number(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}
std::string binary(char command, char family, const std::string& rest) {
  return kSignature + command + family + number(rest.size()) + rest;
}
const std::string kIp4("\xc0\0\2\1\xc6\x33\x64\2\xdc\x04\1\xbb", 12);

struct Seen {
  Result result;
  std::string source;
  std::string destination;
  std::size_t size;
};

Seen read(const std::string& text) {
  ProxyHeader header;
  const Result result = read_proxy_header(text, header);
  char source[net::Address::kTextBytes];
  char destination[net::Address::kTextBytes];
  return {result, std::string(header.source.text(source)),
          std::string(header.destination.text(destination)), header.size};
}

TEST(ProxyHeader, Text) {
  struct Case {
    const char* text;
    const char* source;
    const char* destination;
  };
  for (const Case& item :
       {Case{"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324",
             "198.51.100.2:443"},
        Case{"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535",
             "255.255.255.255:65535"},
        Case{"PROXY TCP6 2001:db8::1 ::1 0 80\r\n", "[2001:db8::1]:0", "[::1]:80"},
        Case{"PROXY TCP6 ::ffff:192.0.2.1 ::1 5 80\r\n", "192.0.2.1:5", "[::1]:80"},
        Case{"PROXY UNKNOWN\r\n", "", ""}, Case{"PROXY UNKNOWN whatever 1 2 3\r\n", "", ""}}) {
    const std::string text = item.text;
    const Seen seen = read(text + "GET / HTTP/1.1\r\n");
    EXPECT_EQ(Result::kDone, seen.result) << text;
    EXPECT_EQ(text.size(), seen.size) << text;
    EXPECT_EQ(item.source, seen.source);
    EXPECT_EQ(item.destination, seen.destination);
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(Result::kMore, read(text.substr(0, size)).result) << text << size;
    }
  }
}

TEST(ProxyHeader, BadText) {
  for (const char* text :
       {"GET / HTTP/1.1\r\n", "PROXX TCP4", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 fe80::1%2 ::1 1 2\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY \r\n", "PROXY TCP4\r\n"}) {
    EXPECT_EQ(Result::kBad, read(text).result) << text;
  }
  const std::string longest = "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n";
  ASSERT_EQ(ProxyHeader::kMostTextBytes, longest.size());
  EXPECT_EQ(Result::kDone, read(longest).result);
  EXPECT_EQ(Result::kBad, read("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n").result);
  EXPECT_EQ(Result::kBad,
            read("PROXY TCP4 1.2.3.4" + std::string(1, '\0') + " 1.2.3.4 1 2\r\n").result);
}

TEST(ProxyHeader, Binary) {
  const std::string ip6 = std::string("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16) +
                          std::string(15, '\0') + "\1" + std::string("\0\5\0\x50", 4);
  struct Case {
    std::string text;
    const char* source;
    const char* destination;
  };
  for (const Case& item : {Case{binary(0x21, 0x11, kIp4), "192.0.2.1:56324", "198.51.100.2:443"},
                           Case{binary(0x21, 0x11, kIp4 + std::string("\4\0\3abc\1\0\0", 9)),
                                "192.0.2.1:56324", "198.51.100.2:443"},
                           Case{binary(0x21, 0x21, ip6), "[2001:db8::1]:5", "[::1]:80"},
                           Case{binary(0x20, 0x00, ""), "", ""},
                           Case{binary(0x20, 0x11, kIp4), "", ""},  // LOCAL: whatever it says
                           Case{binary(0x20, 0x7f, kIp4), "", ""},
                           Case{binary(0x21, 0x31, std::string(216, 'x')), "", ""},
                           Case{binary(0x21, 0x12, kIp4), "", ""}}) {
    const Seen seen = read(item.text + "GET");
    EXPECT_EQ(Result::kDone, seen.result);
    EXPECT_EQ(item.text.size(), seen.size);
    EXPECT_EQ(item.source, seen.source);
    EXPECT_EQ(item.destination, seen.destination);
    for (std::size_t size = 0; size < item.text.size(); ++size) {
      EXPECT_EQ(Result::kMore, read(item.text.substr(0, size)).result) << size;
    }
  }
}

TEST(ProxyHeader, BadBinary) {
  for (const std::string& text :
       {binary(0x11, 0x11, kIp4), binary(0x22, 0x11, kIp4), binary(0x21, 0x41, kIp4),
        binary(0x21, 0x13, kIp4), binary(0x21, 0x11, kIp4.substr(1)), binary(0x21, 0x21, kIp4),
        binary(0x21, 0x31, kIp4), binary(0x21, 0x11, kIp4 + "\4"),
        binary(0x21, 0x11, kIp4 + std::string("\4\0\4abc", 6)),
        binary(0x21, 0x00, std::string("\4\xff\xff", 3)),
        binary(0x21, 0x11, kIp4 + std::string("\3\0\3abc", 6)),
        binary(0x21, 0x11, kIp4 + std::string("\3\0\4abcd", 7)), "\r\n\r\n" + std::string("\1"),
        kSignature + std::string("\x21\x11\x0f\xf1", 4)}) {
    EXPECT_EQ(Result::kBad, read(text).result) << text.size();
  }
}

// The sum was computed apart from this code (CRC-32C of "123456789" there: e3069283).
TEST(ProxyHeader, Checksum) {
  std::string header = binary(0x21, 0x11, kIp4 + std::string("\3\0\4\0\0\0\0", 7));
  const std::size_t at = header.size() - 4;
  const std::string sum{'\x20', '\xec', '\x95', '\x49'};
  header.replace(at, 4, sum);
  EXPECT_EQ(Result::kDone, read(header).result);
  header[20] = static_cast<char>(header[20] ^ 1);
  EXPECT_EQ(Result::kBad, read(header).result);
}

// Each of the two holds when the other is taken as it stands.
TEST(ProxyHeader, TwoChecksums) {
  const std::string sums("\3\0\4\x32\x1f\x3a\x58\3\0\4\x41\x71\x5b\x27", 14);
  EXPECT_EQ(Result::kBad, read(binary(0x21, 0x11, kIp4 + sums)).result);
}

}  // namespace
}  // namespace gw::http
