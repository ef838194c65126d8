// SPDX-License-Identifier: Apache-2.0
//
// The check of a table against a schema.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "settings/checked.h"
#include "settings/values.h"
#include "settings/wording.h"

namespace gw::settings {

namespace {

// "[plugin.config] of a" and "rules" make "[plugin.config.rules] of a"; at the top they make
// "[rules]".
std::string inside(const std::string& where, const std::string& key) {
  std::size_t end = where.find(']');
  if (end == std::string::npos) return "[" + key + "]";
  return where.substr(0, end) + "." + key + where.substr(end);
}

bool has_required(const Schema& schema) {
  return std::any_of(schema.keys.begin(), schema.keys.end(),
                     [](const Key& key) { return !key.fallback; });
}

}  // namespace

class Checker {
 public:
  Checker(Checked& out, const std::string& folder, const Environment& environment)
      : out_(out), folder_(folder), environment_(environment) {}

  // `free`: the schema says nothing; every key is taken as it is written.
  void fill(CheckedTable& to, const Node* from, Position position, const Schema& schema, bool free,
            const std::string& where) {
    to.file_ = &out_.file;
    to.complaints_ = &out_.complaints;
    to.position_ = position;
    if (free) {
      fill_free(to, *from, where);
      return;
    }
    for (const Key& key : schema.keys) {
      const Entry* entry = from != nullptr ? from->find(key.name) : nullptr;
      if (entry != nullptr)
        add(to, key, entry->value, at(entry->key_position), where);
      else
        add_fallback(to, key, where);
    }
    if (from != nullptr) complain_unknown(*from, schema, where);
  }

 private:
  // While a default is converted, everything stands where the table does: the default's own
  // position belongs to another text.
  Position at(Position position) const { return in_fallback_ ? fallback_at_ : position; }

  void complain(Position position, const std::string& message) {
    out_.complaints.add(out_.file, at(position), message);
  }

  void complain_unknown(const Node& from, const Schema& schema, const std::string& where) {
    std::vector<std::string_view> known;
    for (const Key& key : schema.keys) known.push_back(key.name);
    for (const Entry& entry : from.entries) {
      if (schema.find(entry.key) != nullptr) continue;
      complain(entry.key_position, "unknown key " + in_quotes(entry.key) + " in " + where +
                                       did_you_mean(entry.key, known));
    }
  }

  void add(CheckedTable& to, const Key& key, const Node& from, Position position,
           const std::string& where) {
    CheckedValue value;
    value.type = key.type;
    value.position = position;
    if (convert(value, key, from, where)) to.entries_.emplace_back(key.name, std::move(value));
  }

  void add_fallback(CheckedTable& to, const Key& key, const std::string& where) {
    if (!key.fallback) {
      complain(to.position_, in_quotes(key.name) + " is missing in " + where);
      return;
    }
    const Node& from = *key.fallback;
    bool optional_table = key.type == Type::kTable && from.entries.empty() && !key.free;
    if (optional_table && has_required(key.keys)) return;
    bool outer = std::exchange(in_fallback_, true);
    if (!outer) fallback_at_ = to.position_;
    add(to, key, from, to.position_, where);
    in_fallback_ = outer;
  }

  // False after a complaint.
  bool convert(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    switch (key.type) {
      case Type::kString:
        return text(to.text, key, from) && is_one_of(key, to.text, from.position);
      case Type::kPath:
        return path(to.text, key, from);
      case Type::kInteger:
      case Type::kDuration:
      case Type::kSize:
        return integer(to.integer, key, from, key.type) &&
               in_range(key, static_cast<long double>(to.integer), from.position);
      case Type::kFloat:
        return number(to.number, key, from) && in_range(key, to.number, from.position);
      case Type::kBoolean:
        return boolean(to.boolean, key, from);
      case Type::kStrings:
        return strings(to, key, from);
      case Type::kIntegers:
        return integers(to, key, from);
      case Type::kTable:
        return table(to, key, from, inside(where, key.name));
      case Type::kTables:
        return tables(to, key, from, inside(where, key.name));
    }
    return false;
  }

  bool wrong_type(const Key& key, const Node& from, std::string_view found_text = {}) {
    std::string message = in_quotes(key.name) + " must be " + expected(key.type) + ", not ";
    if (from.kind == Node::Kind::kString && !is_secret(key.name))
      message += "the string " + in_quotes(found_text.data() != nullptr ? found_text : from.text);
    else
      message += with_article(kind_name(from.kind));
    complain(from.position, message);
    return false;
  }

