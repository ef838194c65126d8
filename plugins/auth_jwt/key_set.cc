// SPDX-License-Identifier: Apache-2.0
#include "key_set.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <gateway/json.hpp>

#include "base64url.h"

namespace gw::auth {
namespace {

using nlohmann::json;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bignum = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

constexpr std::size_t kMaxJwksSize = 1 << 20;
constexpr std::size_t kMaxComponentSize = 2048;  // base64url text of a modulus, at most

std::string text_of(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  return found->get<std::string>();
}

Bignum bignum_of(const json& object, const char* name) {
  std::string text = text_of(object, name);
  if (text.empty() || text.size() > kMaxComponentSize) return nullptr;
  std::optional<std::string> bytes = decode_base64url(text);
  if (!bytes) return nullptr;
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.InnerPointer): `bytes` is not touched meanwhile
  return Bignum(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes->data()),
                          static_cast<int>(bytes->size()), nullptr));
}

EvpPkey pkey_from_params(const char* type, OSSL_PARAM_BLD* build) {
  Params params(OSSL_PARAM_BLD_to_param(build));
  PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return EvpPkey(key);
}

EvpPkey rsa_from_jwk(const json& jwk) {
  Bignum n = bignum_of(jwk, "n");
  Bignum e = bignum_of(jwk, "e");
  if (!n || !e) return nullptr;
  ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return pkey_from_params("RSA", build.get());
}

std::size_t coordinate_size(std::string_view curve) {
  for (Algorithm a : {Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512})
    if (facts(a).curve == curve) return facts(a).coordinate;
  return 0;
}

// The point is given uncompressed; OpenSSL refuses one that is not on the curve.
EvpPkey ec_from_jwk(const json& jwk, const std::string& curve) {
  std::optional<std::string> x = decode_base64url(text_of(jwk, "x"));
  std::optional<std::string> y = decode_base64url(text_of(jwk, "y"));
  std::size_t size = coordinate_size(curve);
  if (size == 0 || !x || !y || x->size() != size || y->size() != size) return nullptr;
  std::string point = "\x04" + *x + *y;
  ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.c_str(), 0);
  OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return pkey_from_params("EC", build.get());
}

std::string curve_of(EVP_PKEY* key) {
  char name[32];
  std::size_t size = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, &size) !=
      1)
    return {};
  std::string_view group(name, size);
  if (group == "prime256v1" || group == "P-256") return "P-256";
  if (group == "secp384r1" || group == "P-384") return "P-384";
  if (group == "secp521r1" || group == "P-521") return "P-521";
  return {};
}

// Empty: the key may be used.
std::string weakness_of(EVP_PKEY* key, KeyType type) {
  if (type == KeyType::kRsa) {
    int bits = EVP_PKEY_get_bits(key);
    if (bits < kMinRsaBits) return "RSA key of " + std::to_string(bits) + " bits, under 2048";
    if (bits > kMaxRsaBits) return "RSA key of " + std::to_string(bits) + " bits, over 8192";
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1)
      return "RSA key without exponent";
    Bignum e(raw);
    if (!BN_is_odd(e.get()) || BN_num_bits(e.get()) < 17 || BN_num_bits(e.get()) > 64)
      return "RSA key with a weak public exponent";
    BIGNUM* raw_n = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &raw_n) != 1)
      return "RSA key without modulus";
    Bignum n(raw_n);
    if (!BN_is_odd(n.get())) return "RSA key with an even modulus";
    return {};
  }
  PkeyCtx context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1) return "point is not on the curve";
  return {};
}

