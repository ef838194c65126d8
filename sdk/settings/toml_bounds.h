// SPDX-License-Identifier: Apache-2.0
//
// Looks over a TOML text before toml++ does: its tables are taken down recursively, so a text that
// nests a million dotted keys would take the stack with it.
#pragma once

#include <optional>
#include <string_view>

#include "settings/complaints.h"

namespace gw::settings {

// Where brackets, or the dots of one key, first nest deeper than kMaxNesting; or where a NUL byte
// is. Exact for valid TOML; an invalid text is scanned as far as a parser would come.
struct TomlBreach {
  Position position;
  std::string_view message;
};
std::optional<TomlBreach> find_toml_breach(std::string_view text);

}  // namespace gw::settings
