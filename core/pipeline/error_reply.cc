// SPDX-License-Identifier: Apache-2.0
#include "pipeline/error_reply.h"

#include <cstdio>
#include <string>

#include "base/clock.h"

namespace gw::pipeline {

namespace {

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      char hex[7];
      std::snprintf(hex, sizeof hex, "\\u%04x", byte);
      out += hex;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += '"';
  out += name;
  out += "\":";
  append_json(out, value);
}

}  // namespace

std::string_view error_envelope(base::Arena& arena, const TextSource* texts,
                                const ErrorFacts& facts) {
  std::string_view message;
  if (texts != nullptr) message = texts->text(facts.code, facts.accept_language);
  if (message.empty()) message = facts.message.empty() ? facts.code : facts.message;
  char time[25];
  base::format_timestamp(facts.wall_ms, time);

  thread_local std::string out;  // reused, so that a refusal allocates nothing
  out = "{\"success\":false,\"error\":{";
  append_field(out, "code", facts.code);
  out += ',';
  append_field(out, "message", message);
  out += ",\"status\":" + std::to_string(facts.status) + ',';
  append_field(out, "path", facts.path);
  out += "},";
  append_field(out, "timestamp", time);
  if (!facts.trace_id.empty()) {
    out += ',';
    append_field(out, "traceId", facts.trace_id);
  }
  out += '}';
  return arena.copy(out);
}

}  // namespace gw::pipeline
