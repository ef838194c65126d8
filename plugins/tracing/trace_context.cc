// SPDX-License-Identifier: Apache-2.0
#include "trace_context.h"

#include <algorithm>
#include <cstring>

namespace gw::tracing {
namespace {

constexpr std::array<std::string_view, kTraceHeaders> kNames = {
    "traceparent", "tracestate",        "b3",           "x-b3-traceid",
    "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"};

bool same_name(std::string_view name, std::string_view lower) {
  return name.size() == lower.size() &&
         std::equal(name.begin(), name.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
         });
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// An identifier of exactly its size, not all zero.
template <std::size_t size>
bool read_id(std::string_view text, std::array<char, size>& id) {
  if (text.size() != size || !is_hex(text)) return false;
  if (text.find_first_not_of('0') == std::string_view::npos) return false;
  std::memcpy(id.data(), text.data(), size);
  return true;
}

// B3's trace ids have 32 digits or, from older callers, 16.
bool read_b3_trace(std::string_view text, TraceId& id) {
  SpanId low;
  if (text.size() != low.size()) return read_id(text, id);
  if (!read_id(text, low)) return false;
  id.fill('0');
  std::memcpy(id.data() + low.size(), low.data(), low.size());
  return true;
}

// 00-<32 hex>-<16 hex>-<2 hex>; a later version may append more behind another '-'.
bool read_traceparent(std::string_view text, Caller& out) {
  if (text.size() < kTraceparentSize || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return false;
  const std::string_view version = text.substr(0, 2), flags = text.substr(53, 2);
  if (!is_hex(version) || version == "ff" || !is_hex(flags)) return false;
  if (text.size() > kTraceparentSize && (version == "00" || text[kTraceparentSize] != '-'))
    return false;
  if (!read_id(text.substr(3, 32), out.trace) || !read_id(text.substr(36, 16), out.span))
    return false;
  const char low = flags[1];
  const int digit = low <= '9' ? low - '0' : low - 'a' + 10;
  out.sampled = (digit & 1) != 0 ? Sampled::kYes : Sampled::kNo;
  return out.has_ids = true;
}

bool read_decision(std::string_view text, Sampled& out) {
  if (text == "0") return out = Sampled::kNo, true;
  if (text == "1") return out = Sampled::kYes, true;
  if (text == "d") return out = Sampled::kDebug, true;
  return false;
}

// <decision>, or <trace>-<span>[-<decision>[-<parent>]].
bool read_b3(std::string_view text, Caller& out) {
  if (read_decision(text, out.sampled)) return true;
  std::array<std::string_view, 4> parts;
  std::size_t count = 0;
  for (bool more = true; more; ++count) {
    if (count == parts.size()) return false;
    const std::size_t end = text.find('-');
    more = end != std::string_view::npos;
    parts[count] = text.substr(0, end);
    if (more) text.remove_prefix(end + 1);
  }
  if (count < 2 || !read_b3_trace(parts[0], out.trace) || !read_id(parts[1], out.span))
    return false;
  if (count > 2 && !read_decision(parts[2], out.sampled)) return false;
  if (SpanId parent; count > 3 && !read_id(parts[3], parent)) return false;
  return out.has_ids = true;
}

bool read_b3_fields(const TraceHeaders& headers, Caller& out) {
  const auto value = [&](TraceHeader header) {
    return headers.values[static_cast<std::size_t>(header)];
  };
  if (headers.has(TraceHeader::kB3Sampled)) {
    const std::string_view sampled = value(TraceHeader::kB3Sampled);
    if (sampled == "true" || sampled == "1") {
      out.sampled = Sampled::kYes;
    } else if (sampled == "false" || sampled == "0") {
      out.sampled = Sampled::kNo;
    } else {
      return false;
    }
  }
  if (headers.has(TraceHeader::kB3Flags)) {
    const std::string_view flags = value(TraceHeader::kB3Flags);
    if (flags != "0" && flags != "1") return false;
    if (flags == "1") out.sampled = Sampled::kDebug;
  }
  if (SpanId parent; headers.has(TraceHeader::kB3ParentSpanId) &&
                     !read_id(value(TraceHeader::kB3ParentSpanId), parent))
    return false;
  if (!headers.has(TraceHeader::kB3TraceId) && !headers.has(TraceHeader::kB3SpanId))
    return out.sampled != Sampled::kUndecided;
  return out.has_ids = read_b3_trace(value(TraceHeader::kB3TraceId), out.trace) &&
                       read_id(value(TraceHeader::kB3SpanId), out.span);
}

}  // namespace

std::string_view name_of(TraceHeader header) {
  return kNames[static_cast<std::size_t>(header)];
}

std::optional<TraceHeader> find_trace_header(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (same_name(name, kNames[i])) return static_cast<TraceHeader>(i);
  return std::nullopt;
}

void TraceHeaders::add(TraceHeader header, std::string_view value) {
  const auto i = static_cast<std::size_t>(header);
  values[i] = value;
  if (counts[i] < 2) ++counts[i];
}

Caller read_caller(const TraceHeaders& headers) {
  const auto once = [&](TraceHeader header) {
    return headers.counts[static_cast<std::size_t>(header)] == 1;
  };
  const auto value = [&](TraceHeader header) {
    return headers.values[static_cast<std::size_t>(header)];
  };
  Caller caller;
  if (once(TraceHeader::kTraceparent) && read_traceparent(value(TraceHeader::kTraceparent), caller))
    return caller;
  caller = {};
  if (once(TraceHeader::kB3) && read_b3(value(TraceHeader::kB3), caller)) return caller;
  caller = {};
  for (auto i = static_cast<std::size_t>(TraceHeader::kB3TraceId); i < kTraceHeaders; ++i)
    if (headers.counts[i] > 1) return caller;
  if (read_b3_fields(headers, caller)) return caller;
  return {};
}

std::array<char, kTraceparentSize> write_traceparent(const TraceId& trace, const SpanId& span,
                                                     bool sampled) {
  std::array<char, kTraceparentSize> out;
  char* at = out.data();
  const auto put = [&at](std::string_view piece) {
    at = std::copy(piece.begin(), piece.end(), at);
  };
  put("00-"), put(text(trace)), put("-"), put(text(span)), put(sampled ? "-01" : "-00");
  return out;
}

}  // namespace gw::tracing
