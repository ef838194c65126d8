// SPDX-License-Identifier: Apache-2.0
//
// Makes tokens on a developer's machine, where no auth server runs. Its private key is made at
// first use, one for each checkout, and lies in a file that only its owner can read; the gateway
// trusts it only where the configuration says so.
#pragma once

#include <cstdint>
#include <gateway/json.hpp>
#include <memory>
#include <string>

#include "key_set.h"

namespace gw::auth {

class DevelopmentIssuer {
 public:
  // Reads the RSA key in the file at `path`, and makes file and key when there is none. Takes about
  // 0.1 s then.
  struct Opened {
    std::unique_ptr<DevelopmentIssuer> issuer;
    std::string error;
  };
  static Opened open(const std::string& path);

  // The public half, for the key set.
  std::shared_ptr<const Key> key() const { return key_; }
  // A token of RS256 with these claims; empty: libjwt refused them.
  std::string issue(const nlohmann::json& claims) const;

 private:
  DevelopmentIssuer(std::string pem, std::shared_ptr<const Key> key)
      : private_pem_(std::move(pem)), key_(std::move(key)) {}
  std::string private_pem_;
  std::shared_ptr<const Key> key_;
};

}  // namespace gw::auth
