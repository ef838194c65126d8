// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/append.h"

namespace gw::http {

namespace {

constexpr std::size_t kUsualHeadBytes = 16 * 1024;
constexpr std::size_t kAroundStart = 16;  // what is fixed of a first line
constexpr std::size_t kAroundField = 4;   // ": " and CRLF

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

using base::append;

template <std::size_t kSize>
char* append(char* to, const char (&text)[kSize]) {
  std::memcpy(to, text, kSize - 1);
  return to + kSize - 1;
}

char* append_line(char* to, std::string_view name, std::string_view value) {
  const char* colon = name.data() + name.size();
  // Most stand in a received head as they leave.
  if (colon + 2 == value.data() && colon[0] == ':' && colon[1] == ' ') {
    to = append(to, {name.data(), name.size() + 2 + value.size()});
  } else {
    to = append(append(append(to, name), ": "), value);
  }
  return append(to, "\r\n");
}

bool applies(const HeaderGroup& group, const ResponseHead& head, bool https) {
  if (group.https_only && !https) return false;
  for (const std::uint16_t status : group.skip_statuses)
    if (status == head.status) return false;
  for (const auto& item : group.fields)
    if (head.fields.find(item.first) != nullptr) return false;
  return true;
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
  if (reason.empty() || !is_field_value(reason)) reason = reason_phrase(status);
  used_ = 0;
  make_room(reason.size() + kAroundStart);
  char* at = append(end(), "HTTP/1.1 ");
  *at++ = static_cast<char>('0' + status / 100 % 10);
  *at++ = static_cast<char>('0' + status / 10 % 10);
  *at++ = static_cast<char>('0' + status % 10);
  *at++ = ' ';
  set_end(append(append(at, reason), "\r\n"));
}

void HeadWriter::field(std::string_view name, std::string_view value) {
  make_room(name.size() + value.size() + kAroundField);
  set_end(append_line(end(), name, value));
}

void HeadWriter::fields(const FieldList& list) {
  std::size_t size = 0;
  for (const Field& item : list) size += item.name.size() + item.value.size() + kAroundField;
  make_room(size);
  char* at = end();
  for (const Field& item : list) at = append_line(at, item.name, item.value);
  set_end(at);
}

void HeadWriter::number_field(std::string_view name, std::uint64_t value) {
  constexpr std::size_t kMostDigits = 20;
  make_room(name.size() + kMostDigits + kAroundField);
  char* at = append(append(end(), name), ": ");
  at = std::to_chars(at, at + kMostDigits, value).ptr;
  set_end(append(at, "\r\n"));
}

std::string_view HeadWriter::finish() {
  make_room(2);
  set_end(append(end(), "\r\n"));
  return {text_.get(), used_};
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
    if (!applies(group, head, https)) continue;
    make_room(group.lines.size());
    set_end(append(end(), group.lines));
  }
}

std::string_view HeadWriter::final_answer(const ResponseHead& head, const AnswerFrame& frame,
                                          const ServerSettings& settings) {
  start_line(head.status, head.reason);
  if (head.fields.find("Date") == nullptr) date();
  fields(head.fields);
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
  return finish();
}

std::string_view HeadWriter::informational(const ResponseHead& head) {
  start_line(head.status, head.reason);
  fields(head.fields);
  return finish();
}

std::string_view HeadWriter::request(const RequestHead& head, std::string_view host) {
  used_ = 0;
  make_room(head.method.size() + head.path.size() + head.query.size() + kAroundStart);
  char* at = append(append(append(end(), head.method), " "), head.path);
  if (head.has_query) at = append(append(at, "?"), head.query);
  set_end(append(at, " HTTP/1.1\r\n"));
  field("Host", host);
  fields(head.fields);
  if (head.framing == Framing::kLength) number_field("Content-Length", head.content_length);
  if (head.framing == Framing::kChunked) field("Transfer-Encoding", "chunked");
  if (head.upgrade_websocket) upgrade();
  return finish();
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
