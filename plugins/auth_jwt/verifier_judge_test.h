// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the verifier: one with a key, and good tokens to spoil.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "token_maker_test.h"
#include "verifier.h"

namespace gw::auth::testing {

using nlohmann::json;

inline constexpr std::int64_t kNow = 1'767'225'600;  // 2026-01-01T00:00:00Z
inline const TestKey& rsa() {
  return TestKey::shared("rsa");
}

inline std::shared_ptr<const KeySet> key_set(std::initializer_list<json> keys) {
  ParsedJwks parsed = parse_jwks(jwks_of(keys));
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.skipped, std::vector<std::string>());
  return std::make_shared<const KeySet>(std::move(parsed.keys));
}

inline json good_claims() {
  return {{"sub", "alice"}, {"userType", "CUSTOMER"}, {"iat", kNow - 10}, {"exp", kNow + 600}};
}

// A policy and what it makes of tokens.
struct Judge {
  explicit Judge(TokenPolicy given = {}) : policy(std::move(given)), verifier(policy) {
    verifier.use(key_set({rsa().jwk()}));
  }
  Verification operator()(const std::string& token, std::int64_t now_ms = kNow * 1000) {
    return verifier.verify(token, now_ms);
  }
  TokenPolicy policy;
  Verifier verifier;
};

inline std::string rs256(const json& claims, const json& head = {{"alg", "RS256"}, {"kid", "k1"}}) {
  return signed_token(rsa(), "RS256", head.dump(), claims.dump());
}
inline std::string with_claim(const char* name, const json& value) {
  json claims = good_claims();
  claims[name] = value;
  return rs256(claims);
}
inline std::string with_head(const char* name, const json& value) {
  json head = {{"alg", "RS256"}, {"kid", "k1"}};
  head[name] = value;
  return rs256(good_claims(), head);
}

inline std::string text_of(Refusal refusal) {
  constexpr const char* kNames[] = {"malformed", "algorithm", "unknown key",
                                    "signature", "expired",   "claims"};
  return kNames[static_cast<int>(refusal)];
}
inline std::string outcome(const Verification& seen) {
  return seen.token ? "accepted" : text_of(seen.refusal);
}
#define EXPECT_ACCEPTED(verification) EXPECT_EQ(outcome(verification), "accepted")
#define EXPECT_REFUSED(verification, why) EXPECT_EQ(outcome(verification), text_of(why))

}  // namespace gw::auth::testing
