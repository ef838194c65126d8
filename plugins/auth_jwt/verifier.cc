// SPDX-License-Identifier: Apache-2.0
#include "verifier.h"

#include <jwt.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <gateway/json.hpp>

#include "base64url.h"

namespace gw::auth {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 32;
// Keys tried for a token without `kid`: each costs a verification.
constexpr int kMaxTried = 8;
// Where numeric dates end: the year 9999.
constexpr double kLastSecond = 253402300799.0;

constexpr char kMalformedText[] = "Bearer token is malformed";
constexpr char kFailedText[] = "Failed to validate the token";

Verification refuse(Refusal why, std::string description) {
  return {std::nullopt, why, std::move(description)};
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
           return lower(x) == lower(y);
         });
}

std::string iso_time(double seconds) {
  auto whole = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// A NumericDate (RFC 7519): absent gives true and no value.
bool read_date(const json& claims, const char* name, std::optional<double>& out) {
  auto found = claims.find(name);
  if (found == claims.end()) return true;
  if (!found->is_number()) return false;
  auto value = found->get<double>();
  if (!std::isfinite(value) || value < 0 || value > kLastSecond) return false;
  out = value;
  return true;
}

// What may become the value of a header: absent and null are empty, numbers and booleans their JSON
// text.
std::optional<std::string> read_identity(const json& claims, const std::string& name) {
  auto found = claims.find(name);
  if (found == claims.end() || found->is_null()) return std::string();
  std::string value;
  if (found->is_string()) {
    value = found->get<std::string>();
  } else if (found->is_number_integer() || found->is_boolean()) {
    value = dump_json(*found);
  } else {
    return std::nullopt;
  }
  if (value.size() > kMaxIdentitySize) return std::nullopt;
  for (char c : value)
    if (c < 0x20 || c > 0x7e) return std::nullopt;
  // A header's value loses space at its ends on the way: it would be another identity there.
  if (!value.empty() && (value.front() == ' ' || value.back() == ' ')) return std::nullopt;
  return value;
}

bool in_array(const json& array, const std::string& value) {
  return std::any_of(array.begin(), array.end(), [&](const json& element) {
    return element.is_string() && element.get_ref<const std::string&>() == value;
  });
}

bool in_words(std::string_view words, std::string_view value) {
  while (!words.empty()) {
    std::size_t space = words.find(' ');
    if (words.substr(0, space) == value) return true;
    if (space == std::string_view::npos) return false;
    words.remove_prefix(space + 1);
  }
  return false;
}

bool meets(const json& claims, const Requirement& wanted) {
  auto found = claims.find(wanted.claim);
  if (found == claims.end()) return false;
  if (found->is_array()) return in_array(*found, wanted.value);
  if (found->is_boolean()) return wanted.value == (found->get<bool>() ? "true" : "false");
  if (!found->is_string()) return false;
  const auto& text = found->get_ref<const std::string&>();
  if (wanted.claim == "scope" || wanted.claim == "scp") return in_words(text, wanted.value);
  return text == wanted.value;
}

// Is the token from our issuer and for us? What is wrong, or empty.
std::string wrong_party(const json& claims, const TokenPolicy& policy) {
  auto iss = claims.find("iss");
  if (!policy.issuer.empty() && (iss == claims.end() || *iss != policy.issuer))
    return "The iss claim is not valid";
  auto aud = claims.find("aud");
  auto for_us = [&](const std::string& wanted) {
    return aud != claims.end() && (aud->is_array() ? in_array(*aud, wanted) : *aud == wanted);
  };
  if (!policy.audiences.empty() &&
      std::none_of(policy.audiences.begin(), policy.audiences.end(), for_us))
    return "The aud claim is not valid";
  return {};
}

// Lets libjwt read the token and judge its dates. The signature was checked before; what libjwt
// makes of a token without a key is therefore never a reason to accept it, only one more to refuse
// it.
unsigned libjwt_verdict(std::string_view token, Algorithm algorithm, const TokenPolicy& policy,
                        std::int64_t now_ms) {
  std::string text(token);
  jwt_t* parsed = nullptr;
  if (jwt_decode(&parsed, text.c_str(), nullptr, 0) != 0) return JWT_VALIDATION_ERROR;
  std::unique_ptr<jwt_t, decltype(&jwt_free)> owned(parsed, &jwt_free);
  const char* alg = jwt_get_header(parsed, "alg");
  if (alg == nullptr || facts(algorithm).name != alg) return JWT_VALIDATION_ALG_MISMATCH;
  jwt_valid_t* made = nullptr;
  if (jwt_valid_new(&made, jwt_get_alg(parsed)) != 0) return JWT_VALIDATION_ERROR;
  std::unique_ptr<jwt_valid_t, decltype(&jwt_valid_free)> valid(made, &jwt_valid_free);
  jwt_valid_set_now(made, static_cast<time_t>(now_ms / 1000));
  jwt_valid_set_exp_leeway(made, policy.skew_s);
  jwt_valid_set_nbf_leeway(made, policy.skew_s);
  if (!policy.issuer.empty()) jwt_valid_add_grant(made, "iss", policy.issuer.c_str());
  return jwt_validate(parsed, made);
}

}  // namespace

