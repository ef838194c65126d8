// SPDX-License-Identifier: Apache-2.0
#include "signature.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <array>
#include <new>

namespace gw::auth {
namespace {

// r and s as a DER sequence, which is what OpenSSL reads. Returns its size; 0: not of the right
// form.
std::size_t ecdsa_der(std::string_view raw, std::size_t coordinate,
                      std::array<unsigned char, 160>& out) {
  if (raw.size() != 2 * coordinate) return 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(bytes, static_cast<int>(coordinate), nullptr);
  BIGNUM* s = BN_bin2bn(bytes + coordinate, static_cast<int>(coordinate), nullptr);
  if (!pair || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return 0;
  }
  int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0 || static_cast<std::size_t>(size) > out.size()) return 0;
  unsigned char* end = out.data();
  i2d_ECDSA_SIG(pair.get(), &end);
  return static_cast<std::size_t>(size);
}

bool check_hmac(const Key& key, EVP_MD* digest, std::string_view data, std::string_view signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> expected;
  unsigned size = 0;
  if (HMAC(digest, key.secret.data(), static_cast<int>(key.secret.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(), expected.data(),
           &size) == nullptr)
    return false;
  return signature.size() == size && CRYPTO_memcmp(signature.data(), expected.data(), size) == 0;
}

bool set_padding(EVP_PKEY_CTX* context, Family family) {
  if (family == Family::kRsa) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  if (family == Family::kEc) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace

SignatureChecker::SignatureChecker() : digest_context_(EVP_MD_CTX_new()) {
  if (!digest_context_) throw std::bad_alloc();
}
SignatureChecker::~SignatureChecker() = default;

void SignatureChecker::reset() {
  contexts_.clear();
}

EVP_MD* SignatureChecker::digest(Algorithm algorithm) {
  const AlgorithmFacts& fact = facts(algorithm);
  auto& slot = digests_[fact.digest];
  if (!slot) slot.reset(EVP_MD_fetch(nullptr, fact.digest, nullptr));
  return slot.get();
}

EVP_PKEY_CTX* SignatureChecker::prepared(const Key& key, Algorithm algorithm) {
  auto found = contexts_.find({&key, algorithm});
  if (found != contexts_.end()) return found->second.get();
  PkeyCtx context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.pkey.get(), nullptr));
  if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
      !set_padding(context.get(), facts(algorithm).family) ||
      EVP_PKEY_CTX_set_signature_md(context.get(), digest(algorithm)) != 1)
    return nullptr;
  return contexts_.emplace(std::pair{&key, algorithm}, std::move(context)).first->second.get();
}

bool SignatureChecker::check(const Key& key, Algorithm algorithm, std::string_view data,
                             std::string_view signature) {
  if (!key.serves(algorithm)) return false;
  const AlgorithmFacts& fact = facts(algorithm);
  EVP_MD* md = digest(algorithm);
  if (md == nullptr) return false;
  if (fact.family == Family::kHmac) return check_hmac(key, md, data, signature);

  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned hash_size = 0;
  if (EVP_DigestInit_ex2(digest_context_.get(), md, nullptr) != 1 ||
      EVP_DigestUpdate(digest_context_.get(), data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(digest_context_.get(), hash.data(), &hash_size) != 1)
    return false;
  EVP_PKEY_CTX* context = prepared(key, algorithm);
  if (context == nullptr) return false;

  std::array<unsigned char, 160> der;
  const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
  std::size_t size = signature.size();
  if (fact.family == Family::kEc) {
    size = ecdsa_der(signature, fact.coordinate, der);
    if (size == 0) return false;
    bytes = der.data();
  }
  bool good = EVP_PKEY_verify(context, bytes, size, hash.data(), hash_size) == 1;
  if (!good) ERR_clear_error();
  return good;
}

}  // namespace gw::auth
