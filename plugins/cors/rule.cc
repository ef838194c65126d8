// SPDX-License-Identifier: Apache-2.0
#include "rule.h"

#include <algorithm>

namespace gw::cors {
namespace {

constexpr std::size_t kMostMethodBytes = 32;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string_view Rule::allow_origin(std::string_view origin) const {
  if (any_origin) return "*";
  const bool listed = std::any_of(origins.begin(), origins.end(),
                                  [origin](const auto& one) { return same_text(one, origin); });
  if (listed) return origin;
  const bool matched = std::any_of(patterns.begin(), patterns.end(),
                                   [origin](const auto& pattern) { return pattern.match(origin); });
  return matched ? origin : std::string_view();
}

bool Rule::allows_method(std::string_view method) const {
  if (any_method) return method.size() <= kMostMethodBytes && is_token(method);
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

void Rule::allow_headers(std::string_view listed, std::string& out) const {
  for (bool more = true; more;) {
    const std::size_t comma = listed.find(',');
    more = comma != std::string_view::npos;
    const std::string_view name = trim(listed.substr(0, comma));
    if (more) listed.remove_prefix(comma + 1);
    if (!is_token(name)) continue;
    if (!any_header && std::none_of(headers.begin(), headers.end(),
                                    [name](const auto& one) { return same_text(one, name); }))
      continue;
    if (!out.empty()) out += ", ";
    out += name;
  }
}

}  // namespace gw::cors
