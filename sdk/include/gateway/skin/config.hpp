// SPDX-License-Identifier: Apache-2.0
//
// The checked configuration. Part of gateway/plugin.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tables.hpp"

namespace gw {

// The configuration is not acceptable. With a message: about the key named; without: complained already.
class ConfigError : public std::runtime_error {
 public:
  ConfigError() : std::runtime_error("") {}
  ConfigError(std::string about, const std::string& message)
      : std::runtime_error(message), key(std::move(about)) {}
  std::string key;
};

// A table of the checked configuration. Reading what the schema lacks is a bug and throws logic_error.
class Config {
 public:
  explicit Config(const gw_config* table) : table_(table) {}

  std::string string(const char* key) const {
    gw_str out{};
    expect(tables.config->get_string(table_, key, &out), key);
    return std::string(view(out));
  }
  std::int64_t integer(const char* key) const {
    std::int64_t out = 0;
    expect(tables.config->get_integer(table_, key, &out), key);
    return out;
  }
  double number(const char* key) const {
    double out = 0;
    expect(tables.config->get_float(table_, key, &out), key);
    return out;
  }
  bool boolean(const char* key) const {
    std::int32_t out = 0;
    expect(tables.config->get_boolean(table_, key, &out), key);
    return out != 0;
  }
  std::vector<std::string> strings(const char* key) const {
    std::vector<std::string> all;
    gw_str out{};
    while (tables.config->string_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.emplace_back(view(out));
    return all;
  }
  std::vector<std::int64_t> integers(const char* key) const {
    std::vector<std::int64_t> all;
    std::int64_t out = 0;
    while (tables.config->integer_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.push_back(out);
    return all;
  }
  std::vector<Config> tables_of(const char* key) const {
    std::vector<Config> all;
    const gw_config* out = nullptr;
    while (tables.config->table_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.emplace_back(out);
    return all;
  }
  std::optional<Config> table(const char* key) const {
    const gw_config* out = nullptr;
    if (tables.config->get_table(table_, key, &out) != GW_OK) return std::nullopt;
    return Config(out);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    gw_str out{};
    while (tables.config->key_at(table_, static_cast<std::uint32_t>(all.size()), &out) == GW_OK)
      all.emplace_back(view(out));
    return all;
  }
  // Complains about a key; `create` must then fail with ConfigError().
  void complain(const char* key, std::string_view message) const {
    tables.config->complain(table_, key, str(message));
  }

 private:
  static void expect(gw_status status, const char* key) {
    if (status != GW_OK) throw std::logic_error(std::string("the schema has no such key: ") + key);
  }
  const gw_config* table_;
};

}  // namespace gw
