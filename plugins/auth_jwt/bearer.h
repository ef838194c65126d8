// SPDX-License-Identifier: Apache-2.0
//
// The Authorization header as RFC 6750 and Spring Security's resource server read it, and the
// challenges that go back.
#pragma once

#include <string>
#include <string_view>

namespace gw::auth {

struct Bearer {
  enum class Kind {
    kNone,       // no header, or another scheme
    kMalformed,  // says Bearer and nothing behind it
    kToken       // or what stands in a token's place
  };
  Kind kind = Kind::kNone;
  std::string_view token;  // a view into the header's value
};

// "Bearer" in any case, one space, the rest.
Bearer read_bearer(std::string_view authorization);
// [A-Za-z0-9-._~+/]+=*, which a token that was verified before need not be asked again.
bool is_bearer_token(std::string_view text);

// Value of WWW-Authenticate for a token that is refused. `description`: visible ASCII without quote
// and backslash.
std::string invalid_token_challenge(std::string_view description);

// For a missing token, and for one that is good but not enough.
inline constexpr std::string_view kPlainChallenge = "Bearer";
inline constexpr std::string_view kScopeChallenge =
    "Bearer error=\"insufficient_scope\", error_description=\"The request requires higher "
    "privileges "
    "than provided by the access token.\", "
    "error_uri=\"https://tools.ietf.org/html/rfc6750#section-3.1\"";

}  // namespace gw::auth
