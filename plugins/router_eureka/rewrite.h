// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions as Spring's configurations write them (Java), run by RE2, which is linear in
// its input whatever the expression: named groups are translated, what RE2 cannot do (look-around,
// back-references) is refused when the configuration is read. Bytes, not characters: a path is
// ASCII.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::router {

// The expression, or null with `error` set.
std::unique_ptr<re2::RE2> compile_java_regex(std::string_view text, std::string& error);

bool matches_whole(const re2::RE2& expression, std::string_view text);

// replaceAll of java.util.regex. Immutable, usable from any thread.
class Rewrite {
 public:
  // `replacement` in Java's form ($1, ${name}, \x), "$\" meaning "$" as Spring has it. Null with
  // `error`.
  static std::unique_ptr<Rewrite> compile(std::string_view regex, std::string_view replacement,
                                          std::string& error);

  // `out` becomes the result.
  void apply(std::string_view text, std::string& out) const;

 private:
  static constexpr int kMostGroups = 16;
  struct Piece {
    int group = -1;  // -1: literal
    std::string literal;
  };
  std::string compile_replacement(std::string_view text);

  std::unique_ptr<re2::RE2> regex_;
  std::vector<Piece> pieces_;
};

}  // namespace gw::router
