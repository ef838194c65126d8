// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::net {
namespace {

TEST(Address, IsWrittenAsItIsRead) {
  char out[Address::kTextBytes];
  for (int byte = 0; byte < 256; ++byte) {
    const std::string part = std::to_string(byte);
    for (const std::string& text : {part + ".0.10." + part, "100." + part + ".99.255"}) {
      EXPECT_EQ(text, Address::from_ip(text).host_text(out));
      EXPECT_EQ(text + ":8080", Address::from_ip(text, 8080).text(out));
    }
  }
  EXPECT_EQ("2001:db8::1", Address::from_ip("2001:db8::1").host_text(out));
  EXPECT_EQ("[2001:db8::1]:80", Address::from_ip("2001:db8::1", 80).text(out));
  EXPECT_EQ("", Address().host_text(out));
}

TEST(Address, IsEqualInAllItsParts) {
  const Address one = Address::from_ip("10.0.0.1", 80);
  EXPECT_EQ(one, Address::from_ip("10.0.0.1", 80));
  EXPECT_NE(one, Address::from_ip("10.0.0.1", 81));
  EXPECT_NE(one, Address::from_ip("10.0.0.2", 80));
  EXPECT_NE(one, Address::from_ip("10.0.0.1"));
  const Address six = Address::from_ip("fe80::1%2", 80);
  EXPECT_EQ(six, Address::from_ip("fe80::1%2", 80));
  EXPECT_NE(six, Address::from_ip("fe80::1%3", 80));
  EXPECT_NE(six, Address::from_ip("fe80::2%2", 80));
  EXPECT_NE(Address::from_ip("a00:1::"), Address::from_ip("10.0.0.1"));
}

}  // namespace
}  // namespace gw::net
