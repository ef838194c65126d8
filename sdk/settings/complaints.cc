// SPDX-License-Identifier: Apache-2.0
#include "settings/complaints.h"

#include <cstdio>
#include <utility>

namespace gw::settings {

namespace {

// A message may quote a whole value; a line of a log should stay one that people read.
constexpr std::size_t kMaxMessageBytes = 2000;

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text.substr(0, kMaxMessageBytes)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      char hex[5];
      std::snprintf(hex, sizeof hex, "\\x%02x", byte);
      out += hex;
    } else {
      out += c;
    }
  }
  if (text.size() > kMaxMessageBytes) out += "...";
}

}  // namespace

void Complaints::add(std::string_view file, Position position, std::string_view message) {
  std::string line;
  append_escaped(line, file);
  if (position.line != 0)
    line += ":" + std::to_string(position.line) + ":" + std::to_string(position.column);
  line += ": ";
  append_escaped(line, message);
  add_line(std::move(line));
}

void Complaints::append(const Complaints& other) {
  for (const std::string& line : other.lines_) add_line(line);
  left_out_ += other.left_out_;
}

void Complaints::add_line(std::string line) {
  if (lines_.size() < kMaximum)
    lines_.push_back(std::move(line));
  else
    ++left_out_;
}

std::vector<std::string> Complaints::lines() const {
  std::vector<std::string> all = lines_;
  if (left_out_ > 0) all.push_back("... and " + std::to_string(left_out_) + " more");
  return all;
}

std::string Complaints::text() const {
  std::string all;
  for (const std::string& line : lines()) all += line + "\n";
  return all;
}

}  // namespace gw::settings