struct Verifier::Claims {
  const json& all;
};

struct Verifier::Head {
  Algorithm algorithm{};
  std::optional<std::string> kid;
};

// Reads a token's header. What is wrong with it goes to `out`, and false comes back.
bool Verifier::read_head(std::string_view text, Head& head, Verification& out) const {
  out = refuse(Refusal::kMalformed, kMalformedText);
  std::optional<json> object = parse_json(text, kMaxDepth);
  if (!object || !object->is_object()) return false;
  auto alg = object->find("alg");
  if (alg == object->end() || !alg->is_string()) return false;
  std::optional<Algorithm> algorithm = algorithm_named(alg->get_ref<const std::string&>());
  const auto& allowed = policy_.algorithms;
  if (!algorithm || std::find(allowed.begin(), allowed.end(), *algorithm) == allowed.end()) {
    // The name is a stranger's text: only names that we know are repeated.
    std::string name(algorithm ? facts(*algorithm).name : *alg == "none" ? "none" : "this name");
    out = refuse(Refusal::kAlgorithm, "Unsupported algorithm of " + name);
    return false;
  }
  head.algorithm = *algorithm;
  if (auto typ = object->find("typ"); typ != object->end())
    if (!typ->is_string() || !equal_ignoring_case(typ->get_ref<const std::string&>(), "JWT"))
      return false;
  if (object->contains("crit")) return false;  // no extension is understood here
  if (auto kid = object->find("kid"); kid != object->end()) {
    if (!kid->is_string() || kid->get_ref<const std::string&>().size() > kMaxKeyIdSize)
      return false;
    head.kid = kid->get<std::string>();
  }
  return true;
}

Verifier::Verifier(const TokenPolicy& policy)
    : policy_(policy), keys_(std::make_shared<const KeySet>()) {}
Verifier::~Verifier() = default;

void Verifier::use(std::shared_ptr<const KeySet> keys) {
  signatures_.reset();
  keys_ = std::move(keys);
}

const Key* Verifier::signer(const Head& head, std::string_view signed_part,
                            std::string_view signature, Refusal& refusal) {
  refusal = Refusal::kUnknownKey;
  int tried = 0;
  for (const auto& key : keys_->keys()) {
    // The local secret has no name: it serves whatever the token calls it.
    bool named = key->type == KeyType::kSecret || !head.kid || key->id == *head.kid;
    if (!named || !key->serves(head.algorithm)) continue;
    if (++tried > kMaxTried) break;
    if (signatures_.check(*key, head.algorithm, signed_part, signature)) return key.get();
    // A token that names no key may belong to one that is not here yet.
    if (head.kid || key->type == KeyType::kSecret) refusal = Refusal::kSignature;
  }
  return nullptr;
}

