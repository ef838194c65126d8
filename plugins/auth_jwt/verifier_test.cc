// SPDX-License-Identifier: Apache-2.0
//
// Good tokens of every algorithm, and which key they are checked with.
#include <gtest/gtest.h>

#include <random>

#include "verifier_judge_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the judge and its helpers

TEST(Verifier, GoodToken) {
  Judge judge;
  Verification seen = judge(rs256(good_claims()));
  ASSERT_TRUE(seen.token) << seen.description;
  EXPECT_EQ(seen.token->subject(), "alice");
  EXPECT_EQ(seen.token->type(), "CUSTOMER");
  EXPECT_EQ(seen.token->expires_ms(), (kNow + 660) * 1000);
}

TEST(Verifier, EveryAsymmetricAlgorithm) {
  for (const char* name :
       {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}) {
    SCOPED_TRACE(name);
    Algorithm algorithm = *algorithm_named(name);
    const AlgorithmFacts& fact = facts(algorithm);
    const TestKey& key = fact.family == Family::kEc ? TestKey::shared(fact.curve) : rsa();
    Judge judge({.algorithms = {algorithm}});
    judge.verifier.use(key_set({key.jwk()}));
    std::string token =
        signed_token(key, name, json{{"alg", name}, {"kid", "k1"}}.dump(), good_claims().dump());
    EXPECT_ACCEPTED(judge(token));
    EXPECT_ACCEPTED(judge(token));  // the prepared context serves again
    std::string head = encode_base64url(json{{"alg", name}, {"kid", "k1"}}.dump());
    std::string other = head + "." + encode_base64url(R"({"sub":"mallory"})");
    EXPECT_REFUSED(judge(other + token.substr(token.rfind('.'))), Refusal::kSignature);
    EXPECT_ACCEPTED(judge(token));  // and after a bad signature, too
    // Allowed only where the configuration names it.
    Judge strict(
        {.algorithms = {name == std::string("RS256") ? Algorithm::kEs256 : Algorithm::kRs256}});
    strict.verifier.use(key_set({key.jwk()}));
    Verification seen = strict(token);
    EXPECT_EQ(seen.refusal, Refusal::kAlgorithm);
    EXPECT_EQ(seen.description, std::string("Unsupported algorithm of ") + name);
  }
}

TEST(Verifier, SecretOfOnesOwn) {
  std::string secret(64, 's');
  for (const char* name : {"HS256", "HS384", "HS512"}) {
    Algorithm algorithm = *algorithm_named(name);
    Judge judge({.algorithms = {algorithm}});
    judge.verifier.use(std::make_shared<const KeySet>(
        std::vector<std::shared_ptr<const Key>>{key_from_secret(secret).key}));
    std::string text =
        encode_base64url(json{{"alg", name}}.dump()) + "." + encode_base64url(good_claims().dump());
    std::string mac = testing::hmac(facts(algorithm).digest, secret, text);
    EXPECT_ACCEPTED(judge(text + "." + encode_base64url(mac)));
    std::string forged = testing::hmac(facts(algorithm).digest, "", text);
    EXPECT_REFUSED(judge(text + "." + encode_base64url(forged)), Refusal::kSignature);
    EXPECT_REFUSED(judge(text + "." + encode_base64url(mac.substr(1))), Refusal::kSignature);
    EXPECT_REFUSED(judge(text + "."), Refusal::kSignature);
  }
}

TEST(VerifierKeys, KidNarrowsAndNeverWidens) {
  Judge judge;
  judge.verifier.use(key_set({rsa().jwk("k1"), TestKey::shared("rsa-2").jwk("k2")}));
  auto token = [](const TestKey& key, const char* kid) {
    return signed_token(key, "RS256", json{{"alg", "RS256"}, {"kid", kid}}.dump(),
                        good_claims().dump());
  };
  EXPECT_ACCEPTED(judge(token(rsa(), "k1")));
  EXPECT_ACCEPTED(judge(token(TestKey::shared("rsa-2"), "k2")));
  EXPECT_REFUSED(judge(token(rsa(), "k2")), Refusal::kSignature);
  EXPECT_REFUSED(judge(token(rsa(), "k3")), Refusal::kUnknownKey);
  EXPECT_REFUSED(judge(token(rsa(), "../../dev/null")), Refusal::kUnknownKey);
  EXPECT_REFUSED(judge(token(rsa(), "")), Refusal::kUnknownKey);
}

