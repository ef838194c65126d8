// SPDX-License-Identifier: Apache-2.0
//
// Complaints: everything that is wrong with a configuration, collected so that an operator sees all
// of it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::settings {

// Where something stands in a text; both count from 1. 0: no position, such as of a missing file.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// One thread. Keeps the first kMaximum complaints and counts the rest.
class Complaints {
 public:
  static constexpr std::size_t kMaximum = 200;

  // "file:line:column: message", or "file: message" without a position. Control bytes of `message`
  // become \xNN: it may quote what a file holds.
  void add(std::string_view file, Position position, std::string_view message);
  // Takes over all of `other`.
  void append(const Complaints& other);

  bool empty() const { return lines_.empty(); }
  // In the order of adding; the last says how many were left out, if any.
  std::vector<std::string> lines() const;
  // The lines, each with a line feed.
  std::string text() const;

 private:
  void add_line(std::string line);
  std::vector<std::string> lines_;
  std::size_t left_out_ = 0;
};

}  // namespace gw::settings
