// SPDX-License-Identifier: Apache-2.0
//
// Every attack on tokens that we know of. Each stands beside a positive control: the same token
// without the one thing that is wrong with it.
#include <gtest/gtest.h>

#include "verifier_judge_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the judge and its helpers

TEST(VerifierAttack, AlgorithmNone) {
  Judge judge;
  for (const char* name : {"none", "None", "NONE", "nOnE", "", "RS256 ", "rs256"}) {
    std::string text = encode_base64url(json{{"alg", name}}.dump()) + "." +
                       encode_base64url(good_claims().dump()) + ".";
    EXPECT_REFUSED(judge(text), Refusal::kAlgorithm) << name;
  }
  std::string bare = rs256(good_claims());
  EXPECT_REFUSED(judge(bare.substr(0, bare.rfind('.') + 1)), Refusal::kSignature);
  EXPECT_REFUSED(judge(bare.substr(0, bare.rfind('.'))), Refusal::kMalformed);
}

TEST(VerifierAttack, HmacWithThePublicKey) {
  std::string text = encode_base64url(R"({"alg":"HS256","kid":"k1"})") + "." +
                     encode_base64url(good_claims().dump());
  for (std::string secret :
       {rsa().public_pem(), rsa().jwk()["n"].get<std::string>(), std::string()}) {
    std::string token = text + "." + encode_base64url(testing::hmac("SHA256", secret, text));
    Judge judge;
    EXPECT_REFUSED(judge(token), Refusal::kAlgorithm);
    // Also where HMAC is allowed, an RSA key is not a secret.
    Judge both({.algorithms = {Algorithm::kRs256, Algorithm::kHs256}});
    EXPECT_REFUSED(both(token), Refusal::kUnknownKey);
  }
}

TEST(VerifierAttack, KeysThatTheTokenBrings) {
  const TestKey& mallory = TestKey::shared("mallory");
  Judge judge;
  for (const json& head : {json{{"alg", "RS256"}, {"kid", "k1"}, {"jwk", mallory.jwk()}},
                           json{{"alg", "RS256"}, {"kid", "k1"}, {"jku", "http://evil/jwks"}},
                           json{{"alg", "RS256"}, {"kid", "k1"}, {"x5u", "http://evil/x5u"}},
                           json{{"alg", "RS256"}, {"kid", "k1"}, {"x5c", {"AAAA"}}}}) {
    EXPECT_REFUSED(judge(signed_token(mallory, "RS256", head.dump(), good_claims().dump())),
                   Refusal::kSignature);
    EXPECT_ACCEPTED(judge(rs256(good_claims(), head)));  // present, and of no effect
  }
}

TEST(VerifierAttack, CriticalHeaders) {
  Judge judge;
  EXPECT_REFUSED(judge(with_head("crit", {"b64"})), Refusal::kMalformed);
  EXPECT_REFUSED(judge(with_head("crit", json::array())), Refusal::kMalformed);
  EXPECT_REFUSED(judge(with_head("crit", nullptr)), Refusal::kMalformed);
}

TEST(VerifierAttack, HeadersOfWrongForm) {
  Judge judge;
  EXPECT_ACCEPTED(judge(with_head("typ", "JWT")));
  EXPECT_ACCEPTED(judge(with_head("typ", "jwt")));
  for (const json& typ : {json("at+jwt"), json("JOSE"), json(""), json(7), json(nullptr)})
    EXPECT_REFUSED(judge(with_head("typ", typ)), Refusal::kMalformed);
  for (const json& kid : {json(7), json(nullptr), json::array({"k1"}), json(std::string(257, 'k'))})
    EXPECT_REFUSED(judge(with_head("kid", kid)), Refusal::kMalformed);
  for (const json& alg : {json(7), json(nullptr), json::array({"RS256"})})
    EXPECT_REFUSED(judge(with_head("alg", alg)), Refusal::kMalformed);
  for (const char* head : {"", "[]", "null", "{", "{\"alg\":\"RS256\",\"alg\":\"RS256\"}",
                           "{\"alg\":\"RS256\",\"a\\u006cg\":\"none\"}", "{\"alg\":\"RS256\"} x",
                           "\xff{\"alg\":\"RS256\"}"})
    EXPECT_REFUSED(judge(signed_token(rsa(), "RS256", head, good_claims().dump())),
                   Refusal::kMalformed);
}