TEST(VerifierKeys, SeveralKeysWithoutKid) {
  Judge judge;
  judge.verifier.use(
      key_set({rsa().jwk(""), TestKey::shared("P-256").jwk(""), TestKey::shared("rsa-2").jwk("")}));
  json head = {{"alg", "RS256"}};
  EXPECT_ACCEPTED(judge(rs256(good_claims(), head)));
  EXPECT_ACCEPTED(
      judge(signed_token(TestKey::shared("rsa-2"), "RS256", head.dump(), good_claims().dump())));
  // Nobody's: a newer set may have the key.
  EXPECT_REFUSED(
      judge(signed_token(TestKey::shared("mallory"), "RS256", head.dump(), good_claims().dump())),
      Refusal::kUnknownKey);
  // A token with a name is not for a key without one.
  EXPECT_REFUSED(judge(rs256(good_claims())), Refusal::kUnknownKey);
}

TEST(VerifierKeys, AlgorithmOfTheKeyBinds) {
  json jwk = rsa().jwk();
  jwk["alg"] = "RS512";
  Judge judge({.algorithms = {Algorithm::kRs256, Algorithm::kRs512}});
  judge.verifier.use(key_set({jwk}));
  EXPECT_REFUSED(judge(rs256(good_claims())), Refusal::kUnknownKey);
  EXPECT_ACCEPTED(
      judge(signed_token(rsa(), "RS512", R"({"alg":"RS512","kid":"k1"})", good_claims().dump())));
}

TEST(VerifierKeys, Rotation) {
  Judge judge;
  std::string old_token = rs256(good_claims());
  std::string new_token = signed_token(TestKey::shared("rsa-2"), "RS256",
                                       R"({"alg":"RS256","kid":"k2"})", good_claims().dump());
  EXPECT_ACCEPTED(judge(old_token));
  EXPECT_REFUSED(judge(new_token), Refusal::kUnknownKey);
  judge.verifier.use(key_set({rsa().jwk("k1"), TestKey::shared("rsa-2").jwk("k2")}));
  EXPECT_ACCEPTED(judge(old_token));
  EXPECT_ACCEPTED(judge(new_token));
  judge.verifier.use(key_set({TestKey::shared("rsa-2").jwk("k2")}));
  EXPECT_REFUSED(judge(old_token), Refusal::kUnknownKey);
  EXPECT_ACCEPTED(judge(new_token));
  judge.verifier.use(std::make_shared<const KeySet>());
  EXPECT_REFUSED(judge(new_token), Refusal::kUnknownKey);
}

// A changed bit anywhere makes another token, and that is not a good one.
TEST(Verifier, NoChangedByteIsAccepted) {
  Judge judge;
  std::string token = rs256(good_claims());
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (char replacement : {'A', '_', '.'}) {
      std::string other = token;
      if (other[i] == replacement) continue;
      other[i] = replacement;
      EXPECT_FALSE(judge(other).token) << i;
    }
  }
}

// Signed by the right key, so that every reader behind the signature gets random bytes too.
TEST(Verifier, RandomPayloadsAreRefusedOrHarmless) {
  std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Judge judge({.issuer = "i"});
  const TestKey& key = TestKey::shared("P-256");
  judge.policy.algorithms = {Algorithm::kEs256};
  judge.verifier.use(key_set({key.jwk()}));
  json claims = good_claims();
  claims["iss"] = "i";
  const std::string good = claims.dump();
  for (int round = 0; round < 500; ++round) {
    std::string payload = good;
    for (std::uint32_t changes = random() % 4 + 1; changes > 0; --changes) {
      std::size_t at = random() % payload.size();
      switch (random() % 3) {
        case 0:
          payload[at] = static_cast<char>(random());
          break;
        case 1:
          payload.insert(at, 1, "{}[],:\"0-e\\\0"[random() % 13]);
          break;
        default:
          payload.erase(at, 1);
      }
    }
    Verification seen = judge(signed_token(key, "ES256", R"({"alg":"ES256","kid":"k1"})", payload));
    if (!seen.token) continue;
    EXPECT_FALSE(seen.token->subject().empty());
    for (char c : seen.token->subject() + seen.token->type()) EXPECT_TRUE(c >= 0x20 && c <= 0x7e);
    std::optional<json> parsed = parse_json(payload);
    ASSERT_TRUE(parsed) << payload;
    EXPECT_EQ((*parsed)["iss"], "i");
  }
}

}  // namespace
}  // namespace gw::auth
