// SPDX-License-Identifier: Apache-2.0
//
// A token. As it comes; or, behind a '!', as the two JSON texts of head and claims with a line feed
// between, which are then signed, so that everything behind the signature is reached too.
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base64url.h"
#include "bearer.h"
#include "fuzz.h"
#include "verifier.h"

namespace {

using namespace gw::auth;

constexpr std::string_view kSecret = "a secret of thirty-two bytes, or";
constexpr std::int64_t kNowMs = 1767225600000;

std::string sign(std::string_view texts) {
  const std::size_t line = std::min(texts.find('\n'), texts.size());
  const std::string signed_part =
      encode_base64url(texts.substr(0, line)) + "." +
      encode_base64url(line < texts.size() ? texts.substr(line + 1) : std::string_view());
  unsigned char digest[32];
  unsigned size = sizeof digest;
  HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()),
       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), digest,
       &size);
  return signed_part + "." +
         encode_base64url({reinterpret_cast<const char*>(digest), sizeof digest});
}

struct Subject {
  Subject() : verifier(policy) {
    const KeyOrReason secret = key_from_secret(kSecret);
    GW_CHECK(secret.key != nullptr);
    verifier.use(std::make_shared<const KeySet>(std::vector{secret.key}));
  }
  TokenPolicy policy{.algorithms = {Algorithm::kHs256},
                     .audiences = {"gateway"},
                     .requirements = {{"scope", "a"}, {"roles", "b"}}};
  Verifier verifier;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Subject subject;
  const std::string_view text = gw::fuzz::text_of(data, size);
  const bool to_sign = text.starts_with('!');
  const std::string token = to_sign ? sign(text.substr(1)) : std::string(text);
  const Verification seen = subject.verifier.verify(token, kNowMs);
  GW_CHECK(seen.token.has_value() == seen.description.empty());
  if (seen.token) {
    GW_CHECK(to_sign || text.size() > 43);  // who does not know the secret gets nowhere
    GW_CHECK(seen.token->subject().size() <= kMaxIdentitySize && !seen.token->subject().empty());
    GW_CHECK(seen.token->not_before_ms() <= kNowMs && kNowMs < seen.token->expires_ms());
    for (const char c : seen.token->subject() + seen.token->type()) GW_CHECK(c >= ' ' && c <= '~');
  }
  for (const char c : seen.description) GW_CHECK(c >= ' ' && c <= '~' && c != '"' && c != '\\');
  (void)read_bearer(text);
  return 0;
}
