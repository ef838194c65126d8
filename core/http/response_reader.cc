// SPDX-License-Identifier: Apache-2.0
#include "http/response_reader.h"

#include <cstdint>

#include "http/field_names.h"

namespace gw::http {

namespace {

struct Lines {
  ConnectionTokens connection;
  std::string_view length;
  std::string_view coding;
  std::string_view upgrade;
  std::uint32_t lengths = 0;
  std::uint32_t codings = 0;
};

const char* read_lines(const HeadParser& parsed, const char* text, ResponseHead& out,
                       Lines& lines) {
  constexpr std::uint32_t kOwnFields = 4;  // Via, and what filters add
  out.fields.reserve(parsed.line_count() + kOwnFields);
  for (std::uint32_t i = 0; i < parsed.line_count(); ++i) {
    const std::string_view name = parsed.line(i).name.in(text);
    const std::string_view value = parsed.line(i).value.in(text);
    if (!parsed.plain()) {
      if (!is_field_name(name)) return "a malformed field name";
      if (!is_received_value(value)) return "a control character in a field";
    }
    switch (parsed.line(i).known) {
      case Known::kConnection:
        lines.connection.take(value);
        break;
      case Known::kContentLength:
        ++lines.lengths;
        lines.length = value;
        break;
      case Known::kTransferEncoding:
        ++lines.codings;
        lines.coding = value;
        break;
      case Known::kUpgrade:
        lines.upgrade = value;
        break;
      case Known::kHopByHop:
      case Known::kHost:  // of requests; they mean nothing here
      case Known::kExpect:
        break;
      default:
        if (!out.fields.add(name, value)) return "too many fields";
    }
  }
  if (!lines.connection.ok()) return "a malformed Connection field";
  lines.connection.strip(out.fields);
  return nullptr;
}

const char* settle_framing(const Lines& lines, std::uint8_t minor, ResponseHead& out) {
  if (lines.codings > 0) {
    if (minor == 0 || lines.lengths > 0 || lines.codings > 1 ||
        !same_name(lines.coding, "chunked")) {
      return "a doubtful Transfer-Encoding";
    }
    out.framing = Framing::kChunked;
    return nullptr;
  }
  if (lines.lengths == 0) {
    out.framing = Framing::kUntilClose;
    return nullptr;
  }
  if (lines.lengths > 1 || !parse_length(lines.length, out.content_length)) {
    return "a doubtful Content-Length";
  }
  out.framing = Framing::kLength;
  return nullptr;
}

}  // namespace

ResponseFacts read_response(const HeadParser& parsed, const char* text, bool to_head_request,
                            ResponseHead& out) {
  ResponseFacts facts;
  out.status = parsed.status();
  out.reason = parsed.reason().in(text);
  Lines lines;
  const std::string_view head(text, parsed.head_bytes());
  // llhttp skips empty lines. What is in front of a status line belongs to no answer of this call.
  if (!parsed.plain() && !head.starts_with("HTTP/")) {
    facts.problem = "bytes before the status line";
    return facts;
  }
  // llhttp takes a second CR for an LF.
  if (!parsed.plain() && head[head.find('\r') + 1] != '\n') {
    facts.problem = "a bare CR behind the status line";
    return facts;
  }
  if (parsed.major() != 1 || parsed.minor() > 1) {
    facts.problem = "a version that is not HTTP/1.0 or 1.1";
    return facts;
  }
  if (out.status < 100 || out.status > 599) {
    facts.problem = "a status that is none";
    return facts;
  }
  facts.problem = read_lines(parsed, text, out, lines);
  if (facts.problem == nullptr && !out.fields.add("Via", own_via(parsed.minor())))
    facts.problem = "too many fields";
  if (facts.problem == nullptr) facts.problem = settle_framing(lines, parsed.minor(), out);
  if (facts.problem != nullptr) return facts;
  facts.keep_alive =
      !lines.connection.close() && (parsed.minor() == 1 || lines.connection.keep_alive());
  facts.websocket = lines.connection.upgrade() && same_name(lines.upgrade, "websocket");
  const bool informational = out.status < 200;
  const bool no_body = informational || to_head_request || out.status == 204 || out.status == 304;
  if (no_body) {
    // RFC 9112 6.3: the head alone, whatever it announces.
    // Whoever announces a body here may send one.
    if (out.status == 204 && (out.framing == Framing::kChunked || out.content_length > 0)) {
      facts.keep_alive = false;
    }
    if (informational || out.status == 204 || out.framing == Framing::kUntilClose) {
      out.framing = Framing::kNone;
      out.content_length = 0;
    }
    return facts;
  }
  facts.body = out.framing;
  facts.body_bytes = out.content_length;
  if (out.framing == Framing::kUntilClose) facts.keep_alive = false;
  return facts;
}

}  // namespace gw::http
