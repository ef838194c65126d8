// SPDX-License-Identifier: Apache-2.0
//
// Reads a value of any type but table: replaces placeholders, reads a string as the type asks for,
// and compares with what the key allows.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "settings/checked.h"

namespace gw::settings {

// One thread; must not outlive what it was made of.
class ValueReader {
 public:
  // Complaints go to `out`; relative paths start in `folder`.
  ValueReader(Checked& out, const std::string& folder, const Environment& environment)
      : out_(out), folder_(folder), environment_(environment) {}

  // False after a complaint.
  bool read(CheckedValue& to, const Key& key, const Node& from);

  // A default stands in another text than the file that is checked: until stand_free, all that is
  // said stands at `position`. False: it stood somewhere already, and still does.
  bool stand_at(Position position);
  void stand_free() { fixed_.reset(); }
  Position at(Position position) const { return fixed_.value_or(position); }

  void complain(Position position, const std::string& message);
  // Always false. `found_text`: what a string came to with its placeholders replaced.
  bool wrong_type(const Key& key, const Node& from, std::string_view found_text = {});
  bool wrong_element(const Key& key, const Node& element, std::string_view wanted);

 private:
  bool expanded(std::string& to, const Key& key, const Node& from);
  bool text(std::string& to, const Key& key, const Node& from);
  bool path(std::string& to, const Key& key, const Node& from);
  template <class T, class Parse>
  bool from_text(T& to, const Key& key, const Node& from, Parse parse);
  bool integer(std::int64_t& to, const Key& key, const Node& from, Type type);
  bool number(double& to, const Key& key, const Node& from);
  bool boolean(bool& to, const Key& key, const Node& from);
  bool strings(CheckedValue& to, const Key& key, const Node& from);
  bool integers(CheckedValue& to, const Key& key, const Node& from);
  bool in_range(const Key& key, long double value, Position position);
  bool is_one_of(const Key& key, const std::string& value, Position position);

  Checked& out_;
  const std::string& folder_;
  const Environment& environment_;
  std::optional<Position> fixed_;
};

}  // namespace gw::settings
