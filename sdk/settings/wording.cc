// SPDX-License-Identifier: Apache-2.0
#include "settings/wording.h"

namespace gw::settings {

// A value of such a key is never shown.
bool is_secret(std::string_view key) {
  std::string lower(key);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (std::string_view end : {"password", "secret", "token"})
    if (lower.ends_with(end)) return true;
  return false;
}

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string with_article(std::string_view noun) {
  bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(noun);
}

// What is asked for, in words.
std::string expected(Type type) {
  switch (type) {
    case Type::kDuration:
      return "a duration, such as 250, \"250ms\", \"30s\", \"5m\" or \"2h\"";
    case Type::kSize:
      return "a size, such as 4096, \"16KiB\", \"1MiB\" or \"1GiB\"";
    case Type::kBoolean:
      return "true or false";
    case Type::kFloat:
      return "a number";
    case Type::kPath:
      return "a path (a string)";
    case Type::kStrings:
      return "an array of strings";
    case Type::kIntegers:
      return "an array of integers";
    case Type::kTables:
      return "an array of tables";
    case Type::kString:
    case Type::kInteger:
    case Type::kTable:
      break;
  }
  return with_article(type_name(type));
}

std::string number_text(long double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace gw::settings