  bool expanded(std::string& to, const Key& key, const Node& from) {
    std::string error;
    auto result = expand(from.text, environment_, error);
    if (!result) {
      complain(from.position, in_quotes(key.name) + ": " + error);
      return false;
    }
    to = *std::move(result);
    return true;
  }

  bool text(std::string& to, const Key& key, const Node& from) {
    if (from.kind != Node::Kind::kString) return wrong_type(key, from);
    return expanded(to, key, from);
  }

  bool path(std::string& to, const Key& key, const Node& from) {
    if (!text(to, key, from)) return false;
    if (to.find('\0') != std::string::npos) {
      complain(from.position, in_quotes(key.name) + " holds a NUL byte, which no path can");
      return false;
    }
    if (!to.empty() && to[0] != '/')
      to = (std::filesystem::path(folder_) / to).lexically_normal().string();
    return true;
  }

  // What a string says is read by the type that the schema asks for.
  template <class T, class Parse>
  bool from_text(T& to, const Key& key, const Node& from, Parse parse) {
    std::string words;
    if (!expanded(words, key, from)) return false;
    auto value = parse(words);
    if (!value) return wrong_type(key, from, words);
    to = *value;
    return true;
  }

  bool integer(std::int64_t& to, const Key& key, const Node& from, Type type) {
    if (from.kind == Node::Kind::kString) {
      if (type == Type::kDuration) return from_text(to, key, from, parse_duration);
      if (type == Type::kSize) return from_text(to, key, from, parse_size);
      return from_text(to, key, from, parse_integer);
    }
    if (from.kind != Node::Kind::kInteger) return wrong_type(key, from);
    to = from.integer;
    if (type != Type::kInteger && to < 0) {
      complain(from.position,
               in_quotes(key.name) + " is " + std::to_string(to) + "; it cannot be negative");
      return false;
    }
    return true;
  }

  bool number(double& to, const Key& key, const Node& from) {
    if (from.kind == Node::Kind::kString) return from_text(to, key, from, parse_float);
    if (from.kind == Node::Kind::kInteger) {
      to = static_cast<double>(from.integer);
      return true;
    }
    if (from.kind != Node::Kind::kFloat) return wrong_type(key, from);
    if (!std::isfinite(from.number)) {
      complain(from.position, in_quotes(key.name) + " must be a finite number");
      return false;
    }
    to = from.number;
    return true;
  }

  bool boolean(bool& to, const Key& key, const Node& from) {
    if (from.kind == Node::Kind::kString) return from_text(to, key, from, parse_boolean);
    if (from.kind != Node::Kind::kBoolean) return wrong_type(key, from);
    to = from.boolean;
    return true;
  }

  bool in_range(const Key& key, long double value, Position position) {
    bool low = key.minimum && value < *key.minimum;
    bool high = key.maximum && value > *key.maximum;
    if (!low && !high) return true;
    std::string message = in_quotes(key.name);
    if (!is_secret(key.name)) message += " is " + number_text(value) + "; it";
    message += low ? " must be at least " + number_text(*key.minimum)
                   : " must be at most " + number_text(*key.maximum);
    if (key.type == Type::kDuration) message += " (milliseconds)";
    if (key.type == Type::kSize) message += " (bytes)";
    complain(position, message);
    return false;
  }

  bool is_one_of(const Key& key, const std::string& value, Position position) {
    const auto& allowed = key.one_of;
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end())
      return true;
    std::string message = in_quotes(key.name);
    if (!is_secret(key.name)) message += " is " + in_quotes(value) + "; it";
    message += " must be one of ";
    for (std::size_t i = 0; i < allowed.size(); ++i)
      message += (i > 0 ? ", " : "") + in_quotes(allowed[i]);
    if (!is_secret(key.name)) message += did_you_mean(value, {allowed.begin(), allowed.end()});
    complain(position, message);
    return false;
  }

  bool strings(CheckedValue& to, const Key& key, const Node& from) {
    if (from.kind == Node::Kind::kString) {
      std::string words;
      if (!expanded(words, key, from)) return false;
      to.strings = split_list(words);
      to.element_positions.assign(to.strings.size(), at(from.position));
      bool good = true;
      for (const std::string& word : to.strings) good &= is_one_of(key, word, from.position);
      return good;
    }
    if (from.kind != Node::Kind::kArray) return wrong_type(key, from);
    bool good = true;
    for (const Node& element : from.elements) {
      std::string words;
      if (element.kind != Node::Kind::kString) {
        good = wrong_element(key, element, "string");
      } else if (!expanded(words, key, element) || !is_one_of(key, words, element.position)) {
        good = false;
      } else {
        to.strings.push_back(std::move(words));
        to.element_positions.push_back(at(element.position));
      }
    }
    return good;
  }

