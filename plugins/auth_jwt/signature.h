// SPDX-License-Identifier: Apache-2.0
//
// Checks signatures with everything prepared: one OpenSSL context per key and algorithm, made at
// first use. Preparing costs far more than an RSA verification; parsing a PEM for every token, as
// libjwt does, ten times as much.
#pragma once

#include <openssl/evp.h>

#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "algorithm.h"
#include "key_set.h"

namespace gw::auth {

// For one thread. Holds no key alive on its own: `reset` before the keys it has seen die.
class SignatureChecker {
 public:
  SignatureChecker();
  ~SignatureChecker();
  SignatureChecker(const SignatureChecker&) = delete;
  SignatureChecker& operator=(const SignatureChecker&) = delete;

  // Is `signature` (raw bytes, as in a JWS) that of `data` under `key`? False also when the key
  // does not serve the algorithm.
  bool check(const Key& key, Algorithm algorithm, std::string_view data,
             std::string_view signature);
  // Forgets all prepared contexts.
  void reset();

 private:
  struct Free {
    void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(EVP_MD* p) const { EVP_MD_free(p); }
  };
  using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Free>;

  EVP_PKEY_CTX* prepared(const Key& key, Algorithm algorithm);
  EVP_MD* digest(Algorithm algorithm);

  std::unique_ptr<EVP_MD_CTX, Free> digest_context_;
  std::map<std::string_view, std::unique_ptr<EVP_MD, Free>> digests_;
  std::map<std::pair<const Key*, Algorithm>, PkeyCtx> contexts_;
};

}  // namespace gw::auth
