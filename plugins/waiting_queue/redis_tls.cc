// SPDX-License-Identifier: Apache-2.0
#include "redis_tls.h"

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace gw::queue {
namespace {

std::string last_error() {
  char text[256] = "unknown error";
  if (unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return std::string("TLS: ") + text;
}

}  // namespace

bool RedisTls::prepare(const RedisAddress& address) {
  if (context_ != nullptr) return true;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> made(SSL_CTX_new(TLS_client_method()),
                                                    &SSL_CTX_free);
  SSL_CTX* context = made.get();
  if (context == nullptr) return false;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int trusted = address.tls_ca.empty()
                          ? SSL_CTX_set_default_verify_paths(context)
                          : SSL_CTX_load_verify_locations(context, address.tls_ca.c_str(), nullptr);
  if (trusted != 1) return false;
  if (!address.tls_certificate.empty() &&
      (SSL_CTX_use_certificate_chain_file(context, address.tls_certificate.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context, address.tls_key.c_str(), SSL_FILETYPE_PEM) != 1))
    return false;
  context_ = std::move(made);
  return true;
}

std::string RedisTls::begin(redisContext& redis, const RedisAddress& address,
                            const std::string& host) {
  session_ = nullptr;
  ERR_clear_error();
  if (!prepare(address)) return last_error();
  std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), &SSL_free);
  if (tls == nullptr) return last_error();
  // A literal address is matched as such, and sent in no SNI.
  const bool named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls.get()), host.c_str()) == 1 ||
                     (SSL_set1_host(tls.get(), host.c_str()) == 1 &&
                      SSL_set_tlsext_host_name(tls.get(), host.c_str()) == 1);
  ERR_clear_error();
  if (!named || redisInitiateSSL(&redis, tls.get()) != REDIS_OK) return last_error();
  session_ = tls.release();
  return {};
}

std::string RedisTls::refusal() const {
  if (session_ == nullptr) return {};
  const long result = SSL_get_verify_result(session_);
  if (result == X509_V_OK) return {};
  return std::string("certificate verify failed: ") + X509_verify_cert_error_string(result);
}

}  // namespace gw::queue
