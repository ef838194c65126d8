// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

bool is_token_byte(unsigned char c) {
  return std::isalnum(c) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(char(c)) != std::string_view::npos;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? char(c + 32) : c;
}

bool holds_any_case(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_framing_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "content-length", "transfer-encoding", "connection",      "host", "keep-alive", "te",
      "trailer",        "upgrade",           "proxy-connection"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](auto known) { return same_name(name, known); });
}

gw_status check_header(std::string_view name, std::string_view value) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_byte)) return GW_INVALID;
  auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
  if (std::any_of(value.begin(), value.end(), control)) return GW_INVALID;
  return is_framing_name(name) ? GW_INVALID : GW_OK;
}

// Stricter than it must be: whatever two readers could understand differently is refused.
bool is_canonical_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return false;
  for (unsigned char c : path)
    if (c <= 0x20 || c >= 0x7f || c == ';' || c == '\\' || c == '?' || c == '#') return false;
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1))
    if (i + 2 >= path.size() || !std::isxdigit(static_cast<unsigned char>(path[i + 1])) ||
        !std::isxdigit(static_cast<unsigned char>(path[i + 2])))
      return false;
  for (std::string_view bad : {"//", "%2f", "%5c", "%2e", "%3b", "%00"})
    if (holds_any_case(path, bad)) return false;
  for (std::string_view bad : {"/./", "/../"})
    if (path.find(bad) != std::string_view::npos) return false;
  return !path.ends_with("/.") && !path.ends_with("/..");
}

void HeaderList::add(std::string_view name, std::string_view value) {
  entries_.push_back(std::make_unique<HeaderEntry>(HeaderEntry{ViewCopy(name), ViewCopy(value)}));
}

bool HeaderList::remove(std::string_view name) {
  return std::erase_if(entries_,
                       [&](const auto& entry) { return same_name(entry->name.view(), name); }) != 0;
}

bool HeaderList::fits(std::string_view name, std::string_view value) const {
  std::size_t bytes = name.size() + value.size();
  for (const auto& entry : entries_)
    bytes += entry->name.view().size() + entry->value.view().size();
  return entries_.size() < kMostHeaders && bytes <= kMostBytes;
}

const HeaderEntry* HeaderList::find(std::string_view name, std::size_t nth) const {
  for (const auto& entry : entries_)
    if (same_name(entry->name.view(), name) && nth-- == 0) return entry.get();
  return nullptr;
}

Pairs HeaderList::pairs() const {
  Pairs all;
  for (const auto& entry : entries_) all.emplace_back(entry->name.view(), entry->value.view());
  return all;
}

}  // namespace gw::testing
