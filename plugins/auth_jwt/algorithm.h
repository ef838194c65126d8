// SPDX-License-Identifier: Apache-2.0
//
// The signature algorithms of RFC 7518 that the gateway knows. What is not in this list, "none"
// above all, has no value of the type and therefore no way to be accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::auth {

enum class Algorithm : std::uint8_t {
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kHs256,
  kHs384,
  kHs512,
};
inline constexpr std::size_t kAlgorithmCount = 12;

enum class Family : std::uint8_t { kRsa, kRsaPss, kEc, kHmac };

struct AlgorithmFacts {
  std::string_view name;  // as in `alg`
  Family family;
  const char* digest;       // as OpenSSL names it
  std::size_t digest_size;  // bytes
  std::string_view curve;   // as in `crv`; empty but for kEc
  std::size_t coordinate;   // bytes of r and of s; 0 but for kEc
};

const AlgorithmFacts& facts(Algorithm algorithm);

// Exact, case-sensitive.
std::optional<Algorithm> algorithm_named(std::string_view name);

}  // namespace gw::auth
