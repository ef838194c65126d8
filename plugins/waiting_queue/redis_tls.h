// SPDX-License-Identifier: Apache-2.0
//
// Where Redis is, and TLS to it. The server's certificate must be signed by a known authority and
// name the host that was asked for.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct redisContext;

namespace gw::queue {

struct RedisHost {
  std::string name;
  std::uint16_t port = 6379;
  bool operator==(const RedisHost&) const = default;
};

struct RedisAddress {
  std::vector<RedisHost> hosts;  // several: sentinels, or servers of a cluster
  std::string unix_path;         // instead of hosts
  std::string master;            // with sentinels: the name they have for the master
  bool cluster = false;
  std::string user, password, sentinel_password;
  int database = 0;
  bool tls = false;
  std::string tls_ca;                    // a file in PEM; empty: the system's
  std::string tls_certificate, tls_key;  // files in PEM, if the server asks for one
};

// Of one connection after the other. Worker thread only.
class RedisTls {
 public:
  // Starts TLS on a context that connects to `host`. Not empty: why it cannot.
  std::string begin(redisContext& redis, const RedisAddress& address, const std::string& host);
  // Why the server's certificate was refused; empty: it was not. Before hiredis frees the context.
  std::string refusal() const;

 private:
  bool prepare(const RedisAddress& address);

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, &SSL_CTX_free};
  SSL* session_ = nullptr;  // hiredis' own
};

}  // namespace gw::queue
