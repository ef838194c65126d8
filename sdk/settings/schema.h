// SPDX-License-Identifier: Apache-2.0
//
// Schema: which keys a table of the configuration may hold, of which type and range. A plugin's
// stands in its manifest, the gateway's own is built in core/config; both are checked by the same
// code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings/document.h"

namespace gw::settings {

enum class Type {
  kString,
  kInteger,
  kFloat,
  kBoolean,
  kDuration,  // milliseconds
  kSize,      // bytes
  kPath,
  kStrings,   // array; a single string is split at its commas
  kIntegers,  // the same
  kTable,
  kTables  // array of tables
};

// "string", "duration", ...; and back.
std::string_view type_name(Type type);
std::optional<Type> type_of(std::string_view name);

struct Key;

struct Schema {
  std::vector<Key> keys;

  const Key* find(std::string_view name) const;
};

struct Key {
  std::string name;
  Type type = Type::kString;
  std::string doc;
  // Absent: the key is required. For a table `{}`: taken as empty, so that its keys' own defaults
  // hold; when it has required keys, the table is simply absent.
  std::optional<Node> fallback;
  // Bounds of integer, float, duration (ms), size (bytes) and of the elements of integers.
  std::optional<long double> minimum, maximum;
  // What a string, or an element of strings, may be. Empty: anything.
  std::vector<std::string> one_of;
  // table, tables: the keys inside. `free`: any key is allowed, typed as it is written.
  Schema keys;
  bool free = true;
};

// Literals for schemas written in C++.
Node node(std::string_view text);
Node node(const char* text);
Node node(std::int64_t integer);
Node node(int integer);
Node node(double number);
Node node(bool boolean);
Node node(const std::vector<std::string>& elements);
Node empty_table();
Node empty_array();

}  // namespace gw::settings