Verification Verifier::verify(std::string_view token, std::int64_t now_ms) {
  Verification refused = refuse(Refusal::kMalformed, kMalformedText);
  if (token.size() > kMaxTokenSize) return refused;
  std::size_t first = token.find('.');
  std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return refused;
  std::optional<std::string> head_text = decode_base64url(token.substr(0, first));
  std::optional<std::string> signature = decode_base64url(token.substr(second + 1));
  if (!head_text || !signature) return refused;
  Head head;
  if (!read_head(*head_text, head, refused)) return refused;

  const Key* key = signer(head, token.substr(0, second), *signature, refused.refusal);
  if (key == nullptr) return refuse(refused.refusal, kFailedText);
  // Only now is it worth while to read what the token says.
  std::optional<std::string> payload =
      decode_base64url(token.substr(first + 1, second - first - 1));
  std::optional<json> claims;
  if (payload) claims = parse_json(*payload, kMaxDepth);
  if (!claims || !claims->is_object()) return refuse(Refusal::kMalformed, kMalformedText);
  return judge(token, Claims{*claims}, head.algorithm, *key, now_ms);
}

Verification Verifier::judge(std::string_view token, const Claims& claims, Algorithm algorithm,
                             const Key& key, std::int64_t now_ms) const {
  VerifiedToken verified;
  verified.key_ = key.fingerprint;
  unsigned verdict = libjwt_verdict(token, algorithm, policy_, now_ms);
  Verification refused;
  if (!judge_dates(claims, verdict, now_ms, verified, refused)) return refused;
  if (std::string problem = wrong_party(claims.all, policy_); !problem.empty())
    return refuse(Refusal::kClaims, problem);
  if (verdict != JWT_VALIDATION_SUCCESS) return refuse(Refusal::kClaims, kFailedText);

  std::optional<std::string> subject = read_identity(claims.all, policy_.subject_claim);
  std::optional<std::string> type = read_identity(claims.all, policy_.type_claim);
  if (!subject || subject->empty() || !type)
    return refuse(Refusal::kClaims, "The token holds no usable identity");
  verified.subject_ = std::move(*subject);
  verified.type_ = std::move(*type);
  for (std::size_t i = 0; i < policy_.requirements.size(); ++i)
    if (meets(claims.all, policy_.requirements[i])) verified.met_ |= std::uint64_t{1} << i;
  return {std::move(verified), Refusal{}, ""};
}

// Sets the times of `verified`. False: the token is not valid now, or its dates make no sense.
bool Verifier::judge_dates(const Claims& claims, unsigned verdict, std::int64_t now_ms,
                           VerifiedToken& verified, Verification& refused) const {
  std::optional<double> exp, nbf, iat;
  refused = refuse(Refusal::kClaims, kFailedText);
  if (!read_date(claims.all, "exp", exp) || !read_date(claims.all, "nbf", nbf) ||
      !read_date(claims.all, "iat", iat) || (policy_.require_expiry && !exp))
    return false;
  auto in_ms = [](double seconds) { return static_cast<std::int64_t>(seconds * 1000.0); };
  if (exp) verified.expires_ms_ = in_ms(*exp) + policy_.skew_s * 1000;
  if (nbf) verified.not_before_ms_ = in_ms(*nbf) - policy_.skew_s * 1000;
  if (now_ms >= verified.expires_ms_ || (verdict & JWT_VALIDATION_EXPIRED)) {
    refused = refuse(Refusal::kExpired, "Jwt expired at " + iso_time(exp.value_or(0)));
    return false;
  }
  if (now_ms < verified.not_before_ms_ || (verdict & JWT_VALIDATION_TOO_NEW)) {
    refused.description = "Jwt used before " + iso_time(nbf.value_or(0));
    return false;
  }
  if (exp && iat && *exp <= *iat) {
    refused.description = "expiresAt must be after issuedAt";
    return false;
  }
  return true;
}

}  // namespace gw::auth
