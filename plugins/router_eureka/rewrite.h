// SPDX-License-Identifier: Apache-2.0
//
// Rewriting a path by a regular expression, as Spring's RewritePath does.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "java_regex.h"

namespace gw::router {

// replaceAll of java.util.regex. Immutable, usable from any thread.
class Rewrite {
 public:
  // `replacement` in Java's form ($1, ${name}, \x), "$\" meaning "$" as Spring has it. Null with
  // `error`.
  static std::unique_ptr<Rewrite> compile(std::string_view regex, std::string_view replacement,
                                          std::string& error);

  // `out` becomes the result; empty, which no path is, when the match took too much work.
  void apply(std::string_view text, std::string& out) const;

 private:
  struct Piece {
    int group = -1;  // -1: literal
    std::string literal;
  };
  std::string compile_replacement(std::string_view text);

  std::unique_ptr<Regex> regex_;
  std::vector<Piece> pieces_;
};

}  // namespace gw::router
