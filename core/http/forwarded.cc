// SPDX-License-Identifier: Apache-2.0
#include "http/forwarded.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "http/field_names.h"
#include "http/message.h"

namespace gw::http {

namespace {

// Takes a token or a quoted string from the front. Escapes are refused: no address needs them.
bool take_value(std::string_view& text, std::string_view& out) {
  if (text.starts_with('"')) {
    const std::size_t end = text.find_first_of("\"\\", 1);
    if (end == std::string_view::npos || text[end] == '\\') return false;
    out = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return true;
  }
  const std::size_t end = std::min(text.find_first_of(",; \t\""), text.size());
  out = text.substr(0, end);
  text.remove_prefix(end);
  return is_field_name(out);  // both are tokens
}

// Behind an address: nothing, ":80", or ":_hidden" (RFC 7239 6.2).
bool is_port(std::string_view text) {
  constexpr std::size_t kMostDigits = 5;
  if (text.empty()) return true;
  text.remove_prefix(1);
  if (text.starts_with('_')) return is_field_name(text);
  return !text.empty() && text.size() <= kMostDigits &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Says again what its proxy has said (RFC 7239 4: no parameter twice).
bool is_repeated(std::string_view name, unsigned& told) {
  constexpr std::string_view kNames[] = {"for", "by", "host", "proto"};
  for (unsigned i = 0; i < std::size(kNames); ++i) {
    if (same_name(name, kNames[i])) return (std::exchange(told, told | 1U << i) >> i & 1U) != 0;
  }
  return false;
}

}  // namespace

std::string_view node_address(std::string_view node) {
  std::size_t end = node.find(':');
  std::size_t from = 0;
  if (node.starts_with('[')) {
    end = node.find(']');
    if (end == std::string_view::npos || (end + 1 < node.size() && node[end + 1] != ':')) return {};
    from = 1;
  } else if (end == std::string_view::npos || node.find(':', end + 1) != std::string_view::npos) {
    return node;  // IPv6 without brackets has no port
  }
  return is_port(node.substr(end + from)) ? node.substr(from, end - from) : std::string_view();
}

bool ForwardedHops::read(std::string_view text) {
  size_ = 0;
  while (true) {
    if (size_ == kMost) return false;
    ForwardedHop& hop = hops_[size_++] = {};
    unsigned told = 0;
    char next = ';';
    while (next == ';') {
      text = trim_blanks(text);
      const std::size_t equals = text.find('=');
      if (equals == std::string_view::npos) return false;
      const std::string_view name = text.substr(0, equals);
      std::string_view value;
      text.remove_prefix(equals + 1);
      if (!is_field_name(name) || is_repeated(name, told) || !take_value(text, value)) return false;
      if (same_name(name, "for")) hop.address = node_address(value);
      if (same_name(name, "proto")) hop.proto = value;
      text = trim_blanks(text);
      if (text.empty()) return true;
      next = text[0];
      text.remove_prefix(1);
    }
    if (next != ',') return false;
  }
}

}  // namespace gw::http
