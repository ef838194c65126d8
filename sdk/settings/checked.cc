// SPDX-License-Identifier: Apache-2.0
#include "settings/checked.h"

namespace gw::settings {

namespace {

gw_str view(const std::string& text) {
  return {text.data(), text.size()};
}

// The value of `key` when it is of one of the types given.
template <class... Types>
const CheckedValue* value_of(const gw_config* table, const char* key, Types... types) {
  if (table == nullptr || key == nullptr) return nullptr;
  const CheckedValue* value = CheckedTable::from_abi(table).find(key);
  return value != nullptr && ((value->type == types) || ...) ? value : nullptr;
}

gw_status get_string(const gw_config* table, const char* key, gw_str* out) {
  const CheckedValue* value = value_of(table, key, Type::kString, Type::kPath);
  if (value == nullptr) return GW_NOT_FOUND;
  *out = view(value->text);
  return GW_OK;
}

gw_status get_integer(const gw_config* table, const char* key, std::int64_t* out) {
  const CheckedValue* value = value_of(table, key, Type::kInteger, Type::kDuration, Type::kSize);
  if (value == nullptr) return GW_NOT_FOUND;
  *out = value->integer;
  return GW_OK;
}

gw_status get_float(const gw_config* table, const char* key, double* out) {
  const CheckedValue* value = value_of(table, key, Type::kFloat);
  if (value == nullptr) return GW_NOT_FOUND;
  *out = value->number;
  return GW_OK;
}

gw_status get_boolean(const gw_config* table, const char* key, std::int32_t* out) {
  const CheckedValue* value = value_of(table, key, Type::kBoolean);
  if (value == nullptr) return GW_NOT_FOUND;
  *out = value->boolean ? 1 : 0;
  return GW_OK;
}

gw_status string_at(const gw_config* table, const char* key, std::uint32_t i, gw_str* out) {
  const CheckedValue* value = value_of(table, key, Type::kStrings);
  if (value == nullptr || i >= value->strings.size()) return GW_NOT_FOUND;
  *out = view(value->strings[i]);
  return GW_OK;
}

gw_status integer_at(const gw_config* table, const char* key, std::uint32_t i, std::int64_t* out) {
  const CheckedValue* value = value_of(table, key, Type::kIntegers);
  if (value == nullptr || i >= value->integers.size()) return GW_NOT_FOUND;
  *out = value->integers[i];
  return GW_OK;
}

gw_status table_at(const gw_config* table, const char* key, std::uint32_t i,
                   const gw_config** out) {
  const CheckedValue* value = value_of(table, key, Type::kTables);
  if (value == nullptr || i >= value->tables.size()) return GW_NOT_FOUND;
  *out = value->tables[i]->abi();
  return GW_OK;
}

gw_status get_table(const gw_config* table, const char* key, const gw_config** out) {
  const CheckedValue* value = value_of(table, key, Type::kTable);
  if (value == nullptr || value->tables.empty()) return GW_NOT_FOUND;
  *out = value->tables.front()->abi();
  return GW_OK;
}

gw_status key_at(const gw_config* table, std::uint32_t i, gw_str* out) {
  if (table == nullptr) return GW_NOT_FOUND;
  const auto& entries = CheckedTable::from_abi(table).entries();
  if (i >= entries.size()) return GW_NOT_FOUND;
  *out = view(entries[i].first);
  return GW_OK;
}

void complain(const gw_config* table, const char* key, gw_str message) {
  if (table == nullptr) return;
  std::string_view about = key == nullptr ? std::string_view() : std::string_view(key);
  CheckedTable::from_abi(table).complain(about, {message.ptr, message.len});
}

constexpr gw_config_api kTable = {
    sizeof(gw_config_api),
    get_string,
    get_integer,
    get_float,
    get_boolean,
    string_at,
    integer_at,
    table_at,
    get_table,
    key_at,
    complain,
};

// What getters give for a key that is not there.
const CheckedValue& nothing() {
  static const CheckedValue value;
  return value;
}

}  // namespace

const gw_config_api* config_table() {
  return &kTable;
}

const CheckedValue* CheckedTable::find(std::string_view key) const {
  for (const auto& [name, value] : entries_)
    if (name == key) return &value;
  return nullptr;
}

const std::string& CheckedTable::string(std::string_view key) const {
  const CheckedValue* value = find(key);
  return (value != nullptr ? *value : nothing()).text;
}

std::int64_t CheckedTable::integer(std::string_view key) const {
  const CheckedValue* value = find(key);
  return value != nullptr ? value->integer : 0;
}

double CheckedTable::number(std::string_view key) const {
  const CheckedValue* value = find(key);
  return value != nullptr ? value->number : 0;
}

bool CheckedTable::boolean(std::string_view key) const {
  const CheckedValue* value = find(key);
  return value != nullptr && value->boolean;
}

const std::vector<std::string>& CheckedTable::strings(std::string_view key) const {
  const CheckedValue* value = find(key);
  return (value != nullptr ? *value : nothing()).strings;
}

const std::vector<std::int64_t>& CheckedTable::integers(std::string_view key) const {
  const CheckedValue* value = find(key);
  return (value != nullptr ? *value : nothing()).integers;
}

const CheckedTable* CheckedTable::table(std::string_view key) const {
  const CheckedValue* value = find(key);
  return value != nullptr && value->type == Type::kTable && !value->tables.empty()
             ? value->tables.front().get()
             : nullptr;
}

std::vector<const CheckedTable*> CheckedTable::tables(std::string_view key) const {
  std::vector<const CheckedTable*> all;
  if (const CheckedValue* value = find(key))
    for (const auto& table : value->tables) all.push_back(table.get());
  return all;
}

Position CheckedTable::position_of(std::string_view key) const {
  const CheckedValue* value = find(key);
  return value != nullptr ? value->position : position_;
}

void CheckedTable::complain(std::string_view key, std::string_view message) const {
  std::string text = key.empty() ? std::string() : "\"" + std::string(key) + "\": ";
  if (complaints_ != nullptr) complaints_->add(*file_, position_of(key), text.append(message));
}

}  // namespace gw::settings
