// SPDX-License-Identifier: Apache-2.0
//
// How numbers, durations, sizes and lists are written as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::settings {

// Decimal, with a sign; the whole text.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_float(std::string_view text);  // finite
std::optional<bool> parse_boolean(std::string_view text);  // "true", "false"
// Milliseconds: "250", "250ms", "30s", "5m", "2h". Not negative.
std::optional<std::int64_t> parse_duration(std::string_view text);
// Bytes: "4096", "16KiB", "1MiB", "1GiB". Not negative.
std::optional<std::int64_t> parse_size(std::string_view text);
// At commas, spaces around each part taken off; an empty text has no parts.
std::vector<std::string> split_list(std::string_view text);

// The candidate that `word` is most likely a slip of; empty when none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);
// `; did you mean "<nearest>"?`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace gw::settings
