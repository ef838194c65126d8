// SPDX-License-Identifier: Apache-2.0
#include "settings/manifest.h"

#include <algorithm>
#include <utility>

#include "settings/checked.h"
#include "settings/values.h"

namespace gw::settings {

namespace {

constexpr std::size_t kMaxKeyDepth = 8;

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// [a-z][a-z0-9_]*
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_lower(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}

// Dotted ids: "identity.subject", "gw.timer".
bool is_dotted_id(std::string_view text) {
  while (true) {
    std::size_t dot = text.find('.');
    if (!is_id(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// "0", or digits that do not start with 0.
bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), is_digit) &&
         (text.size() == 1 || text[0] != '0');
}

// "gw.timer/1"
bool is_table_id(std::string_view text) {
  std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_dotted_id(text.substr(0, slash)) &&
         is_number(text.substr(slash + 1));
}

// Identifiers of a pre-release or a build, separated by dots (semver 2.0.0, 9 and 10).
bool is_semver_tail(std::string_view text, bool leading_zeros) {
  while (true) {
    std::size_t dot = text.find('.');
    std::string_view part = text.substr(0, dot);
    bool digits = std::all_of(part.begin(), part.end(), is_digit);
    if (part.empty() || !std::all_of(part.begin(), part.end(), [](char c) {
          return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z') || c == '-';
        }))
      return false;
    if (digits && !leading_zeros && part.size() > 1 && part[0] == '0') return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_semver(std::string_view text) {
  if (text.size() > 128) return false;
  std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !is_semver_tail(text.substr(plus + 1), true)) return false;
  text = text.substr(0, plus);
  std::size_t minus = text.find('-');
  if (minus != std::string_view::npos && !is_semver_tail(text.substr(minus + 1), false))
    return false;
  text = text.substr(0, minus);
  std::size_t first = text.find('.');
  std::size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  return second != std::string_view::npos && is_number(text.substr(0, first)) &&
         is_number(text.substr(first + 1, second - first - 1)) &&
         is_number(text.substr(second + 1));
}

// "1.0" as GW_ABI has it.
std::optional<std::uint32_t> parse_abi(std::string_view text) {
  std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view major = text.substr(0, dot), minor = text.substr(dot + 1);
  if (!is_number(major) || !is_number(minor) || major.size() > 4 || minor.size() > 4)
    return std::nullopt;
  return static_cast<std::uint32_t>(*parse_integer(major)) << 16 |
         static_cast<std::uint32_t>(*parse_integer(minor));
}

Key key(std::string name, Type type, std::optional<Node> fallback) {
  Key out;
  out.name = std::move(name);
  out.type = type;
  out.fallback = std::move(fallback);
  return out;
}

// Of everything but [config], whose texts may hold placeholders that are not ours to replace.
Schema manifest_schema() {
  Key attributes = key("attributes", Type::kTable, empty_table());
  attributes.free = false;
  for (const char* name : {"provides", "consumes", "uses"})
    attributes.keys.keys.push_back(key(name, Type::kStrings, empty_array()));
  return {{key("id", Type::kString, std::nullopt), key("version", Type::kString, std::nullopt),
           key("abi", Type::kString, std::nullopt), key("licence", Type::kString, std::nullopt),
           key("summary", Type::kString, node("")), key("pinned", Type::kBoolean, node(false)),
           key("requires", Type::kStrings, empty_array()),
           key("optional", Type::kStrings, empty_array()),
           key("provides", Type::kStrings, empty_array()), std::move(attributes)}};
}

bool holds_placeholder(const Node& from) {
  return from.text.find("${") != std::string::npos ||
         std::any_of(from.elements.begin(), from.elements.end(), holds_placeholder) ||
         std::any_of(from.entries.begin(), from.entries.end(),
                     [](const Entry& entry) { return holds_placeholder(entry.value); });
}

// Reads [config]: a table of keys, each a table that describes it.
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

class ManifestReader {
 public:
  ManifestReader(const CheckedTable& from, Complaints& complaints)
      : from_(from), complaints_(complaints) {}

  Manifest read() {
    Manifest out;
    out.id = from_.string("id");
    if (!is_id(out.id)) complain("id", "must be of the form [a-z][a-z0-9_]*");
    out.version = from_.string("version");
    if (!is_semver(out.version)) complain("version", "must be a semantic version, such as 1.0.0");
    auto abi = parse_abi(from_.string("abi"));
    if (!abi) complain("abi", "must be major.minor, such as 1.0");
    out.abi = abi.value_or(0);
    out.licence = from_.string("licence");
    out.summary = from_.string("summary");
    out.pinned = from_.boolean("pinned");
    out.required = table_ids("requires");
    out.optional = table_ids("optional");
    out.provided = table_ids("provides");
    if (const CheckedTable* attributes = from_.table("attributes")) {
      out.attributes.provides = attribute_names(*attributes, "provides");
      out.attributes.consumes = attribute_names(*attributes, "consumes");
      out.attributes.uses = attribute_names(*attributes, "uses");
    }
    return out;
  }

 private:
  void complain(std::string_view key, const std::string& message) {
    complaints_.add(from_.file(), from_.position_of(key),
                    "\"" + std::string(key) + "\" " + message);
  }

  std::vector<std::string> table_ids(std::string_view key) {
    for (const std::string& id : from_.strings(key))
      if (!is_table_id(id)) complain(key, "holds \"" + id + "\", which is not like \"gw.timer/1\"");
    return from_.strings(key);
  }

  std::vector<std::string> attribute_names(const CheckedTable& table, std::string_view key) {
    for (const std::string& name : table.strings(key))
      if (!is_dotted_id(name))
        complain(key, "holds \"" + name + "\", which is not like \"identity.subject\"");
    return table.strings(key);
  }

  const CheckedTable& from_;
  Complaints& complaints_;
};

}  // namespace

bool Manifest::provides(std::string_view table) const {
  return std::find(provided.begin(), provided.end(), table) != provided.end();
}

std::optional<Manifest> parse_manifest(std::string_view text, const std::string& name,
                                       Complaints& complaints) {
  Complaints mine;
  if (text.size() > kMaxManifestBytes) {
    complaints.add(name, {}, "longer than " + std::to_string(kMaxManifestBytes) + " bytes");
    return std::nullopt;
  }
  auto document = parse_text(text, name, "/", complaints);
  if (document == nullptr) return std::nullopt;
  Node head = document->root;
  std::erase_if(head.entries, [](const Entry& entry) { return entry.key == "config"; });
  if (head.position.line == 0) head.position = {1, 1};
  CheckInput input{document.get(), &head, {1, 1}, "the manifest"};
  auto checked = check(input, manifest_schema(), {});
  mine.append(checked->complaints);
  Manifest manifest;
  if (checked->ok()) manifest = ManifestReader(checked->root, mine).read();
  if (const Entry* config = document->root.find("config"))
    manifest.config = SchemaReader(*document, mine).read(config->value, "config", 0);
  complaints.append(mine);
  if (!mine.empty()) return std::nullopt;
  return manifest;
}

}  // namespace gw::settings
