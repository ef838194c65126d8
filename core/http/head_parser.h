// SPDX-License-Identifier: Apache-2.0
//
// HeadParser: the head of a request or an answer, by llhttp with every lenient flag off, as offsets
// into the message's text. The caller keeps that text in one piece and may move it between calls.
// Bodies are body_decoder.h's.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "http/field_names.h"

namespace gw::http {

class HeadParser {
 public:
  struct Span {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    std::string_view in(const char* text) const { return {text + offset, size}; }
  };
  struct Line {
    Span name;
    Span value;  // without white space around it
    Known known = Known::kOther;
  };
  enum class Result { kMore, kDone, kBad, kTooManyFields };

  // Lines are kept in `arena`; the first `room` of them at `lines`, until keep().
  void start(bool request, base::Arena& arena, std::uint32_t max_fields, Line* lines = nullptr,
             std::uint32_t room = 0);
  // `text` is all of the message so far, `size` bytes, of which earlier calls saw `seen()`.
  Result feed(const char* text, std::size_t size);

  // A copy in the arena, with its lines, that goes on where this one stands; null: no room.
  HeadParser* keep() const;

  std::size_t seen() const { return seen_; }  // once it is bad: what came before the fault
  // Once kDone:
  std::size_t head_bytes() const { return head_bytes_; }
  std::string_view method() const;  // requests
  Span target() const { return target_; }
  Span reason() const { return reason_; }
  std::uint16_t status() const { return parser_.status_code; }
  std::uint8_t major() const { return parser_.http_major; }
  std::uint8_t minor() const { return parser_.http_minor; }
  std::uint32_t line_count() const { return line_count_; }
  const Line& line(std::uint32_t i) const { return lines_[i]; }
  // Every name is letters, digits and '-' alone, every value printable ASCII: nothing to check.
  bool plain() const { return plain_; }
  // The request line was seen whole.
  bool past_first_line() const { return past_first_line_; }
  // What kBad is answered with: 501 for a method nobody knows, 505 for a version, else 400.
  std::uint16_t refusal() const { return refusal_; }
  // Why kBad, for the log.
  const char* problem() const { return llhttp_errno_name(llhttp_get_errno(&parser_)); }

 private:
  friend struct HeadCallbacks;
  bool add_line() {
    const bool full = line_count_ == line_capacity_ || line_count_ == max_fields_;
    if (full && !make_room()) return false;
    lines_[line_count_++] = Line{};
    return true;
  }
  bool make_room();
  bool read_plain(const char* text, std::size_t size);
  const char* plain_request_line(const char* text, const char* end);
  const char* plain_status_line(const char* text, const char* end);
  bool plain_lines(const char* text, const char* at, const char* end);
  Result read_by_llhttp(const char* text, std::size_t size);
  llhttp_errno_t run_llhttp(std::size_t size);
  bool names_no_version(std::size_t size) const;
  std::uint16_t judge(llhttp_errno_t error) const;
  void extend(Span& span, const char* at, std::size_t size);

  llhttp_t parser_;
  base::Arena* arena_ = nullptr;
  Line* lines_ = nullptr;
  const char* text_ = nullptr;  // during feed()
  std::size_t seen_ = 0;
  std::size_t head_bytes_ = 0;
  std::uint32_t line_count_ = 0;
  std::uint32_t line_capacity_ = 0;
  std::uint32_t max_fields_ = 0;
  std::uint16_t refusal_ = 400;
  Span target_;
  Span reason_;
  bool request_ = true;
  bool plain_ = false;
  bool in_name_ = false;
  bool past_first_line_ = false;
  bool too_many_ = false;
};

// A worker's parser, for heads that are whole when they come, as nearly all are: what they take is
// not memory of their message. One user at a time, from start() to the end of its turn.
class SharedHeadParser {
 public:
  HeadParser& start(bool request, base::Arena& arena, std::uint32_t max_fields);

 private:
  HeadParser parser_;
  std::vector<HeadParser::Line> lines_;
};

// Is it a request's first bytes, at most its first line and little enough to be kept as they are? What
// they are worth is for a HeadParser to say, when more has come.
bool begins_request(std::string_view text);

}  // namespace gw::http
