// SPDX-License-Identifier: Apache-2.0
//
// Good tokens of every algorithm, and every attack on tokens that we know of. Each attack stands
// beside a positive control: the same token without the one thing that is wrong with it.
#include "verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "token_maker_test.h"

namespace gw::auth {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::jwks_of;
using testing::signed_token;
using testing::TestKey;

constexpr std::int64_t kNow = 1'767'225'600;  // 2026-01-01T00:00:00Z
const TestKey& rsa() {
  return TestKey::shared("rsa");
}

std::shared_ptr<const KeySet> key_set(std::initializer_list<json> keys) {
  ParsedJwks parsed = parse_jwks(jwks_of(keys));
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.skipped, std::vector<std::string>());
  return std::make_shared<const KeySet>(std::move(parsed.keys));
}

json good_claims() {
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

std::string rs256(const json& claims, const json& head = {{"alg", "RS256"}, {"kid", "k1"}}) {
  return signed_token(rsa(), "RS256", head.dump(), claims.dump());
}
std::string with_claim(const char* name, const json& value) {
  json claims = good_claims();
  claims[name] = value;
  return rs256(claims);
}
std::string with_head(const char* name, const json& value) {
  json head = {{"alg", "RS256"}, {"kid", "k1"}};
  head[name] = value;
  return rs256(good_claims(), head);
}

std::string text_of(Refusal refusal) {
  constexpr const char* kNames[] = {"malformed", "algorithm", "unknown key",
                                    "signature", "expired",   "claims"};
  return kNames[static_cast<int>(refusal)];
}
std::string outcome(const Verification& seen) {
  return seen.token ? "accepted" : text_of(seen.refusal);
}
#define EXPECT_ACCEPTED(verification) EXPECT_EQ(outcome(verification), "accepted")
#define EXPECT_REFUSED(verification, why) EXPECT_EQ(outcome(verification), text_of(why))

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

TEST(VerifierClaims, ExpiryAndItsSkew) {
  Judge judge;
  std::string token = with_claim("exp", kNow);
  EXPECT_ACCEPTED(judge(token, kNow * 1000));
  EXPECT_ACCEPTED(judge(token, (kNow + 60) * 1000 - 1));
  Verification seen = judge(token, (kNow + 60) * 1000);
  EXPECT_EQ(seen.refusal, Refusal::kExpired);
  EXPECT_EQ(seen.description, "Jwt expired at 2026-01-01T00:00:00Z");
  json fraction = good_claims();
  fraction["exp"] = kNow + 0.5;
  EXPECT_ACCEPTED(judge(rs256(fraction), (kNow + 60) * 1000 + 499));
  EXPECT_REFUSED(judge(rs256(fraction), (kNow + 60) * 1000 + 500), Refusal::kExpired);
  json eternal = good_claims();
  eternal.erase("exp");
  EXPECT_ACCEPTED(judge(rs256(eternal)));
  Judge strict({.require_expiry = true});
  EXPECT_REFUSED(strict(rs256(eternal)), Refusal::kClaims);
  EXPECT_ACCEPTED(strict(rs256(good_claims())));
}

TEST(VerifierClaims, NotBeforeAndItsSkew) {
  Judge judge;
  std::string token = with_claim("nbf", kNow + 60);
  EXPECT_ACCEPTED(judge(token, kNow * 1000));
  Verification seen = judge(token, kNow * 1000 - 1);
  EXPECT_EQ(seen.refusal, Refusal::kClaims);
  EXPECT_EQ(seen.description, "Jwt used before 2026-01-01T00:01:00Z");
}

TEST(VerifierClaims, DatesOfWrongForm) {
  Judge judge;
  for (const char* name : {"exp", "nbf", "iat"})
    for (const json& value :
         {json("1"), json(nullptr), json(true), json(-1), json(1e300), json::array({1})})
      EXPECT_REFUSED(judge(with_claim(name, value)), Refusal::kClaims) << name << value;
  json claims = good_claims();
  claims["iat"] = claims["exp"];
  EXPECT_REFUSED(judge(rs256(claims)), Refusal::kClaims);
}

TEST(VerifierClaims, Issuer) {
  Judge judge({.issuer = "tickatch"});
  EXPECT_ACCEPTED(judge(with_claim("iss", "tickatch")));
  for (const json& iss :
       {json("Tickatch"), json("tickatch "), json(""), json(7), json::array({"tickatch"})}) {
    Verification seen = judge(with_claim("iss", iss));
    EXPECT_FALSE(seen.token) << iss;
    EXPECT_EQ(seen.description, "The iss claim is not valid");
  }
  EXPECT_REFUSED(judge(rs256(good_claims())), Refusal::kClaims);
}

TEST(VerifierClaims, Audience) {
  Judge judge({.audiences = {"gateway", "shop"}});
  EXPECT_ACCEPTED(judge(with_claim("aud", "shop")));
  EXPECT_ACCEPTED(judge(with_claim("aud", {"x", "gateway"})));
  for (const json& aud : {json("x"), json::array(), json::array({7}), json{{"gateway", 1}}})
    EXPECT_REFUSED(judge(with_claim("aud", aud)), Refusal::kClaims) << aud;
  EXPECT_REFUSED(judge(rs256(good_claims())), Refusal::kClaims);
}

TEST(VerifierClaims, IdentityBecomesAHeader) {
  Judge judge;
  for (const char* name : {"sub", "userType"}) {
    EXPECT_ACCEPTED(judge(with_claim(name, std::string(256, 'x'))));
    EXPECT_ACCEPTED(judge(with_claim(name, "a b~!")));
    for (const json& value :
         {json("a\r\nX-Admin: 1"), json("a\n"), json(std::string("a\0b", 3)), json("\x7f"),
          json("\t"), json("사용자"), json(std::string(257, 'x')), json(" a"), json("a "),
          json{{"a", 1}}, json::array({"a"}), json(1.5)})
      EXPECT_REFUSED(judge(with_claim(name, value)), Refusal::kClaims) << name << value;
  }
  EXPECT_EQ(judge(with_claim("sub", 42)).token->subject(), "42");
  for (const json& none : {json(""), json(nullptr)}) {
    EXPECT_REFUSED(judge(with_claim("sub", none)), Refusal::kClaims);
    EXPECT_EQ(judge(with_claim("userType", none)).token->type(), "");
  }
  EXPECT_REFUSED(judge(rs256({{"userType", "A"}})), Refusal::kClaims);
  EXPECT_EQ(judge(rs256({{"sub", "bob"}})).token->type(), "");
}

TEST(VerifierClaims, Requirements) {
  Judge judge({.requirements = {{"role", "ADMIN"}, {"scope", "queue:write"}}});
  auto met = [&](const json& claims) {
    Verification seen = judge(rs256(claims));
    return std::pair(seen.token->meets(0), seen.token->meets(1));
  };
  using Met = std::pair<bool, bool>;
  EXPECT_EQ(met({{"sub", "a"}}), Met(false, false));
  EXPECT_EQ(met({{"sub", "a"}, {"role", "ADMIN"}}), Met(true, false));
  EXPECT_EQ(met({{"sub", "a"}, {"role", {"USER", "ADMIN"}}}), Met(true, false));
  EXPECT_EQ(met({{"sub", "a"}, {"role", "ADMIN USER"}}), Met(false, false));
  EXPECT_EQ(met({{"sub", "a"}, {"role", "admin"}, {"scope", "queue:read queue:write"}}),
            Met(false, true));
  EXPECT_EQ(met({{"sub", "a"}, {"scope", "queue:writes"}}), Met(false, false));
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
