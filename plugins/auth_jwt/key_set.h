// SPDX-License-Identifier: Apache-2.0
//
// Keys that tokens are checked with. A `Key` is made only by the functions below, which refuse what
// is weak or not meant for signatures; a `KeySet` is immutable and shared by all workers.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithm.h"

namespace gw::auth {

struct EvpPkeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using EvpPkey = std::unique_ptr<EVP_PKEY, EvpPkeyFree>;

enum class KeyType { kRsa, kEc, kSecret };

// SHA-256 over all that decides what a key accepts: a key that changed in any way is another key.
using Fingerprint = std::array<unsigned char, 32>;

struct Key {
  KeyType type;
  std::string id;                      // `kid`; empty: none
  std::optional<Algorithm> algorithm;  // `alg`: the only one it serves
  std::string curve;                   // "P-256", ...; EC only
  EvpPkey pkey;                        // RSA, EC
  std::string secret;                  // bytes; HMAC only
  Fingerprint fingerprint;

  // Is the key of the kind that the algorithm asks for (RFC 7518, RFC 8725 section 3.1)?
  bool serves(Algorithm wanted) const;
};

// A key or the reason why there is none (for the operator's log; holds no key material).
struct KeyOrReason {
  std::shared_ptr<const Key> key;
  std::string reason;
};

inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;
inline constexpr std::size_t kMaxKeys = 64;
inline constexpr std::size_t kMaxKeyIdSize = 256;

// A public key in PEM. `id` as `kid`.
KeyOrReason key_from_pem(std::string_view pem, std::string_view id);
// The local secret for HMAC; its bytes as they are. At least 32.
KeyOrReason key_from_secret(std::string_view secret);

class KeySet {
 public:
  KeySet() = default;
  explicit KeySet(std::vector<std::shared_ptr<const Key>> keys) : keys_(std::move(keys)) {}
  const std::vector<std::shared_ptr<const Key>>& keys() const { return keys_; }
  bool empty() const { return keys_.empty(); }
  bool holds(const Fingerprint& fingerprint) const;

 private:
  std::vector<std::shared_ptr<const Key>> keys_;
};

struct ParsedJwks {
  std::vector<std::shared_ptr<const Key>> keys;  // the usable ones
  std::vector<std::string> skipped;              // why others are not used
  std::string error;                             // not empty: not a key set at all
};

// A JWK Set (RFC 7517). Keys for encryption, symmetric keys, weak and broken ones are skipped;
// `x5c`, `x5u` and private parts are not looked at.
ParsedJwks parse_jwks(std::string_view json);

}  // namespace gw::auth
