// SPDX-License-Identifier: Apache-2.0
#include "token_cache.h"

#include <gtest/gtest.h>

#include "token_maker_test.h"

namespace gw::auth {
namespace {

using nlohmann::json;
using testing::jwks_of;
using testing::TestKey;

constexpr std::int64_t kNow = 1'767'225'600;

// Only a verifier makes verified tokens, so the tests of the cache have one.
class TokenCacheTest : public ::testing::Test {
 protected:
  TokenCacheTest() : verifier_(policy_) { verifier_.use(set_of("k1")); }
  static std::shared_ptr<const KeySet> set_of(const std::string& kid) {
    return std::make_shared<const KeySet>(
        parse_jwks(jwks_of({TestKey::shared("rsa").jwk(kid)})).keys);
  }
  std::string token(const std::string& subject, std::int64_t exp = kNow + 600) {
    return testing::signed_token(TestKey::shared("rsa"), "RS256", R"({"alg":"RS256"})",
                                 json{{"sub", subject}, {"exp", exp}}.dump());
  }
  VerifiedToken verified(const std::string& text) {
    return *verifier_.verify(text, kNow * 1000).token;
  }
  TokenPolicy policy_;
  Verifier verifier_;
};

TEST_F(TokenCacheTest, FindsTheSameTextOnly) {
  TokenCache cache(10, 1 << 20, 1);
  std::string alice = token("alice");
  EXPECT_EQ(cache.find(alice, kNow * 1000), nullptr);
  cache.insert(alice, verified(alice));
  ASSERT_NE(cache.find(alice, kNow * 1000), nullptr);
  EXPECT_EQ(cache.find(alice, kNow * 1000)->subject(), "alice");
  // The same end, so the same place: the whole text is compared.
  std::string forged = token("mallory");
  forged.replace(forged.rfind('.'), std::string::npos, alice.substr(alice.rfind('.')));
  EXPECT_EQ(cache.find(forged, kNow * 1000), nullptr);
  EXPECT_EQ(cache.find("", kNow * 1000), nullptr);
  EXPECT_EQ(cache.find(alice.substr(1), kNow * 1000), nullptr);
}

TEST_F(TokenCacheTest, EndsWithTheToken) {
  TokenCache cache(10, 1 << 20, 1);
  std::string text = token("alice", kNow + 5);
  cache.insert(text, verified(text));
  EXPECT_NE(cache.find(text, (kNow + 65) * 1000 - 1), nullptr);
  EXPECT_EQ(cache.find(text, (kNow + 65) * 1000), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TokenCacheTest, LeastRecentlyUsedGoesFirst) {
  TokenCache cache(2, 1 << 20, 1);
  std::string a = token("a"), b = token("b"), c = token("c");
  cache.insert(a, verified(a));
  cache.insert(b, verified(b));
  EXPECT_NE(cache.find(a, kNow * 1000), nullptr);
  cache.insert(c, verified(c));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_NE(cache.find(a, kNow * 1000), nullptr);
  EXPECT_EQ(cache.find(b, kNow * 1000), nullptr);
  EXPECT_NE(cache.find(c, kNow * 1000), nullptr);
}

TEST_F(TokenCacheTest, BytesAreBoundedToo) {
  TokenCache cache(1000, 8192, 1);
  for (int i = 0; i < 50; ++i) {
    std::string text = token("user" + std::to_string(i));
    cache.insert(text, verified(text));
  }
  EXPECT_GE(cache.size(), 3u);
  EXPECT_LE(cache.size(), 16u);
  TokenCache none(1000, 10, 1);
  std::string text = token("a");
  none.insert(text, verified(text));
  EXPECT_EQ(none.size(), 0u);
  TokenCache off(0, 1 << 20, 1);
  off.insert(text, verified(text));
  EXPECT_EQ(off.find(text, kNow * 1000), nullptr);
}

TEST_F(TokenCacheTest, TwiceTheSameIsOneEntry) {
  TokenCache cache(10, 1 << 20, 1);
  std::string text = token("alice");
  cache.insert(text, verified(text));
  cache.insert(text, verified(text));
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(TokenCacheTest, DroppedWithTheKey) {
  TokenCache cache(10, 1 << 20, 1);
  std::string text = token("alice");
  cache.insert(text, verified(text));
  cache.keep_only(*set_of("k1"));
  EXPECT_NE(cache.find(text, kNow * 1000), nullptr);
  cache.keep_only(*set_of("k2"));  // the same numbers under another name are another key
  EXPECT_EQ(cache.find(text, kNow * 1000), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace gw::auth
