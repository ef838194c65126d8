// SPDX-License-Identifier: Apache-2.0
//
// Document: a TOML text as an immutable tree that knows the position of every key and value. The
// text is bounded in size and nesting before toml++ sees it, so that no file can exhaust the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "settings/complaints.h"

namespace gw::settings {

inline constexpr std::size_t kMaxDocumentBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxNesting = 32;

struct Entry;

// One value. Which member counts, `kind` says.
struct Node {
  enum class Kind { kString, kInteger, kFloat, kBoolean, kDate, kArray, kTable };

  Kind kind = Kind::kTable;
  Position position;
  std::string text;  // string: placeholders not yet replaced
  std::int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<Node> elements;  // array
  std::vector<Entry> entries;  // table, in the order of the text

  // Of a table: null when there is no such key.
  const Entry* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Position key_position;
  Node value;
};

// "string", "integer", "array", ...: for messages.
std::string_view kind_name(Node::Kind kind);

struct Document {
  std::string file;    // as shown in complaints
  std::string folder;  // absolute; where relative paths start
  Node root;
};

// Null after a complaint. `folder` may be empty: the current folder.
std::shared_ptr<const Document> parse_text(std::string_view text, std::string file,
                                           std::string folder, Complaints& complaints);

// Reads the file first. `path` is shown as it is; the folder is that of the file.
std::shared_ptr<const Document> parse_file(const std::string& path, Complaints& complaints);

}  // namespace gw::settings
