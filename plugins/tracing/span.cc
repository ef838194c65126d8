// SPDX-License-Identifier: Apache-2.0
#include "span.h"

#include <algorithm>
#include <charconv>
#include <gateway/json.hpp>

namespace gw::tracing {
namespace {

void append_string(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (plain) {
    out.append("\"").append(text).append("\"");
  } else {
    out += dump_json(nlohmann::json(text));
  }
}

void append_member(std::string& out, std::string_view key, std::string_view text) {
  out.append(",\"").append(key).append("\":");
  append_string(out, text);
}

template <class Number>
void append_number(std::string& out, std::string_view key, Number number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(",\"").append(key).append("\":").append(digits, end);
}

}  // namespace

void append_json(std::string& out, const Span& span) {
  out += "{\"traceId\":";
  append_string(out, span.trace_id);
  append_member(out, "id", span.id);
  if (!span.parent_id.empty()) append_member(out, "parentId", span.parent_id);
  append_member(out, "kind", span.kind);
  append_member(out, "name", span.name);
  append_number(out, "timestamp", span.timestamp_us);
  append_number(out, "duration", std::max<std::uint64_t>(span.duration_us, 1));
  out += ",\"localEndpoint\":{\"serviceName\":";
  append_string(out, span.service);
  out += "}";
  if (span.debug) out += ",\"debug\":true";
  char before = '{';
  out += ",\"tags\":";
  for (const Tag& tag : span.tags) {
    out += std::exchange(before, ',');
    append_string(out, tag.key);
    out += ':';
    append_string(out, tag.value.substr(0, kMostTagBytes));
  }
  out += before == '{' ? "{}}" : "}}";
}

}  // namespace gw::tracing
