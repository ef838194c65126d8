// SPDX-License-Identifier: Apache-2.0
//
// What a signed token says: dates, parties, identity.
#include <gtest/gtest.h>

#include "verifier_judge_test.h"

namespace gw::auth {
namespace {

using namespace testing;  // the judge and its helpers

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

}  // namespace
}  // namespace gw::auth
