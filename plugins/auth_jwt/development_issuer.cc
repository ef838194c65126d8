// SPDX-License-Identifier: Apache-2.0
#include "development_issuer.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base64url.h"
#include "file.h"

namespace gw::auth {
namespace {

constexpr std::size_t kMaxPemSize = 16384;

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string make_private_pem() {
  EvpPkey key(EVP_RSA_gen(2048));
  Bio bio(BIO_new(BIO_s_mem()));
  if (!key || !bio ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return {};
  return text_of(bio.get());
}

// An encrypted key asks nobody for a passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::string public_pem_of(const std::string& private_pem) {
  Bio in(BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size())));
  EvpPkey key(PEM_read_bio_PrivateKey(in.get(), nullptr, &no_passphrase, nullptr));
  Bio out(BIO_new(BIO_s_mem()));
  ERR_clear_error();
  if (!key || !EVP_PKEY_is_a(key.get(), "RSA") || PEM_write_bio_PUBKEY(out.get(), key.get()) != 1)
    return {};
  return text_of(out.get());
}

std::string key_id_of(const std::string& public_pem) {
  constexpr std::size_t kShown = 12;  // bytes of the hash
  unsigned char hash[EVP_MAX_MD_SIZE];
  EVP_Digest(public_pem.data(), public_pem.size(), hash, nullptr, EVP_sha256(), nullptr);
  return "development-" + encode_base64url({reinterpret_cast<char*>(hash), kShown});
}

}  // namespace

DevelopmentIssuer::Opened DevelopmentIssuer::open(const std::string& path) {
  FileText file = read_private_file(path, kMaxPemSize);
  if (!file.error.empty() && file.text.empty()) {
    std::string pem = make_private_pem();
    if (pem.empty()) return {nullptr, "cannot make an RSA key"};
    std::string error = create_private_file(path, pem);
    if (!error.empty()) return {nullptr, error};
    file = read_private_file(path, kMaxPemSize);
  }
  if (!file.error.empty()) return {nullptr, file.error};
  std::string public_pem = public_pem_of(file.text);
  if (public_pem.empty()) return {nullptr, path + " holds no private RSA key in PEM"};
  KeyOrReason made = key_from_pem(public_pem, key_id_of(public_pem));
  if (!made.key) return {nullptr, path + ": " + made.reason};
  return {std::unique_ptr<DevelopmentIssuer>(new DevelopmentIssuer(file.text, made.key)), ""};
}

std::string DevelopmentIssuer::issue(const nlohmann::json& claims) const {
  jwt_t* made = nullptr;
  if (jwt_new(&made) != 0) return {};
  std::unique_ptr<jwt_t, decltype(&jwt_free)> token(made, &jwt_free);
  const auto* pem = reinterpret_cast<const unsigned char*>(private_pem_.data());
  if (jwt_add_header(made, "kid", key_->id.c_str()) != 0 ||
      jwt_add_grants_json(made, dump_json(claims).c_str()) != 0 ||
      jwt_set_alg(made, JWT_ALG_RS256, pem, static_cast<int>(private_pem_.size())) != 0)
    return {};
  std::unique_ptr<char, decltype(&jwt_free_str)> text(jwt_encode_str(made), &jwt_free_str);
  return text ? std::string(text.get()) : std::string();
}

}  // namespace gw::auth
