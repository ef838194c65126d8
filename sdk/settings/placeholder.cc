// SPDX-License-Identifier: Apache-2.0
#include "settings/placeholder.h"

#include <cstddef>
#include <cstdlib>

namespace gw::settings {

namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
      return false;
  return true;
}

// The brace that closes what was opened before `from`.
std::size_t closing_brace(std::string_view text, std::size_t from) {
  int open = 1;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '{') ++open;
    if (text[i] == '}' && --open == 0) return i;
  }
  return std::string_view::npos;
}

class Expansion {
 public:
  Expansion(const Environment& environment, std::string& error)
      : environment_(environment), error_(error) {}

  bool append(std::string_view text, int depth, std::string& out) {
    std::size_t at = 0;
    while (at < text.size()) {
      if (text.compare(at, 3, "$${") == 0) {
        out += "${";
        at += 3;
      } else if (text.compare(at, 2, "${") == 0) {
        std::size_t end = closing_brace(text, at + 2);
        if (end == std::string_view::npos) return fail("a ${ is not closed");
        if (!append_one(text.substr(at + 2, end - at - 2), depth, out)) return false;
        at = end + 1;
      } else {
        out += text[at++];
      }
      if (out.size() > kMaxBytes)
        return fail("the text is too long with its placeholders replaced");
    }
    return true;
  }

 private:
  // `inside`: NAME or NAME:default.
  bool append_one(std::string_view inside, int depth, std::string& out) {
    std::size_t colon = inside.find(':');
    std::string_view name = inside.substr(0, colon);
    if (!is_name(name))
      return fail("${" + std::string(name) + "} is not the name of an environment variable");
    if (auto value = environment_ ? environment_(name) : std::nullopt) {
      out += *value;
      return true;
    }
    if (colon == std::string_view::npos)
      return fail("the environment variable " + std::string(name) +
                  " is not set, and there is no default (${" + std::string(name) + ":default})");
    if (depth >= kMaxDepth) return fail("placeholders nest too deep");
    return append(inside.substr(colon + 1), depth + 1, out);
  }

  bool fail(std::string message) {
    error_ = std::move(message);
    return false;
  }

  const Environment& environment_;
  std::string& error_;
};

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

std::optional<std::string> expand(std::string_view text, const Environment& environment,
                                  std::string& error) {
  std::string out;
  if (!Expansion(environment, error).append(text, 0, out)) return std::nullopt;
  return out;
}

}  // namespace gw::settings
