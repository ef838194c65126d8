// SPDX-License-Identifier: Apache-2.0
#include "settings/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <utility>

namespace gw::settings {

namespace {

template <class T>
std::optional<T> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

using Unit = std::pair<std::string_view, std::int64_t>;

std::optional<std::int64_t> parse_with_unit(std::string_view text,
                                            std::initializer_list<Unit> units) {
  std::int64_t factor = 1;
  for (const auto& [suffix, value] : units) {
    if (text.size() > suffix.size() && text.ends_with(suffix)) {
      factor = value;
      text.remove_suffix(suffix.size());
      break;
    }
  }
  auto count = parse_integer(text);
  if (!count || *count < 0 || *count > std::numeric_limits<std::int64_t>::max() / factor)
    return std::nullopt;
  return *count * factor;
}

// Case and the choice between - and _ are the most common slips: they count nothing.
char folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

// Levenshtein's distance with swapped neighbours as one step.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last, row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      bool same = folded(a[i - 1]) == folded(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
          folded(a[i - 2]) == folded(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  return parse_number<std::int64_t>(text);
}

std::optional<double> parse_float(std::string_view text) {
  auto value = parse_number<double>(text);
  if (value && !std::isfinite(*value)) return std::nullopt;
  return value;
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  return parse_with_unit(text, {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}});
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}});
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  auto trimmed = [](std::string_view part) {
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    return part;
  };
  if (trimmed(text).empty()) return parts;
  while (true) {
    std::size_t comma = text.find(',');
    parts.emplace_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kLongest = 64;
  std::string_view best;
  if (word.size() > kLongest) return best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (std::string_view candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    std::size_t steps = distance(word, candidate);
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  if (!best.empty() || word.size() < 3) return best;
  // "warning" for "warn", "max_conn" for "max_connections".
  for (std::string_view candidate : candidates)
    if (candidate.size() >= 3 && (word.starts_with(candidate) || candidate.starts_with(word)))
      return candidate;
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best = nearest(word, candidates);
  if (best.empty()) return {};
  return "; did you mean \"" + std::string(best) + "\"?";
}

}  // namespace gw::settings
