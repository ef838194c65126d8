// SPDX-License-Identifier: Apache-2.0
//
// A key set as a stranger's server sends it: every key that is taken must be good for something.
#include "fuzz.h"
#include "key_set.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::auth;
  const ParsedJwks parsed = parse_jwks(gw::fuzz::text_of(data, size));
  GW_CHECK(parsed.error.empty() || parsed.keys.empty());
  GW_CHECK(parsed.keys.size() <= kMaxKeys);
  for (const auto& key : parsed.keys) {
    GW_CHECK(key->type != KeyType::kSecret && key->pkey != nullptr);
    GW_CHECK(key->id.size() <= kMaxKeyIdSize);
    if (key->type == KeyType::kRsa) GW_CHECK(EVP_PKEY_get_bits(key->pkey.get()) >= kMinRsaBits);
  }
  (void)key_from_pem(gw::fuzz::text_of(data, size), "x");
  return 0;
}