Fingerprint fingerprint_of(const Key& key) {
  std::string all = std::to_string(static_cast<int>(key.type)) + '\0' + key.id + '\0';
  all += key.algorithm ? std::string(facts(*key.algorithm).name) : std::string();
  all += '\0' + key.curve + '\0' + key.secret;
  if (key.pkey) {
    unsigned char* der = nullptr;
    int size = i2d_PUBKEY(key.pkey.get(), &der);
    if (size > 0) all.append(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  Fingerprint out{};
  EVP_Digest(all.data(), all.size(), out.data(), nullptr, EVP_sha256(), nullptr);
  return out;
}

KeyOrReason finished(Key key) {
  ERR_clear_error();
  if (key.pkey) {
    std::string weakness = weakness_of(key.pkey.get(), key.type);
    ERR_clear_error();
    if (!weakness.empty()) return {nullptr, weakness};
  }
  key.fingerprint = fingerprint_of(key);
  return {std::make_shared<const Key>(std::move(key)), ""};
}

bool for_verifying(const json& jwk) {
  if (jwk.contains("use") && text_of(jwk, "use") != "sig") return false;
  auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return true;
  return operations->is_array() &&
         std::find(operations->begin(), operations->end(), json("verify")) != operations->end();
}

KeyOrReason key_from_jwk(const json& jwk) {
  if (!jwk.is_object()) return {nullptr, "not an object"};
  if (!for_verifying(jwk)) return {nullptr, "not meant for signatures"};
  Key key{};
  if (jwk.contains("kid")) {
    key.id = text_of(jwk, "kid");
    if (key.id.empty() || key.id.size() > kMaxKeyIdSize)
      return {nullptr, "kid is not a usable text"};
  }
  std::string kty = text_of(jwk, "kty");
  if (kty == "RSA") {
    key.type = KeyType::kRsa;
    key.pkey = rsa_from_jwk(jwk);
  } else if (kty == "EC") {
    key.type = KeyType::kEc;
    key.curve = text_of(jwk, "crv");
    key.pkey = ec_from_jwk(jwk, key.curve);
  } else {
    return {nullptr, "kty is neither RSA nor EC"};
  }
  ERR_clear_error();
  if (!key.pkey) return {nullptr, "broken key"};
  if (jwk.contains("alg")) {
    key.algorithm = algorithm_named(text_of(jwk, "alg"));
    if (!key.algorithm || !key.serves(*key.algorithm)) return {nullptr, "alg does not fit the key"};
  }
  return finished(std::move(key));
}

}  // namespace

bool Key::serves(Algorithm wanted) const {
  if (algorithm && *algorithm != wanted) return false;
  const AlgorithmFacts& fact = facts(wanted);
  switch (fact.family) {
    case Family::kRsa:
    case Family::kRsaPss:
      return type == KeyType::kRsa;
    case Family::kEc:
      return type == KeyType::kEc && curve == fact.curve;
    case Family::kHmac:
      return type == KeyType::kSecret && secret.size() >= fact.digest_size;
  }
  return false;
}

KeyOrReason key_from_pem(std::string_view pem, std::string_view id) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key{};
  key.id = id;
  key.pkey.reset(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!key.pkey) return {nullptr, "not a public key in PEM"};
  if (EVP_PKEY_is_a(key.pkey.get(), "RSA")) {
    key.type = KeyType::kRsa;
  } else if (EVP_PKEY_is_a(key.pkey.get(), "EC")) {
    key.type = KeyType::kEc;
    key.curve = curve_of(key.pkey.get());
    if (key.curve.empty()) return {nullptr, "curve is not one of P-256, P-384, P-521"};
  } else {
    return {nullptr, "neither an RSA nor an EC key"};
  }
  return finished(std::move(key));
}

KeyOrReason key_from_secret(std::string_view secret) {
  constexpr std::size_t kLeast = 32;
  constexpr std::size_t kMost = 4096;
  if (secret.size() < kLeast) return {nullptr, "secret is shorter than 32 bytes"};
  if (secret.size() > kMost) return {nullptr, "secret is longer than 4096 bytes"};
  Key key{};
  key.type = KeyType::kSecret;
  key.secret = secret;
  return finished(std::move(key));
}

bool KeySet::holds(const Fingerprint& fingerprint) const {
  return std::any_of(keys_.begin(), keys_.end(),
                     [&](const auto& key) { return key->fingerprint == fingerprint; });
}

ParsedJwks parse_jwks(std::string_view text) {
  ParsedJwks out;
  if (text.size() > kMaxJwksSize) {
    out.error = "key set is larger than 1 MiB";
    return out;
  }
  std::optional<json> document = parse_json(text);
  if (!document || !document->is_object() || !document->contains("keys") ||
      !(*document)["keys"].is_array()) {
    out.error = "not a JSON object with an array \"keys\"";
    return out;
  }
  const json& keys = (*document)["keys"];
  if (keys.size() > kMaxKeys) {
    out.error = "key set holds more than 64 keys";
    return out;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    KeyOrReason made = key_from_jwk(keys[i]);
    if (made.key) {
      out.keys.push_back(std::move(made.key));
    } else {
      out.skipped.push_back("key " + std::to_string(i) + ": " + made.reason);
    }
  }
  return out;
}

}  // namespace gw::auth
