// SPDX-License-Identifier: Apache-2.0
#include "settings/toml_bounds.h"

#include <cstddef>

#include "settings/document.h"

namespace gw::settings {

namespace {

class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}

  std::optional<TomlBreach> run() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\0') return breach("a NUL byte is no TOML");
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        skip_comment();
        continue;
      }
      if (!count(c)) return breach("this nests too deep");
      ++at_;
    }
    return std::nullopt;
  }

 private:
  // False: too deep.
  bool count(char c) {
    switch (c) {
      case '.':
        return ++dots_ < kMaxNesting;
      case '[':
      case '{':
        dots_ = 0;
        return ++brackets_ <= kMaxNesting;
      case ']':
      case '}':
        if (brackets_ > 0) --brackets_;
        break;
      case '=':
      case ',':
      case '\n':
        break;
      default:
        return true;
    }
    dots_ = 0;
    return true;
  }

  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\0') ++at_;
  }

  bool quotes_at(std::size_t at, char quote, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i)
      if (at + i >= text_.size() || text_[at + i] != quote) return false;
    return true;
  }

  // A string that does not end on its line is an error, at which a parser stops: so may this.
  void skip_string(char quote) {
    bool many_lines = quotes_at(at_, quote, 3);
    std::size_t width = many_lines ? 3 : 1;
    at_ += width;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\\' && quote == '"') {
        at_ += 2;
      } else if (quotes_at(at_, quote, width)) {
        at_ += width;
        // Up to two quotes before the closing three belong to the string.
        for (int i = 0; many_lines && i < 2 && quotes_at(at_, quote, 1); ++i) ++at_;
        return;
      } else if (!many_lines && c == '\n') {
        at_ = text_.size();
      } else {
        ++at_;
      }
    }
    at_ = text_.size();
  }

  TomlBreach breach(std::string_view message) const {
    Position position{1, 1};
    for (std::size_t i = 0; i < at_; ++i) {
      ++position.column;
      if (text_[i] == '\n') position = {position.line + 1, 1};
    }
    return {position, message};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t dots_ = 0;
  std::size_t brackets_ = 0;
};

}  // namespace

std::optional<TomlBreach> find_toml_breach(std::string_view text) {
  return Scan(text).run();
}

}  // namespace gw::settings
