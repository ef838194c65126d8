// SPDX-License-Identifier: Apache-2.0
#include "bearer.h"

#include <gtest/gtest.h>

namespace gw::auth {
namespace {

using Kind = Bearer::Kind;

TEST(Bearer, Token) {
  for (const char* header : {"Bearer abc", "bearer abc", "BEARER abc", "bEaReR abc"}) {
    EXPECT_EQ(read_bearer(header).kind, Kind::kToken) << header;
    EXPECT_EQ(read_bearer(header).token, "abc") << header;
  }
  EXPECT_EQ(read_bearer("Bearer aZ09-._~+/==").token, "aZ09-._~+/==");
}

TEST(Bearer, OtherSchemesAreNoToken) {
  for (const char* header : {"", "Basic YTpi", "Digest x", "Beare", "abc", " Bearer abc"})
    EXPECT_EQ(read_bearer(header).kind, Kind::kNone) << header;
}

TEST(Bearer, Malformed) {
  for (const char* header : {"Bearer", "Bearer ", "Bearer\tabc", "Bearerabc"})
    EXPECT_EQ(read_bearer(header).kind, Kind::kMalformed) << header;
}

TEST(Bearer, TokenCharacters) {
  for (const char* text : {"abc", "aZ09-._~+/==", "a="}) EXPECT_TRUE(is_bearer_token(text)) << text;
  for (const char* text :
       {"", " abc", "abc ", "a b", "=", "a=b", "a,b", "a\"", "a, Bearer b", "\xc3\xa4"})
    EXPECT_FALSE(is_bearer_token(text)) << text;
}

TEST(Bearer, Challenge) {
  EXPECT_EQ(invalid_token_challenge("Jwt expired at 2025-01-01T00:00:00Z"),
            "Bearer error=\"invalid_token\", "
            "error_description=\"Jwt expired at 2025-01-01T00:00:00Z\", "
            "error_uri=\"https://tools.ietf.org/html/rfc6750#section-3.1\"");
}

}  // namespace
}  // namespace gw::auth
