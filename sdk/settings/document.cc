// SPDX-License-Identifier: Apache-2.0
#include "settings/document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "settings/toml_bounds.h"

namespace gw::settings {

namespace {

constexpr std::size_t kMaxNodes = 200000;

Position position_of(const toml::source_region& region) {
  return {static_cast<std::uint32_t>(region.begin.line),
          static_cast<std::uint32_t>(region.begin.column)};
}

// Copies toml++'s tree into ours.
class Conversion {
 public:
  std::optional<std::string_view> failure() const { return failure_; }
  Position failed_at() const { return failed_at_; }

  Node node(const toml::node& from, std::size_t depth) {
    Node to;
    to.position = position_of(from.source());
    if (depth > kMaxNesting) fail("this nests too deep", to.position);
    if (++count_ > kMaxNodes) fail("there are too many values", to.position);
    if (failure_) return to;
    if (const toml::table* table = from.as_table()) {
      fill_table(to, *table, depth);
    } else if (const toml::array* array = from.as_array()) {
      to.kind = Node::Kind::kArray;
      to.elements.reserve(array->size());
      for (const toml::node& element : *array) to.elements.push_back(node(element, depth + 1));
    } else {
      fill_scalar(to, from);
    }
    return to;
  }

 private:
  void fill_table(Node& to, const toml::table& table, std::size_t depth) {
    to.kind = Node::Kind::kTable;
    to.entries.reserve(table.size());
    for (auto&& [key, value] : table)
      to.entries.push_back(
          {std::string(key.str()), position_of(key.source()), node(value, depth + 1)});
    // toml++ sorts by name; people read in the order of the text.
    std::stable_sort(to.entries.begin(), to.entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.key_position.line, a.key_position.column) <
             std::pair(b.key_position.line, b.key_position.column);
    });
  }

  static void fill_scalar(Node& to, const toml::node& from) {
    if (const auto* text = from.as_string()) {
      to.kind = Node::Kind::kString;
      to.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
      to.kind = Node::Kind::kInteger;
      to.integer = integer->get();
    } else if (const auto* number = from.as_floating_point()) {
      to.kind = Node::Kind::kFloat;
      to.number = number->get();
    } else if (const auto* boolean = from.as_boolean()) {
      to.kind = Node::Kind::kBoolean;
      to.boolean = boolean->get();
    } else {
      to.kind = Node::Kind::kDate;
    }
  }

  void fail(std::string_view why, Position at) {
    if (failure_) return;
    failure_ = why;
    failed_at_ = at;
  }

  std::size_t count_ = 0;
  std::optional<std::string_view> failure_;
  Position failed_at_;
};

std::string absolute_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(folder.empty() ? "." : folder, error);
  std::string text = (error ? std::filesystem::path(folder) : path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

std::string_view kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kString:
      return "string";
    case Node::Kind::kInteger:
      return "integer";
    case Node::Kind::kFloat:
      return "float";
    case Node::Kind::kBoolean:
      return "boolean";
    case Node::Kind::kDate:
      return "date or time";
    case Node::Kind::kArray:
      return "array";
    case Node::Kind::kTable:
      break;
  }
  return "table";
}

std::shared_ptr<const Document> parse_text(std::string_view text, std::string file,
                                           std::string folder, Complaints& complaints) {
  if (text.size() > kMaxDocumentBytes) {
    complaints.add(file, {}, "longer than " + std::to_string(kMaxDocumentBytes) + " bytes");
    return nullptr;
  }
  if (auto breach = find_toml_breach(text)) {
    complaints.add(file, breach->position, breach->message);
    return nullptr;
  }
  auto document = std::make_shared<Document>();
  try {
    const toml::table table = toml::parse(text, std::string_view(file));
    Conversion conversion;
    document->root = conversion.node(table, 0);
    if (auto why = conversion.failure()) {
      complaints.add(file, conversion.failed_at(), *why);
      return nullptr;
    }
  } catch (const toml::parse_error& error) {
    complaints.add(file, position_of(error.source()), error.description());
    return nullptr;
  }
  document->file = std::move(file);
  document->folder = absolute_folder(folder);
  return document;
}

std::shared_ptr<const Document> parse_file(const std::string& path, Complaints& complaints) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    complaints.add(path, {}, error ? error.message() : "not a file");
    return nullptr;
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  // One byte more than allowed, so that a longer file is seen to be one.
  std::string text(kMaxDocumentBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    complaints.add(path, {}, errno == 0 ? "cannot be read" : std::system_category().message(errno));
    return nullptr;
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse_text(text, path, std::filesystem::path(path).parent_path().string(), complaints);
}

}  // namespace gw::settings
