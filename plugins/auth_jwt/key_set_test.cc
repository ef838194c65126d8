// SPDX-License-Identifier: Apache-2.0
#include "key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "token_maker_test.h"

namespace gw::auth {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::jwks_of;
using testing::TestKey;

const TestKey& rsa() {
  return TestKey::shared("rsa");
}

// Why the one key of a set is skipped; "used" when it is not.
std::string fate(const json& jwk) {
  ParsedJwks parsed = parse_jwks(jwks_of({jwk}));
  EXPECT_EQ(parsed.error, "");
  return parsed.keys.empty() ? parsed.skipped.at(0) : "used";
}
json with(json jwk, const char* name, const json& value) {
  jwk[name] = value;
  return jwk;
}
json without(json jwk, const char* name) {
  jwk.erase(name);
  return jwk;
}

TEST(KeySet, EveryKindIsUsed) {
  EXPECT_EQ(fate(rsa().jwk()), "used");
  for (const char* curve : {"P-256", "P-384", "P-521"})
    EXPECT_EQ(fate(TestKey::shared(curve).jwk()), "used") << curve;
  EXPECT_EQ(fate(without(rsa().jwk(), "use")), "used");
  EXPECT_EQ(fate(with(rsa().jwk(), "alg", "PS384")), "used");
  EXPECT_EQ(fate(with(rsa().jwk(), "key_ops", {"sign", "verify"})), "used");
  EXPECT_EQ(fate(with(rsa().jwk(), "x5u", "http://evil/")), "used");
}

TEST(KeySet, KeysForOtherThingsAreSkipped) {
  EXPECT_THAT(fate(with(rsa().jwk(), "use", "enc")), HasSubstr("not meant for signatures"));
  EXPECT_THAT(fate(with(rsa().jwk(), "use", 7)), HasSubstr("not meant for signatures"));
  EXPECT_THAT(fate(with(rsa().jwk(), "key_ops", {"encrypt"})), HasSubstr("not meant"));
  EXPECT_THAT(fate(with(rsa().jwk(), "key_ops", "verify")), HasSubstr("not meant"));
  EXPECT_THAT(fate({{"kty", "oct"}, {"k", "c2VjcmV0"}, {"alg", "HS256"}}), HasSubstr("kty"));
  EXPECT_THAT(fate({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AAAA"}}), HasSubstr("kty"));
  EXPECT_THAT(fate(json("text")), HasSubstr("not an object"));
}

TEST(KeySet, AlgorithmMustFitTheKey) {
  for (const char* alg : {"HS256", "ES256", "none", "RSA-OAEP", ""})
    EXPECT_THAT(fate(with(rsa().jwk(), "alg", alg)), HasSubstr("alg does not fit")) << alg;
  EXPECT_THAT(fate(with(TestKey::shared("P-256").jwk(), "alg", "ES384")), HasSubstr("alg"));
}

TEST(KeySet, WeakRsaKeysAreSkipped) {
  EXPECT_THAT(fate(TestKey::rsa(1024).jwk()), HasSubstr("1024 bits"));
  EXPECT_THAT(fate(TestKey::rsa(2048, 3).jwk()), HasSubstr("exponent"));
  json one = with(rsa().jwk(), "e", encode_base64url("\x01"));
  EXPECT_THAT(fate(one), HasSubstr("exponent"));
  json even = with(rsa().jwk(), "e", encode_base64url(std::string("\x01\x00\x02", 3)));
  EXPECT_THAT(fate(even), HasSubstr("exponent"));
  json huge_e = with(rsa().jwk(), "e", encode_base64url(std::string(200, '\x7f')));
  EXPECT_NE(fate(huge_e), "used");
  json huge_n = with(rsa().jwk(), "n", encode_base64url(std::string(1100, '\x7f')));
  EXPECT_NE(fate(huge_n), "used");
}

TEST(KeySet, BrokenKeysAreSkipped) {
  EXPECT_NE(fate(with(rsa().jwk(), "n", "")), "used");
  EXPECT_NE(fate(with(rsa().jwk(), "n", 5)), "used");
  EXPECT_NE(fate(with(rsa().jwk(), "n", "not base64!")), "used");
  EXPECT_NE(fate(without(rsa().jwk(), "e")), "used");
  EXPECT_NE(fate(with(rsa().jwk(), "kid", 7)), "used");
  EXPECT_NE(fate(with(rsa().jwk(), "kid", std::string(300, 'k'))), "used");
  json ec = TestKey::shared("P-256").jwk();
  EXPECT_NE(fate(with(ec, "y", ec["x"])), "used");  // not on the curve
  EXPECT_NE(fate(with(ec, "crv", "P-384")), "used");
  EXPECT_NE(fate(with(ec, "crv", "secp256k1")), "used");
  EXPECT_NE(fate(with(ec, "x", encode_base64url(std::string(31, 'x')))), "used");
}

TEST(KeySet, DocumentsThatAreNoKeySet) {
  for (const char* text :
       {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "null", "<html>"})
    EXPECT_NE(parse_jwks(text).error, "") << text;
  std::string deep = "{\"keys\":" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_NE(parse_jwks(deep).error, "");
  EXPECT_NE(parse_jwks(std::string((1 << 20) + 1, ' ')).error, "");
  json many = {{"keys", json::array()}};
  for (int i = 0; i < 65; ++i) many["keys"].push_back(json::object());
  EXPECT_THAT(parse_jwks(many.dump()).error, HasSubstr("more than 64"));
  EXPECT_EQ(parse_jwks("{\"keys\":[]}").error, "");
}

TEST(KeySet, OneBadKeyDoesNotSpoilTheOthers) {
  ParsedJwks parsed = parse_jwks(jwks_of({TestKey::rsa(1024).jwk("weak"), rsa().jwk("good")}));
  ASSERT_EQ(parsed.keys.size(), 1u);
  EXPECT_EQ(parsed.keys[0]->id, "good");
  EXPECT_EQ(parsed.skipped.size(), 1u);
}

TEST(KeySet, FingerprintCoversAllThatMatters) {
  auto print = [](const json& jwk) { return parse_jwks(jwks_of({jwk})).keys.at(0)->fingerprint; };
  EXPECT_EQ(print(rsa().jwk()), print(with(rsa().jwk(), "x5t", "abc")));
  EXPECT_NE(print(rsa().jwk()), print(rsa().jwk("k2")));
  EXPECT_NE(print(rsa().jwk()), print(with(rsa().jwk(), "alg", "RS256")));
  EXPECT_NE(print(rsa().jwk()), print(TestKey::shared("rsa-2").jwk()));
}

TEST(KeySet, Secrets) {
  EXPECT_EQ(key_from_secret(std::string(31, 's')).key, nullptr);
  KeyOrReason made = key_from_secret(std::string(32, 's'));
  ASSERT_NE(made.key, nullptr);
  EXPECT_TRUE(made.key->serves(Algorithm::kHs256));
  EXPECT_FALSE(made.key->serves(Algorithm::kHs384));  // RFC 7518: as long as the hash
  EXPECT_FALSE(made.key->serves(Algorithm::kRs256));
}

TEST(KeySet, PublicPem) {
  EXPECT_NE(key_from_pem(rsa().public_pem(), "a").key, nullptr);
  KeyOrReason ec = key_from_pem(TestKey::shared("P-256").public_pem(), "b");
  ASSERT_NE(ec.key, nullptr);
  EXPECT_TRUE(ec.key->serves(Algorithm::kEs256));
  EXPECT_EQ(key_from_pem("", "c").key, nullptr);
  EXPECT_EQ(key_from_pem("-----BEGIN PUBLIC KEY-----\n", "d").key, nullptr);
}

}  // namespace
}  // namespace gw::auth
