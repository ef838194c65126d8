// SPDX-License-Identifier: Apache-2.0
#include "algorithm.h"

#include <array>

namespace gw::auth {
namespace {

constexpr std::array<AlgorithmFacts, kAlgorithmCount> kFacts = {{
    {"RS256", Family::kRsa, "SHA256", 32, "", 0},
    {"RS384", Family::kRsa, "SHA384", 48, "", 0},
    {"RS512", Family::kRsa, "SHA512", 64, "", 0},
    {"PS256", Family::kRsaPss, "SHA256", 32, "", 0},
    {"PS384", Family::kRsaPss, "SHA384", 48, "", 0},
    {"PS512", Family::kRsaPss, "SHA512", 64, "", 0},
    {"ES256", Family::kEc, "SHA256", 32, "P-256", 32},
    {"ES384", Family::kEc, "SHA384", 48, "P-384", 48},
    {"ES512", Family::kEc, "SHA512", 64, "P-521", 66},
    {"HS256", Family::kHmac, "SHA256", 32, "", 0},
    {"HS384", Family::kHmac, "SHA384", 48, "", 0},
    {"HS512", Family::kHmac, "SHA512", 64, "", 0},
}};

}  // namespace

const AlgorithmFacts& facts(Algorithm algorithm) {
  return kFacts[static_cast<std::size_t>(algorithm)];
}

std::optional<Algorithm> algorithm_named(std::string_view name) {
  for (std::size_t i = 0; i < kFacts.size(); ++i)
    if (kFacts[i].name == name) return static_cast<Algorithm>(i);
  return std::nullopt;
}

}  // namespace gw::auth
