// SPDX-License-Identifier: Apache-2.0
#include "origin.h"

#include <algorithm>

namespace gw::cors {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_host(std::string_view text) {
  if (text.starts_with('['))
    return text.ends_with(']') && std::all_of(text.begin() + 1, text.end() - 1, [](char c) {
             return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
           });
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || is_letter(c) || c == '.' || c == '-' || c == '_';
  });
}

// host[:port] at its last colon outside brackets.
void split_port(std::string_view text, std::string_view& host, std::string_view& port) {
  const std::size_t colon = text.rfind(':'), bracket = text.rfind(']');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  host = has_port ? text.substr(0, colon) : text;
  port = has_port ? text.substr(colon + 1) : std::string_view();
}

std::string_view or_usual(std::string_view port, std::string_view scheme) {
  if (!port.empty()) return port;
  return same_text(scheme, "https") ? "443" : "80";
}

// '*' stands for any characters.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, resume = t;
    } else if (p < pattern.size() && lower(pattern[p]) == lower(text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<Origin> parse_origin(std::string_view text) {
  if (text.size() > Origin::kMostBytes) return std::nullopt;
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0 || !is_letter(text[0])) return std::nullopt;
  Origin origin;
  origin.scheme = text.substr(0, end);
  const bool good = std::all_of(origin.scheme.begin(), origin.scheme.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  split_port(text.substr(end + 3), origin.host, origin.port);
  const bool has_port = origin.host.size() != text.size() - end - 3;
  if (!good || !is_host(origin.host) || (has_port && !is_port(origin.port))) return std::nullopt;
  return origin;
}

bool is_same_origin(const Origin& origin, std::string_view scheme, std::string_view authority) {
  std::string_view host, port;
  split_port(authority, host, port);
  return same_text(origin.scheme, scheme) && same_text(origin.host, host) &&
         or_usual(origin.port, origin.scheme) == or_usual(port, scheme);
}

std::string OriginPattern::compile(std::string_view text) {
  if (text.empty()) return "the pattern is empty";
  if (text.size() > Origin::kMostBytes) return "the pattern is longer than 300 bytes";
  const std::size_t list = text.rfind(":[");
  // A bracket right behind "//" begins an IPv6 host.
  if (!text.ends_with(']') || list == std::string_view::npos || list == 0 ||
      text[list - 1] == '/') {
    base_ = text;
    return {};
  }
  std::string_view ports = text.substr(list + 2, text.size() - list - 3);
  ports_ = ports == "*" ? Ports::kAny : Ports::kListed;
  for (bool more = ports_ == Ports::kListed; more;) {
    const std::size_t comma = ports.find(',');
    more = comma != std::string_view::npos;
    if (!is_port(ports.substr(0, comma))) return "':[...]' lists ports, or is ':[*]'";
    listed_.emplace_back(ports.substr(0, comma));
    if (more) ports.remove_prefix(comma + 1);
  }
  base_ = text.substr(0, list);
  return {};
}

bool OriginPattern::match(std::string_view text) const {
  if (ports_ == Ports::kAsWritten) return glob(base_, text);
  const auto origin = parse_origin(text);
  if (!origin) return false;
  const std::string_view port = origin->port;
  if (!port.empty()) text.remove_suffix(port.size() + 1);
  const bool good =
      ports_ == Ports::kAny || std::find(listed_.begin(), listed_.end(), port) != listed_.end();
  return good && glob(base_, text);
}

}  // namespace gw::cors