TEST(VerifierAttack, PayloadsOfWrongForm) {
  Judge judge;
  std::string head = R"({"alg":"RS256","kid":"k1"})";
  std::string deep = R"({"sub":"a","x":)" + std::string(40, '[') + std::string(40, ']') + "}";
  for (const std::string& payload :
       {std::string("x"), std::string("[]"), std::string("\"sub\""),
        std::string(R"({"sub":"alice","sub":"root"})"),
        std::string(R"({"sub":"alice","s\u0075b":"root"})"), std::string(R"({"sub":"alice"}{})"),
        deep, std::string("{\"sub\":\"\xff\"}"), std::string("{\"sub\":\"a\"}\0", 12)})
    EXPECT_REFUSED(judge(signed_token(rsa(), "RS256", head, payload)), Refusal::kMalformed)
        << payload;
  EXPECT_ACCEPTED(judge(signed_token(rsa(), "RS256", head, R"({"sub":"alice"})")));
  std::string nested = R"({"sub":"a","x":)" + std::string(30, '[') + std::string(30, ']') + "}";
  EXPECT_ACCEPTED(judge(signed_token(rsa(), "RS256", head, nested)));
}

TEST(VerifierAttack, OtherSpellingsOfOneToken) {
  Judge judge;
  std::string token = rs256(good_claims());
  EXPECT_ACCEPTED(judge(token));
  EXPECT_REFUSED(judge(token + "="), Refusal::kMalformed);
  EXPECT_REFUSED(judge(token + "."), Refusal::kMalformed);
  EXPECT_REFUSED(judge(token + ".x"), Refusal::kMalformed);
  EXPECT_REFUSED(judge("." + token), Refusal::kMalformed);
  // 256 bytes leave four unused bits in the last character.
  std::string other = token;
  other.back() = static_cast<char>(other.back() + 1);
  EXPECT_REFUSED(judge(other), Refusal::kMalformed);
  for (const char* text : {"", ".", "..", "...", "a.b.c", "a", "a.b"})
    EXPECT_REFUSED(judge(text), Refusal::kMalformed) << text;
}

TEST(VerifierAttack, Oversize) {
  Judge judge;
  std::string token = with_claim("x", std::string(5300, 'x'));
  ASSERT_LE(token.size(), kMaxTokenSize);
  EXPECT_ACCEPTED(judge(token));
  token = with_claim("x", std::string(6200, 'x'));
  ASSERT_GT(token.size(), kMaxTokenSize);
  EXPECT_REFUSED(judge(token), Refusal::kMalformed);
}

TEST(VerifierAttack, EllipticSignaturesOfWrongSize) {
  const TestKey& key = TestKey::shared("P-256");
  Judge judge({.algorithms = {Algorithm::kEs256, Algorithm::kEs384}});
  judge.verifier.use(key_set({key.jwk()}));
  std::string text = encode_base64url(R"({"alg":"ES256","kid":"k1"})") + "." +
                     encode_base64url(good_claims().dump());
  std::string good = key.sign("ES256", text);
  EXPECT_ACCEPTED(judge(text + "." + encode_base64url(good)));
  for (const std::string& bad :
       {std::string(), std::string(64, '\0'), std::string(64, '\xff'), good.substr(0, 63),
        good + '\0', std::string(1, '\0') + good, good.substr(0, 32) + std::string(32, '\0'),
        std::string(32, '\0') + good.substr(32), good + good})
    EXPECT_REFUSED(judge(text + "." + encode_base64url(bad)), Refusal::kSignature);
  // A P-256 key signs no ES384.
  std::string head = R"({"alg":"ES384","kid":"k1"})";
  EXPECT_REFUSED(judge(signed_token(key, "ES384", head, "{}").substr(0, 20)), Refusal::kMalformed);
  std::string other = encode_base64url(head) + "." + encode_base64url(good_claims().dump());
  EXPECT_REFUSED(judge(other + "." + encode_base64url(std::string(96, 'x'))), Refusal::kUnknownKey);
}

}  // namespace
}  // namespace gw::auth