  bool integers(CheckedValue& to, const Key& key, const Node& from) {
    auto take = [&](std::optional<std::int64_t> value, const Node& element) {
      if (!value) return wrong_element(key, element, "integer");
      if (!in_range(key, static_cast<long double>(*value), element.position)) return false;
      to.integers.push_back(*value);
      to.element_positions.push_back(at(element.position));
      return true;
    };
    bool good = true;
    std::string words;
    if (from.kind == Node::Kind::kString) {
      if (!expanded(words, key, from)) return false;
      for (const std::string& word : split_list(words)) good &= take(parse_integer(word), from);
      return good;
    }
    if (from.kind != Node::Kind::kArray) return wrong_type(key, from);
    for (const Node& element : from.elements) {
      if (element.kind == Node::Kind::kInteger)
        good &= take(element.integer, element);
      else if (element.kind != Node::Kind::kString)
        good = wrong_element(key, element, "integer");
      else if (expanded(words, key, element))
        good &= take(parse_integer(words), element);
      else
        good = false;
    }
    return good;
  }

  bool wrong_element(const Key& key, const Node& element, std::string_view wanted) {
    std::string message =
        "an element of " + in_quotes(key.name) + " must be " + with_article(wanted);
    if (element.kind == Node::Kind::kString && !is_secret(key.name))
      message += ", not the string " + in_quotes(element.text);
    else if (element.kind != Node::Kind::kString)
      message += ", not " + with_article(kind_name(element.kind));
    complain(element.position, message);
    return false;
  }

  bool table(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    if (from.kind != Node::Kind::kTable) return wrong_type(key, from);
    to.tables.push_back(std::make_unique<CheckedTable>());
    fill(*to.tables.back(), &from, at(from.position), key.keys, key.free, where);
    return true;
  }

  bool tables(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    if (from.kind != Node::Kind::kArray) return wrong_type(key, from);
    bool good = true;
    for (const Node& element : from.elements) {
      if (element.kind != Node::Kind::kTable) {
        good = wrong_element(key, element, "table");
        continue;
      }
      to.tables.push_back(std::make_unique<CheckedTable>());
      fill(*to.tables.back(), &element, at(element.position), key.keys, key.free, where);
    }
    return good;
  }

  void fill_free(CheckedTable& to, const Node& from, const std::string& where) {
    for (const Entry& entry : from.entries) {
      Key key;
      key.name = entry.key;
      if (auto type = free_type(entry.value)) {
        key.type = *type;
        add(to, key, entry.value, at(entry.key_position), where);
      } else {
        complain(entry.value.position,
                 in_quotes(entry.key) + " in " + where + " is " +
                     (entry.value.kind == Node::Kind::kArray
                          ? "an array of neither strings nor integers nor tables alone"
                          : with_article(kind_name(entry.value.kind)) + ", which has no use here"));
      }
    }
  }

  static std::optional<Type> free_type(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kString:
        return Type::kString;
      case Node::Kind::kInteger:
        return Type::kInteger;
      case Node::Kind::kFloat:
        return Type::kFloat;
      case Node::Kind::kBoolean:
        return Type::kBoolean;
      case Node::Kind::kTable:
        return Type::kTable;
      case Node::Kind::kDate:
        return std::nullopt;
      case Node::Kind::kArray:
        break;
    }
    if (node.elements.empty()) return Type::kStrings;
    Node::Kind kind = node.elements[0].kind;
    for (const Node& element : node.elements)
      if (element.kind != kind) return std::nullopt;
    if (kind == Node::Kind::kString) return Type::kStrings;
    if (kind == Node::Kind::kInteger) return Type::kIntegers;
    if (kind == Node::Kind::kTable) return Type::kTables;
    return std::nullopt;
  }

  Checked& out_;
  const std::string& folder_;
  const Environment& environment_;
  bool in_fallback_ = false;
  Position fallback_at_;
};

std::unique_ptr<Checked> check(const CheckInput& input, const Schema& schema,
                               const Environment& environment) {
  auto out = std::make_unique<Checked>();
  out->file = input.document->file;
  Position position = input.table != nullptr ? input.table->position : input.position;
  Checker(*out, input.document->folder, environment)
      .fill(out->root, input.table, position, schema, /*free=*/false, input.where);
  return out;
}

}  // namespace gw::settings
