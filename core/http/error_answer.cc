// SPDX-License-Identifier: Apache-2.0
#include "http/error_answer.h"

#include <charconv>
#include <cstring>

#include "base/clock.h"

namespace gw::http {

namespace {

// Writes, or only measures when `out` is null.
class Writer {
 public:
  explicit Writer(char* out) : out_(out) {}
  std::size_t size() const { return size_; }

  void text(std::string_view text) {
    if (out_ != nullptr) std::memcpy(out_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  void number(std::uint32_t value) {
    char digits[10];
    const auto result = std::to_chars(digits, digits + sizeof digits, value);
    text({digits, static_cast<std::size_t>(result.ptr - digits)});
  }
  void quoted(std::string_view value);

 private:
  void escaped(unsigned char byte) {
    constexpr char kDigits[] = "0123456789abcdef";
    const char escape[] = {'\\', 'u', '0', '0', kDigits[byte >> 4], kDigits[byte & 15]};
    text({escape, sizeof escape});
  }

  char* out_;
  std::size_t size_ = 0;
};

// Length of the UTF-8 sequence at the front, 0 when it is none (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool shortest = first != 0xe0 || byte(1) >= 0xa0;
    const bool no_surrogate = first != 0xed || byte(1) <= 0x9f;
    return shortest && no_surrogate && continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool shortest = first != 0xf0 || byte(1) >= 0x90;
    const bool in_range = first != 0xf4 || byte(1) <= 0x8f;
    return shortest && in_range && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void Writer::quoted(std::string_view value) {
  text("\"");
  while (!value.empty()) {
    const auto byte = static_cast<unsigned char>(value[0]);
    std::size_t length = sequence_length(value);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      escaped(byte);
      length = 1;
    } else if (byte == '"' || byte == '\\') {
      text("\\");
      text(value.substr(0, 1));
    } else {
      text(value.substr(0, length));
    }
    value.remove_prefix(length);
  }
  text("\"");
}

void write(const ErrorAnswer& error, std::string_view timestamp, Writer& out) {
  out.text("{\"success\":false,\"error\":{\"code\":");
  out.quoted(error.code);
  out.text(",\"message\":");
  out.quoted(error.message.empty() ? error.code : error.message);
  out.text(",\"status\":");
  out.number(error.status);
  if (!error.path.empty()) {
    out.text(",\"path\":");
    out.quoted(error.path);
  }
  out.text("},\"timestamp\":");
  out.quoted(timestamp);
  if (!error.request_id.empty()) {
    out.text(",\"traceId\":");
    out.quoted(error.request_id);
  }
  out.text("}");
}

}  // namespace

std::string_view error_body(const ErrorAnswer& error, base::Arena& arena) {
  char timestamp[25];
  base::format_timestamp(error.wall_ms, timestamp);
  Writer measure(nullptr);
  write(error, timestamp, measure);
  auto* memory = static_cast<char*>(arena.try_allocate(measure.size()));
  if (memory == nullptr) return {};
  Writer writer(memory);
  write(error, timestamp, writer);
  return {memory, writer.size()};
}

std::string_view usual_error_code(std::uint32_t status) {
  switch (status) {
    case 400:
      return "BAD_REQUEST";
    case 401:
      return "USER_ID_REQUIRED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 405:
      return "METHOD_NOT_ALLOWED";
    case 408:
      return "REQUEST_TIMEOUT";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 414:
      return "URI_TOO_LONG";
    case 417:
      return "BAD_REQUEST";
    case 429:
      return "TOO_MANY_REQUESTS";
    case 431:
      return "REQUEST_HEADER_FIELDS_TOO_LARGE";
    case 501:
      return "NOT_IMPLEMENTED";
    case 502:
      return "EXTERNAL_API_ERROR";
    case 503:
      return "SERVICE_UNAVAILABLE";
    case 504:
      return "EXTERNAL_API_TIMEOUT";
    case 505:
      return "HTTP_VERSION_NOT_SUPPORTED";
    default:
      return status < 500 ? "BAD_REQUEST" : "INTERNAL_SERVER_ERROR";
  }
}

}  // namespace gw::http
