// SPDX-License-Identifier: Apache-2.0
//
// What one rule allows to pages of other origins, as Spring's CorsConfiguration. Immutable once
// read, usable from any thread.
#pragma once

#include <gateway/path_pattern.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "origin.h"

namespace gw::cors {

struct Rule {
  PathPattern path;
  bool any_origin = false;  // answered with "*"
  std::vector<std::string> origins;
  std::vector<OriginPattern> patterns;  // answered with the origin itself, as `origins`
  bool any_method = false;
  std::vector<std::string> methods;
  bool any_header = false;
  std::vector<std::string> headers;
  bool credentials = false;
  // As they are sent; empty: not sent.
  std::string methods_text, exposed_text, max_age_text;

  // The value of Access-Control-Allow-Origin; empty: not allowed. `origin` is one, or "null".
  std::string_view allow_origin(std::string_view origin) const;
  bool allows_method(std::string_view method) const;
  // Appends those of the listed names that are allowed, ", " between them.
  void allow_headers(std::string_view listed, std::string& out) const;
};

bool is_token(std::string_view text);  // RFC 9110 5.6.2

}  // namespace gw::cors
