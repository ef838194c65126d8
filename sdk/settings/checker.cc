// SPDX-License-Identifier: Apache-2.0
//
// The check of a table against a schema.
#include <algorithm>
#include <utility>

#include "settings/checked.h"
#include "settings/value_reader.h"
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
      : out_(out), values_(out, folder, environment) {}

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
  Position at(Position position) const { return values_.at(position); }
  void complain(Position position, const std::string& message) {
    values_.complain(position, message);
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
    bool outermost = values_.stand_at(to.position_);
    add(to, key, from, to.position_, where);
    if (outermost) values_.stand_free();
  }

  // False after a complaint.
  bool convert(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    if (key.type == Type::kTable) return table(to, key, from, inside(where, key.name));
    if (key.type == Type::kTables) return tables(to, key, from, inside(where, key.name));
    return values_.read(to, key, from);
  }

  bool table(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    if (from.kind != Node::Kind::kTable) return values_.wrong_type(key, from);
    to.tables.push_back(std::make_unique<CheckedTable>());
    fill(*to.tables.back(), &from, at(from.position), key.keys, key.free, where);
    return true;
  }

  bool tables(CheckedValue& to, const Key& key, const Node& from, const std::string& where) {
    if (from.kind != Node::Kind::kArray) return values_.wrong_type(key, from);
    bool good = true;
    for (const Node& element : from.elements) {
      if (element.kind != Node::Kind::kTable) {
        good = values_.wrong_element(key, element, "table");
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
  ValueReader values_;
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
