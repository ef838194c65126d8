// SPDX-License-Identifier: Apache-2.0
#include "shortcut.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace gw::router {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

Shortcut parse_shortcut(std::string_view text) {
  Shortcut shortcut;
  std::size_t equals = text.find('=');
  shortcut.has_equals = equals != std::string_view::npos;
  shortcut.name = trimmed(text.substr(0, equals));
  if (!shortcut.has_equals) return shortcut;
  std::string_view rest = text.substr(equals + 1);
  while (true) {
    std::size_t comma = rest.find(',');
    std::string_view argument = trimmed(rest.substr(0, comma));
    if (!argument.empty()) shortcut.arguments.emplace_back(argument);
    if (comma == std::string_view::npos) return shortcut;
    rest.remove_prefix(comma + 1);
  }
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_any_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool parse_unsigned(std::string_view text, std::uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_data_size(std::string_view text, std::uint64_t& bytes) {
  static constexpr struct {
    std::string_view suffix;
    unsigned shift;
  } kUnits[] = {{"KB", 10}, {"MB", 20}, {"GB", 30}, {"B", 0}, {"", 0}};
  for (const auto& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    std::uint64_t number = 0;
    if (!parse_unsigned(text.substr(0, text.size() - unit.suffix.size()), number)) return false;
    if (number > std::numeric_limits<std::uint64_t>::max() >> unit.shift) return false;
    bytes = number << unit.shift;
    return true;
  }
  return false;
}

}  // namespace gw::router
