// SPDX-License-Identifier: Apache-2.0
//
// From the text of a token to a `VerifiedToken`, or to the reason for its refusal. What is checked,
// in this order: size, form, header (our own strict reading), algorithm against the configured
// list, signature under a key bound to that algorithm (OpenSSL), claims (libjwt, then our own
// stricter reading). Nothing in the token chooses a key by itself: `kid` only narrows the list of
// keys that the gateway has.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithm.h"
#include "key_set.h"
#include "signature.h"

namespace gw::auth {

inline constexpr std::size_t kMaxTokenSize = 8192;
inline constexpr std::size_t kMaxIdentitySize = 256;

// A claim with a value, as rules ask for it. Held when the claim is that text, an array with that
// text in it, or (`scope`, `scp`) a space-separated list with it.
struct Requirement {
  std::string claim;
  std::string value;
  friend bool operator==(const Requirement&, const Requirement&) = default;
};
inline constexpr std::size_t kMaxRequirements = 64;

struct TokenPolicy {
  std::vector<Algorithm> algorithms = {Algorithm::kRs256};
  std::string issuer = {};                  // `iss` must be it; empty: not checked
  std::vector<std::string> audiences = {};  // one must be in `aud`; empty: not checked
  std::int64_t skew_s = 60;
  bool require_expiry = false;
  std::string subject_claim = "sub";
  std::string type_claim = "userType";
  std::vector<Requirement> requirements = {};  // whose outcome a VerifiedToken remembers
};

// The proof that a token was verified: only the verifier makes one.
class VerifiedToken {
 public:
  const std::string& subject() const {
    return subject_;
  }                                                  // visible ASCII and space, 1 .. 256 bytes
  const std::string& type() const { return type_; }  // the same, or empty
  bool meets(std::size_t requirement) const { return (met_ >> requirement) & 1; }
  // Valid while not_before_ms <= wall clock < expires_ms; the skew is in it.
  std::int64_t not_before_ms() const { return not_before_ms_; }
  std::int64_t expires_ms() const { return expires_ms_; }
  const Fingerprint& key() const { return key_; }

 private:
  friend class Verifier;
  VerifiedToken() = default;
  std::string subject_;
  std::string type_;
  std::uint64_t met_ = 0;
  std::int64_t not_before_ms_ = INT64_MIN;
  std::int64_t expires_ms_ = INT64_MAX;
  Fingerprint key_{};
};

enum class Refusal {
  kMalformed,   // not a token
  kAlgorithm,   // an algorithm that is not allowed
  kUnknownKey,  // no key that it could be signed with: a newer key set may have one
  kSignature,   // a key, but not its signature
  kExpired,
  kClaims,  // signed, but not valid (yet), not for us, or without a usable identity
};

struct Verification {
  std::optional<VerifiedToken> token;
  Refusal refusal{};
  std::string description;  // for `error_description`: visible ASCII without quote and backslash
};

// For one thread.
class Verifier {
 public:
  // `policy` must outlive it.
  explicit Verifier(const TokenPolicy& policy);
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  void use(std::shared_ptr<const KeySet> keys);
  const KeySet& keys() const { return *keys_; }

  Verification verify(std::string_view token, std::int64_t now_ms);

 private:
  struct Head;
  struct Claims;
  bool read_head(std::string_view text, Head& head, Verification& out) const;
  const Key* signer(const Head& head, std::string_view signed_part, std::string_view signature,
                    Refusal& refusal);
  Verification judge(std::string_view token, const Claims& claims, Algorithm algorithm,
                     const Key& key, std::int64_t now_ms) const;
  bool judge_dates(const Claims& claims, unsigned verdict, std::int64_t now_ms,
                   VerifiedToken& verified, Verification& refused) const;

  const TokenPolicy& policy_;
  std::shared_ptr<const KeySet> keys_;
  SignatureChecker signatures_;
};

}  // namespace gw::auth
