// SPDX-License-Identifier: Apache-2.0
#include "base64url.h"

#include <gtest/gtest.h>

namespace gw::auth {
namespace {

TEST(Base64url, KnownPairs) {  // RFC 4648, section 10, without padding
  for (auto [bytes, text] : {std::pair{"", ""},
                             {"f", "Zg"},
                             {"fo", "Zm8"},
                             {"foo", "Zm9v"},
                             {"foob", "Zm9vYg"},
                             {"fooba", "Zm9vYmE"},
                             {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(encode_base64url(bytes), text);
    EXPECT_EQ(decode_base64url(text), bytes);
  }
  EXPECT_EQ(encode_base64url("\xfb\xff"), "-_8");
  EXPECT_EQ(decode_base64url("-_8"), "\xfb\xff");
}

TEST(Base64url, EveryByteSurvives) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  for (std::size_t size = 0; size <= all.size(); ++size) {
    std::string part = all.substr(all.size() - size);
    EXPECT_EQ(decode_base64url(encode_base64url(part)), part);
  }
}

TEST(Base64url, OneSpellingOnly) {
  EXPECT_FALSE(decode_base64url("Zg=="));   // padding
  EXPECT_FALSE(decode_base64url("Zh"));     // the four unused bits are not zero
  EXPECT_FALSE(decode_base64url("Zm9"));    // two unused bits: 'Zm8' is the spelling
  EXPECT_FALSE(decode_base64url("+/8"));    // the other alphabet
  EXPECT_FALSE(decode_base64url("Z"));      // impossible length
  EXPECT_FALSE(decode_base64url("Zm9vA"));  // the same
  EXPECT_FALSE(decode_base64url("Zm 9v"));
  EXPECT_FALSE(decode_base64url("Zm9v\n"));
  EXPECT_FALSE(decode_base64url(std::string_view("Zm9\0", 4)));
}

}  // namespace
}  // namespace gw::auth
