// SPDX-License-Identifier: Apache-2.0
//
// For the tests: keys of every kind, their JWKs, and tokens good and bad, made with OpenSSL alone
// so that nothing under test takes part in making them.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <gateway/json.hpp>
#include <map>
#include <string>
#include <string_view>

#include "algorithm.h"
#include "base64url.h"
#include "key_set.h"

namespace gw::auth::testing {

using nlohmann::json;

inline std::string bytes_of(EVP_PKEY* key, const char* name, int size = 0) {
  BIGNUM* raw = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &raw), 1) << name;
  std::string out(static_cast<std::size_t>(size == 0 ? BN_num_bytes(raw) : size), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  BN_free(raw);
  return out;
}

class TestKey {
 public:
  static TestKey rsa(int bits = 2048, unsigned exponent = 65537) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits);
    BIGNUM* e = BN_new();
    BN_set_word(e, exponent);
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e);
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_generate(context, &key), 1);
    BN_free(e);
    EVP_PKEY_CTX_free(context);
    return TestKey(key, "");
  }
  static TestKey ec(const std::string& curve) { return TestKey(EVP_EC_gen(curve.c_str()), curve); }

  // The same for the whole test program: making one takes a while.
  static const TestKey& shared(std::string_view name) {
    static std::map<std::string, TestKey, std::less<>> keys;
    auto found = keys.find(name);
    if (found == keys.end())
      found = keys.emplace(name, name.starts_with("P-") ? ec(std::string(name)) : rsa()).first;
    return found->second;
  }

  EVP_PKEY* pkey() const { return key_.get(); }

  json jwk(const std::string& kid = "k1") const {
    json out = {{"use", "sig"}};
    if (!kid.empty()) out["kid"] = kid;
    if (curve_.empty()) {
      out["kty"] = "RSA";
      out["n"] = encode_base64url(bytes_of(pkey(), OSSL_PKEY_PARAM_RSA_N));
      out["e"] = encode_base64url(bytes_of(pkey(), OSSL_PKEY_PARAM_RSA_E));
      return out;
    }
    int size = curve_ == "P-256" ? 32 : curve_ == "P-384" ? 48 : 66;
    out["kty"] = "EC";
    out["crv"] = curve_;
    out["x"] = encode_base64url(bytes_of(pkey(), OSSL_PKEY_PARAM_EC_PUB_X, size));
    out["y"] = encode_base64url(bytes_of(pkey(), OSSL_PKEY_PARAM_EC_PUB_Y, size));
    return out;
  }

  std::string public_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, pkey());
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  }

  // The raw signature as a JWS has it.
  std::string sign(std::string_view algorithm_name, std::string_view data) const {
    const AlgorithmFacts& fact = facts(*algorithm_named(algorithm_name));
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit_ex(context, &options, fact.digest, nullptr, nullptr, pkey(), nullptr);
    if (fact.family == Family::kRsaPss) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string out(1100, '\0');
    std::size_t size = out.size();
    EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size,
                             reinterpret_cast<const unsigned char*>(data.data()), data.size()),
              1);
    EVP_MD_CTX_free(context);
    out.resize(size);
    return fact.family == Family::kEc ? raw_pair(out, fact.coordinate) : out;
  }

 private:
  TestKey(EVP_PKEY* key, std::string curve) : key_(key), curve_(std::move(curve)) {}
  static std::string raw_pair(const std::string& der, std::size_t coordinate) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string out(2 * coordinate, '\0');
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, static_cast<int>(coordinate));
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + coordinate, static_cast<int>(coordinate));
    ECDSA_SIG_free(pair);
    return out;
  }
  EvpPkey key_;
  std::string curve_;
};

inline std::string hmac(const char* digest, std::string_view secret, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_get_digestbyname(digest), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), out, &size);
  return std::string(reinterpret_cast<char*>(out), size);
}

// Head and payload as given, also when they are not JSON.
inline std::string signed_token(const TestKey& key, std::string_view algorithm,
                                std::string_view head, std::string_view payload) {
  std::string text = encode_base64url(head) + "." + encode_base64url(payload);
  return text + "." + encode_base64url(key.sign(algorithm, text));
}

inline std::string jwks_of(std::initializer_list<json> keys) {
  json out = {{"keys", json::array()}};
  for (const json& key : keys) out["keys"].push_back(key);
  return out.dump();
}

}  // namespace gw::auth::testing
