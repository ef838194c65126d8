// SPDX-License-Identifier: Apache-2.0
#include "settings/schema.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gw::settings {

namespace {

constexpr std::array<std::pair<Type, std::string_view>, 11> kNames{{
    {Type::kString, "string"},
    {Type::kInteger, "integer"},
    {Type::kFloat, "float"},
    {Type::kBoolean, "boolean"},
    {Type::kDuration, "duration"},
    {Type::kSize, "size"},
    {Type::kPath, "path"},
    {Type::kStrings, "strings"},
    {Type::kIntegers, "integers"},
    {Type::kTable, "table"},
    {Type::kTables, "tables"},
}};

}  // namespace

std::string_view type_name(Type type) {
  for (const auto& [known, name] : kNames)
    if (known == type) return name;
  return {};
}

std::optional<Type> type_of(std::string_view name) {
  for (const auto& [type, known] : kNames)
    if (known == name) return type;
  return std::nullopt;
}

const Key* Schema::find(std::string_view name) const {
  for (const Key& key : keys)
    if (key.name == name) return &key;
  return nullptr;
}

Node node(std::string_view text) {
  Node out;
  out.kind = Node::Kind::kString;
  out.text = text;
  return out;
}

Node node(const char* text) {
  return node(std::string_view(text));
}

Node node(std::int64_t integer) {
  Node out;
  out.kind = Node::Kind::kInteger;
  out.integer = integer;
  return out;
}

Node node(int integer) {
  return node(std::int64_t{integer});
}

Node node(double number) {
  Node out;
  out.kind = Node::Kind::kFloat;
  out.number = number;
  return out;
}

Node node(bool boolean) {
  Node out;
  out.kind = Node::Kind::kBoolean;
  out.boolean = boolean;
  return out;
}

Node node(const std::vector<std::string>& elements) {
  Node out = empty_array();
  for (const std::string& element : elements)
    out.elements.push_back(node(std::string_view(element)));
  return out;
}

Node empty_table() {
  return Node{};
}

Node empty_array() {
  Node out;
  out.kind = Node::Kind::kArray;
  return out;
}

}  // namespace gw::settings
