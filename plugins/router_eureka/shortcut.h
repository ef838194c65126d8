// SPDX-License-Identifier: Apache-2.0
//
// Spring Cloud Gateway's shortcut form of predicates and filters: "Name=a, b, c". Split at the
// first '=', then at commas; arguments are trimmed, empty ones dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::router {

struct Shortcut {
  std::string name;
  bool has_equals = false;  // a predicate must have it
  std::vector<std::string> arguments;
};

Shortcut parse_shortcut(std::string_view text);

std::string_view trimmed(std::string_view text);

// A token of RFC 9110 (a header's name).
bool is_token(std::string_view text);

// ASCII only.
std::string lower_case(std::string_view text);
bool equal_any_case(std::string_view a, std::string_view b);

// A value of Spring's DataSize ("5MB", "500KB", "4096"); false: not one.
bool parse_data_size(std::string_view text, std::uint64_t& bytes);

// Decimal digits only.
bool parse_unsigned(std::string_view text, std::uint64_t& out);

}  // namespace gw::router
