// SPDX-License-Identifier: Apache-2.0
//
// The one canonical path, made once, that permit rules, queue rules, routes and the upstream all
// use. What could be read in two ways is refused, not repaired (Spring's StrictHttpFirewall and
// more). The only rewriting is the one that RFC 3986 6.2.2 calls equivalent: escapes of unreserved
// characters are decoded, and the digits of the others are written in upper case.
#pragma once

#include <string_view>

#include "base/arena.h"

namespace gw::http {

struct CanonicalPath {
  std::string_view path;  // in the arena, or the text given when nothing had to change
  const char* problem;    // for people; null when the path is canonical
};

// Of an absolute path: starts with '/'. Refused: `//`, `;`, `\`, `.` and `..` segments, escapes of
// '/', '\', '.', '%', ';' and control characters, escapes that are not UTF-8, bytes that have no
// place in a path (RFC 3986 3.3).
CanonicalPath make_canonical_path(std::string_view raw, base::Arena& arena);

// Null when the query may pass; it is passed on as it is.
const char* query_problem(std::string_view query);

// A request target (RFC 9112 3.2) taken apart.
struct Target {
  std::string_view path;
  std::string_view query;
  bool has_query = false;
  bool absolute_form = false;
  std::string_view authority;  // of an absolute-form target, not checked yet
  const char* problem = nullptr;
};
// origin-form, absolute-form with http or https, and "*" for OPTIONS.
Target parse_target(std::string_view raw, std::string_view method, base::Arena& arena);

// Host or authority (RFC 9110 7.2): a name or address with an optional port, no userinfo.
bool is_authority(std::string_view text);

}  // namespace gw::http
