// SPDX-License-Identifier: Apache-2.0
#include "bearer.h"

namespace gw::auth {
namespace {

bool is_token_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

bool starts_with_bearer(std::string_view text) {
  constexpr std::string_view kScheme = "bearer";
  if (text.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if ((text[i] | 0x20) != kScheme[i]) return false;
  return true;
}

}  // namespace

Bearer read_bearer(std::string_view authorization) {
  constexpr std::size_t kSchemeSize = 6;
  if (!starts_with_bearer(authorization)) return {};
  std::string_view rest = authorization.substr(kSchemeSize);
  if (rest.size() < 2 || rest[0] != ' ') return {Bearer::Kind::kMalformed, {}};
  return {Bearer::Kind::kToken, rest.substr(1)};
}

bool is_bearer_token(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_token_char(text[end])) ++end;
  std::size_t padding = end;
  while (padding < text.size() && text[padding] == '=') ++padding;
  return end > 0 && padding == text.size();
}

std::string invalid_token_challenge(std::string_view description) {
  std::string value = "Bearer error=\"invalid_token\", error_description=\"";
  value += description;
  value += "\", error_uri=\"https://tools.ietf.org/html/rfc6750#section-3.1\"";
  return value;
}

}  // namespace gw::auth
