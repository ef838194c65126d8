// SPDX-License-Identifier: Apache-2.0
#include "settings/manifest.h"

#include <algorithm>
#include <utility>

#include "settings/checked.h"
#include "settings/schema_reader.h"
#include "settings/values.h"

namespace gw::settings {

namespace {

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
    manifest.config = read_schema(*document, config->value, "config", mine);
  complaints.append(mine);
  if (!mine.empty()) return std::nullopt;
  return manifest;
}

}  // namespace gw::settings
