// SPDX-License-Identifier: Apache-2.0
//
// Base64url as tokens have it (RFC 7515, section 2): no padding, and one spelling only. The usual
// decoders take several spellings of the same bytes, so that one token has many texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gw::auth {

// The bytes of `text`, or nothing when it is not canonical: another alphabet, padding, an
// impossible length, or unused bits that are not zero.
std::optional<std::string> decode_base64url(std::string_view text);

std::string encode_base64url(std::string_view bytes);

}  // namespace gw::auth
