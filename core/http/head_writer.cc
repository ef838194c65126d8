// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <utility>

namespace gw::http {

namespace {

constexpr std::size_t kUsualHeadBytes = 16 * 1024;

// RFC 9110 5.6.7, IMF-fixdate; strftime would ask the locale.
std::string imf_date(std::int64_t seconds) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  const auto two = [](int value) {
    return std::string{static_cast<char>('0' + value / 10 % 10),
                       static_cast<char>('0' + value % 10)};
  };
  return std::string(kDays[parts.tm_wday]) + ", " + two(parts.tm_mday) + " " +
         kMonths[parts.tm_mon] + " " + std::to_string(parts.tm_year + 1900) + " " +
         two(parts.tm_hour) + ":" + two(parts.tm_min) + ":" + two(parts.tm_sec) + " GMT";
}

// Copies; returns what is behind it. Names and values are short, mostly: a call would cost more.
char* append(char* to, std::string_view text) {
  const std::size_t size = text.size();
  const char* from = text.data();
  if (size >= 8 && size <= 16) {
    std::memcpy(to, from, 8);
    std::memcpy(to + size - 8, from + size - 8, 8);  // they may overlap
  } else if (size > 16 && size <= 32) {
    std::memcpy(to, from, 16);
    std::memcpy(to + size - 16, from + size - 16, 16);
  } else {
    text.copy(to, size);
  }
  return to + size;
}

}  // namespace

HeadWriter::HeadWriter(const base::Clock& clock) : clock_(clock) {
  make_room(kUsualHeadBytes);
}

void HeadWriter::grow(std::size_t bytes) {
  room_ = std::max(used_ + bytes, 2 * room_);
  std::unique_ptr<char[]> larger(new char[room_]);
  if (used_ > 0) std::memcpy(larger.get(), text_.get(), used_);
  text_ = std::move(larger);
}

void HeadWriter::start_line(std::uint16_t status, std::string_view reason) {
  char line[] = "HTTP/1.1 000 ";
  line[9] = static_cast<char>('0' + status / 100 % 10);
  line[10] = static_cast<char>('0' + status / 10 % 10);
  line[11] = static_cast<char>('0' + status % 10);
  used_ = 0;
  put({line, sizeof line - 1});
  put(reason.empty() || !is_field_value(reason) ? reason_phrase(status) : reason);
  put("\r\n");
}

void HeadWriter::field(std::string_view name, std::string_view value) {
  make_room(name.size() + value.size() + 4);
  char* at = append(text_.get() + used_, name);
  *at++ = ':';
  *at++ = ' ';
  at = append(at, value);
  *at++ = '\r';
  *at++ = '\n';
  used_ = static_cast<std::size_t>(at - text_.get());
}

void HeadWriter::number_field(std::string_view name, std::uint64_t value) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof digits, value);
  field(name, {digits, static_cast<std::size_t>(result.ptr - digits)});
}

void HeadWriter::upgrade() {
  field("Connection", "Upgrade");
  field("Upgrade", "websocket");
}

void HeadWriter::date() {
  const std::int64_t second = clock_.wall_ms() / 1000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = imf_date(second);
  }
  field("Date", date_);
}

void HeadWriter::groups(const ResponseHead& head, bool https, const ServerSettings& settings) {
  for (const HeaderGroup& group : settings.response_headers) {
    if (group.https_only && !https) continue;
    const auto& skip = group.skip_statuses;
    if (std::find(skip.begin(), skip.end(), head.status) != skip.end()) continue;
    const bool present =
        std::any_of(group.fields.begin(), group.fields.end(),
                    [&](const auto& item) { return head.fields.find(item.first) != nullptr; });
    if (present) continue;
    put(group.lines);
  }
}

std::string_view HeadWriter::final_answer(const ResponseHead& head, const AnswerFrame& frame,
                                          const ServerSettings& settings) {
  start_line(head.status, head.reason);
  if (head.fields.find("Date") == nullptr) date();
  for (const Field& item : head.fields) field(item.name, item.value);
  groups(head, frame.https, settings);
  if (frame.say_length) number_field("Content-Length", frame.content_length);
  if (frame.framing == OutFraming::kChunked) field("Transfer-Encoding", "chunked");
  if (frame.upgrade) {
    upgrade();
  } else if (!frame.keep_alive) {
    field("Connection", "close");
  } else if (frame.client_minor == 0) {
    field("Connection", "keep-alive");
  }
  put("\r\n");
  return written();
}

std::string_view HeadWriter::informational(const ResponseHead& head) {
  start_line(head.status, head.reason);
  for (const Field& item : head.fields) field(item.name, item.value);
  put("\r\n");
  return written();
}

std::string_view HeadWriter::request(const RequestHead& head, std::string_view host) {
  used_ = 0;
  put(head.method);
  put(" ");
  put(head.path);
  if (head.has_query) {
    put("?");
    put(head.query);
  }
  put(" HTTP/1.1\r\n");
  field("Host", host);
  for (const Field& item : head.fields) field(item.name, item.value);
  if (head.framing == Framing::kLength) number_field("Content-Length", head.content_length);
  if (head.framing == Framing::kChunked) field("Transfer-Encoding", "chunked");
  if (head.upgrade_websocket) upgrade();
  put("\r\n");
  return written();
}

std::string_view reason_phrase(std::uint16_t status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace gw::http
