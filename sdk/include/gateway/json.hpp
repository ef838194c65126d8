// SPDX-License-Identifier: Apache-2.0
//
// JSON of strangers (tokens, key sets, registries): bounded in depth, without duplicate members. What a
// second reader could understand differently is refused, not guessed.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gw {

namespace detail {

// Walks a text without building anything; says no at the first duplicate member or too deep a nesting.
class StrictJsonCheck : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit StrictJsonCheck(std::size_t max_depth) : max_depth_(max_depth) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(); }
  bool key(string_t& name) override { return members_.back().insert(name).second; }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool open() {
    members_.emplace_back();
    return members_.size() <= max_depth_;
  }
  bool close() {
    members_.pop_back();
    return true;
  }

  std::size_t max_depth_;
  std::vector<std::set<std::string>> members_;
};

}  // namespace detail

// The value of a JSON text, or nothing when it is not JSON, nests deeper than `max_depth`, names a member
// twice or is not UTF-8. Throws nothing but std::bad_alloc.
inline std::optional<nlohmann::json> parse_json(std::string_view text, std::size_t max_depth = 32) {
  // The library takes a NUL for the end of the text, so that whatever stands behind it would go unseen.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  detail::StrictJsonCheck check(max_depth);
  if (!nlohmann::json::sax_parse(text, &check)) return std::nullopt;
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

// The text of a value; bytes that are not UTF-8 become U+FFFD.
inline std::string dump_json(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace gw
