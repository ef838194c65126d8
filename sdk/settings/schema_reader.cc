// SPDX-License-Identifier: Apache-2.0
#include "settings/schema_reader.h"

#include <algorithm>
#include <optional>

#include "settings/checked.h"
#include "settings/values.h"

namespace gw::settings {

namespace {

constexpr std::size_t kMaxKeyDepth = 8;

bool holds_placeholder(const Node& from) {
  return from.text.find("${") != std::string::npos ||
         std::any_of(from.elements.begin(), from.elements.end(), holds_placeholder) ||
         std::any_of(from.entries.begin(), from.entries.end(),
                     [](const Entry& entry) { return holds_placeholder(entry.value); });
}

class SchemaReader {
 public:
  SchemaReader(const Document& document, Complaints& complaints)
      : document_(document), complaints_(complaints) {}

  Schema read(const Node& from, const std::string& where, std::size_t depth) {
    Schema out;
    if (from.kind != Node::Kind::kTable) {
      complain(from.position, where + " must be a table");
      return out;
    }
    if (depth > kMaxKeyDepth) {
      complain(from.position, where + " nests too deep");
      return out;
    }
    for (const Entry& entry : from.entries)
      out.keys.push_back(read_key(entry, where + "." + entry.key, depth));
    return out;
  }

 private:
  void complain(Position position, const std::string& message) {
    complaints_.add(document_.file, position, message);
  }

  Key read_key(const Entry& entry, const std::string& where, std::size_t depth) {
    Key out;
    out.name = entry.key;
    const Node& from = entry.value;
    if (from.kind != Node::Kind::kTable) {
      complain(entry.key_position, where + " must be a table with a `type`");
      return out;
    }
    read_type(out, entry, where);
    complain_unknown(from, where);
    if (const Entry* doc = from.find("doc")) out.doc = string_of(*doc, where);
    out.minimum = read_bound(out, from, "minimum", where);
    out.maximum = read_bound(out, from, "maximum", where);
    read_one_of(out, from, where);
    if (const Entry* keys = from.find("keys")) {
      if (out.type != Type::kTable && out.type != Type::kTables)
        complain(keys->key_position, where + ": only a table or tables have keys");
      out.keys = read(keys->value, where + ".keys", depth + 1);
      out.free = false;
    }
    if (const Entry* fallback = from.find("default")) {
      out.fallback = fallback->value;
      check_fallback(out, fallback->value);
    }
    return out;
  }

  void read_type(Key& out, const Entry& entry, const std::string& where) {
    const Entry* type = entry.value.find("type");
    if (type == nullptr) {
      complain(entry.key_position, where + " has no `type`");
      return;
    }
    std::string name = string_of(*type, where);
    if (auto known = type_of(name)) {
      out.type = *known;
      return;
    }
    complain(type->value.position,
             where + ": there is no type \"" + name + "\"" +
                 did_you_mean(name, {"string", "integer", "float", "boolean", "duration", "size",
                                     "path", "strings", "integers", "table", "tables"}));
  }

  void complain_unknown(const Node& from, const std::string& where) {
    const std::vector<std::string_view> known = {"type",   "default", "minimum", "maximum",
                                                 "one_of", "doc",     "keys"};
    for (const Entry& entry : from.entries)
      if (std::find(known.begin(), known.end(), entry.key) == known.end())
        complain(entry.key_position,
                 "unknown key \"" + entry.key + "\" in " + where + did_you_mean(entry.key, known));
  }

  std::string string_of(const Entry& entry, const std::string& where) {
    if (entry.value.kind != Node::Kind::kString)
      complain(entry.value.position, where + "." + entry.key + " must be a string");
    return entry.value.text;
  }

  std::optional<long double> read_bound(const Key& key, const Node& from, const char* name,
                                        const std::string& where) {
    const Entry* entry = from.find(name);
    if (entry == nullptr) return std::nullopt;
    const Node& value = entry->value;
    std::optional<long double> bound;
    if (value.kind == Node::Kind::kInteger) bound = static_cast<long double>(value.integer);
    if (value.kind == Node::Kind::kFloat && key.type == Type::kFloat) bound = value.number;
    if (value.kind == Node::Kind::kString && key.type == Type::kDuration)
      bound = parse_duration(value.text);
    if (value.kind == Node::Kind::kString && key.type == Type::kSize)
      bound = parse_size(value.text);
    bool numeric = key.type == Type::kInteger || key.type == Type::kFloat ||
                   key.type == Type::kDuration || key.type == Type::kSize ||
                   key.type == Type::kIntegers;
    if (!bound || !numeric) complain(value.position, where + "." + name + " does not fit the type");
    return bound;
  }

  void read_one_of(Key& out, const Node& from, const std::string& where) {
    const Entry* entry = from.find("one_of");
    if (entry == nullptr) return;
    const Node& value = entry->value;
    bool good = value.kind == Node::Kind::kArray && !value.elements.empty() &&
                (out.type == Type::kString || out.type == Type::kStrings);
    for (const Node& element : value.elements) {
      good &= element.kind == Node::Kind::kString;
      out.one_of.push_back(element.text);
    }
    if (!good) complain(value.position, where + ".one_of must be strings, for a string or strings");
  }

  // A default that holds placeholders can only be judged where the environment is known.
  void check_fallback(const Key& described, const Node& fallback) {
    if (holds_placeholder(fallback)) return;
    Node table;
    table.position = fallback.position;
    table.entries.push_back({described.name, fallback.position, fallback});
    Schema schema;
    schema.keys.push_back(described);
    // `{}` for a table with required keys means that the table is optional.
    if (described.type == Type::kTable && fallback.kind == Node::Kind::kTable &&
        fallback.entries.empty())
      return;
    CheckInput input{&document_, &table, fallback.position, "the default"};
    complaints_.append(check(input, schema, {})->complaints);
  }

  const Document& document_;
  Complaints& complaints_;
};

}  // namespace

Schema read_schema(const Document& document, const Node& from, const std::string& where,
                   Complaints& complaints) {
  return SchemaReader(document, complaints).read(from, where, 0);
}

}  // namespace gw::settings
