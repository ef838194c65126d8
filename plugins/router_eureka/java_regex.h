// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions as Spring's configurations write them (Java), run by PCRE2, whose syntax is
// all but the same. The work that one match may take is bounded, so that no path can hold a worker:
// past the bound a match fails. Bytes, not characters: a path is ASCII.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;

namespace gw::router {

// Immutable, usable from any thread.
class Regex {
 public:
  static constexpr int kMostGroups = 16;  // the whole match among them
  struct Groups {
    // Null data: the group took no part.
    std::array<std::string_view, kMostGroups> group;
  };
  enum class Found { kYes, kNo, kTooMuchWork };

  // Null with `error`.
  static std::unique_ptr<Regex> compile(std::string_view text, std::string& error);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  bool matches_whole(std::string_view text) const;
  // The first match at or behind `from`.
  Found find(std::string_view text, std::size_t from, Groups& groups) const;
  int group_count() const { return group_count_; }  // without the whole match
  // -1: no group of that name.
  int group_number(const std::string& name) const;

 private:
  Regex() = default;
  int match(std::string_view text, std::size_t from, unsigned options, Groups* groups) const;

  pcre2_real_code_8* code_ = nullptr;
  pcre2_real_match_context_8* limits_ = nullptr;
  int group_count_ = 0;
};

}  // namespace gw::router
