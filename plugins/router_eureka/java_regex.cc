// SPDX-License-Identifier: Apache-2.0
#include "java_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

namespace gw::router {

namespace {

constexpr std::size_t kMostRegexBytes = 1024;
constexpr std::uint32_t kMostSteps = 100000;  // about a millisecond
constexpr std::uint32_t kMostHeapKiB = 1024;

PCRE2_SPTR bytes(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data() == nullptr ? "" : text.data());
}

}  // namespace

std::unique_ptr<Regex> Regex::compile(std::string_view text, std::string& error) {
  if (text.size() > kMostRegexBytes) {
    error = "the regular expression is longer than 1024 bytes";
    return nullptr;
  }
  int number = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<Regex> regex(new Regex);
  regex->code_ =
      pcre2_compile(bytes(text), text.size(), PCRE2_NEVER_BACKSLASH_C, &number, &offset, nullptr);
  if (regex->code_ == nullptr) {
    PCRE2_UCHAR reason[256];
    pcre2_get_error_message(number, reason, sizeof reason);
    error = "the regular expression '" + std::string(text) +
            "' is not one that is supported: " + reinterpret_cast<const char*>(reason) + " at " +
            std::to_string(offset);
    return nullptr;
  }
  std::uint32_t groups = 0;
  pcre2_pattern_info(regex->code_, PCRE2_INFO_CAPTURECOUNT, &groups);
  if (groups >= kMostGroups) {
    error = "more than 15 groups";
    return nullptr;
  }
  regex->group_count_ = static_cast<int>(groups);
  regex->limits_ = pcre2_match_context_create(nullptr);
  if (regex->limits_ == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(regex->limits_, kMostSteps);
  pcre2_set_heap_limit(regex->limits_, kMostHeapKiB);
  return regex;
}

Regex::~Regex() {
  pcre2_match_context_free(limits_);
  pcre2_code_free(code_);
}

// PCRE2's result: above 0 for a match.
int Regex::match(std::string_view text, std::size_t from, unsigned options, Groups* groups) const {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_, nullptr), &pcre2_match_data_free);
  if (data == nullptr) return PCRE2_ERROR_NOMEMORY;
  const int result =
      pcre2_match(code_, bytes(text), text.size(), from, options, data.get(), limits_);
  if (result > 0 && groups != nullptr) {
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    groups->group.fill({});
    for (int i = 0; i < result; ++i)
      if (bounds[2 * i] != PCRE2_UNSET)
        groups->group[static_cast<std::size_t>(i)] =
            text.substr(bounds[2 * i], bounds[2 * i + 1] - bounds[2 * i]);
  }
  return result;
}

bool Regex::matches_whole(std::string_view text) const {
  return match(text, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, nullptr) > 0;
}

Regex::Found Regex::find(std::string_view text, std::size_t from, Groups& groups) const {
  const int result = match(text, from, 0, &groups);
  if (result > 0) return Found::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Found::kNo : Found::kTooMuchWork;
}

int Regex::group_number(const std::string& name) const {
  return std::max(-1, pcre2_substring_number_from_name(code_, bytes(name)));
}

}  // namespace gw::router
