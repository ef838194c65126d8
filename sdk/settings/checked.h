// SPDX-License-Identifier: Apache-2.0
//
// Checked: a table of the configuration after the check against its schema: typed, defaults filled
// in, placeholders replaced, paths absolute. It also serves gw.config/1, so that the real and the
// fake host show plugins the same thing.
#pragma once

#include <gateway/plugin.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "settings/complaints.h"
#include "settings/document.h"
#include "settings/placeholder.h"
#include "settings/schema.h"

namespace gw::settings {

class CheckedTable;

struct CheckedValue {
  Type type = Type::kString;
  Position position;         // of the key; of the table, for a default
  std::string text;          // string, path
  std::int64_t integer = 0;  // integer, duration (ms), size (bytes)
  double number = 0;         // float
  bool boolean = false;
  std::vector<std::string> strings;
  std::vector<std::int64_t> integers;
  std::vector<Position> element_positions;            // of strings and integers
  std::vector<std::unique_ptr<CheckedTable>> tables;  // table: one; tables: all
};

// Immutable. Getters GW_CHECK-free: a key that is absent or of another type reads as empty.
class CheckedTable {
 public:
  // Null when the table holds no such key (every key of the schema is held, optional tables aside).
  const CheckedValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  const std::string& string(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  // Of type table; null when absent.
  const CheckedTable* table(std::string_view key) const;
  std::vector<const CheckedTable*> tables(std::string_view key) const;

  // In the order of the schema, or of the text for free keys.
  const std::vector<std::pair<std::string, CheckedValue>>& entries() const { return entries_; }
  Position position() const { return position_; }
  // Of the key, of the table when the key is not there.
  Position position_of(std::string_view key) const;
  const std::string& file() const { return *file_; }

  // Complains about a key's meaning (empty: the whole table) at its position.
  void complain(std::string_view key, std::string_view message) const;

  // This table as a plugin sees it, to be read with config_table().
  const gw_config* abi() const { return reinterpret_cast<const gw_config*>(this); }
  static const CheckedTable& from_abi(const gw_config* config) {
    return *reinterpret_cast<const CheckedTable*>(config);
  }

 private:
  friend class Checker;
  std::vector<std::pair<std::string, CheckedValue>> entries_;
  Position position_;
  const std::string* file_ = nullptr;
  Complaints* complaints_ = nullptr;
};

// A whole checked tree with what is wrong with it. Not movable: tables point into it.
struct Checked {
  Checked() = default;
  Checked(const Checked&) = delete;
  Checked& operator=(const Checked&) = delete;

  std::string file;
  // What the check found; later also what CheckedTable::complain adds.
  mutable Complaints complaints;
  CheckedTable root;

  bool ok() const { return complaints.empty(); }
};

struct CheckInput {
  const Document* document = nullptr;  // file and folder; needed only during the call
  const Node* table = nullptr;         // null: as if empty, at `position`
  Position position;
  // For messages: the table in brackets, with words behind it if need be ("[plugin.config] of
  // auth"); the top of a document: its name, without brackets.
  std::string where;
};

// Checks `input` against `schema`, finding everything that is wrong in one go. Never null; the tree
// is whole only when `ok()`. Keys that end in password, secret or token never show their value.
std::unique_ptr<Checked> check(const CheckInput& input, const Schema& schema,
                               const Environment& environment);

// "gw.config/1" over CheckedTable::abi(). As long as the process.
const gw_config_api* config_table();

}  // namespace gw::settings
