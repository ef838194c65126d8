// SPDX-License-Identifier: Apache-2.0
//
// Which trace a request belongs to, as its headers say: W3C Trace Context (traceparent), then b3
// single, then X-B3-*, the first that is well formed (https://www.w3.org/TR/trace-context/,
// https://github.com/openzipkin/b3-propagation). What strangers send is taken only in the exact form
// of these texts; anything else, duplicates too, is as if it were not there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::tracing {

// As in the headers: lower-case hex.
using TraceId = std::array<char, 32>;
using SpanId = std::array<char, 16>;

template <std::size_t size>
std::string_view text(const std::array<char, size>& id) {
  return {id.data(), size};
}

enum class Sampled : std::uint8_t { kUndecided, kNo, kYes, kDebug };

// What a caller said. Without `has_ids` it only decided about sampling.
struct Caller {
  bool has_ids = false;
  TraceId trace{};
  SpanId span{};
  Sampled sampled = Sampled::kUndecided;
};

// The headers in which traces travel.
enum class TraceHeader : std::uint8_t {
  kTraceparent,
  kTracestate,
  kB3,
  kB3TraceId,
  kB3SpanId,
  kB3ParentSpanId,
  kB3Sampled,
  kB3Flags
};
constexpr std::size_t kTraceHeaders = 8;

// Name as it is written here; in any case when it is looked up.
std::string_view name_of(TraceHeader header);
std::optional<TraceHeader> find_trace_header(std::string_view name);

// The headers of one request, by TraceHeader. Views.
struct TraceHeaders {
  std::array<std::string_view, kTraceHeaders> values{};
  std::array<std::uint8_t, kTraceHeaders> counts{};

  void add(TraceHeader header, std::string_view value);
  bool has(TraceHeader header) const { return counts[static_cast<std::size_t>(header)] != 0; }
};

// An empty Caller when they say nothing that can be understood.
Caller read_caller(const TraceHeaders& headers);

constexpr std::size_t kTraceparentSize = 55;
std::array<char, kTraceparentSize> write_traceparent(const TraceId& trace, const SpanId& span,
                                                     bool sampled);

}  // namespace gw::tracing
