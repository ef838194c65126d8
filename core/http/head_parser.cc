// SPDX-License-Identifier: Apache-2.0
#include "http/head_parser.h"

#include <algorithm>
#include <cstring>

#include "http/message.h"

namespace gw::http {

namespace {

// What llhttp is given in a tab's place.
constexpr char kBlank[] = " ";

}  // namespace

struct HeadCallbacks {
  static HeadParser& self(llhttp_t* parser) { return *static_cast<HeadParser*>(parser->data); }
  static int url(llhttp_t* parser, const char* at, std::size_t size) {
    self(parser).extend(self(parser).target_, at, size);
    return 0;
  }
  static int status(llhttp_t* parser, const char* at, std::size_t size) {
    self(parser).extend(self(parser).reason_, at, size);
    return 0;
  }
  static int name(llhttp_t* parser, const char* at, std::size_t size) {
    HeadParser& head = self(parser);
    head.past_first_line_ = true;
    if (!head.in_name_ && !head.add_line()) return HPE_USER;
    head.in_name_ = true;
    head.extend(head.lines_[head.line_count_ - 1].name, at, size);
    return 0;
  }
  static int name_complete(llhttp_t* parser) {
    self(parser).in_name_ = false;
    return 0;
  }
  static int value(llhttp_t* parser, const char* at, std::size_t size) {
    HeadParser& head = self(parser);
    if (at == kBlank) return 0;  // no part of the text
    if (head.line_count_ == 0) return HPE_USER;
    head.extend(head.lines_[head.line_count_ - 1].value, at, size);
    return 0;
  }
  static int version_complete(llhttp_t* parser) {
    HeadParser& head = self(parser);
    head.past_first_line_ = true;
    if (!head.request_) return 0;
    // llhttp takes more spaces than one, and the versions of HTTP/0.9, HTTP/2, RTSP and ICE.
    constexpr std::string_view kVersion = " HTTP/1.";
    const char* target = head.text_ + head.target_.offset;
    const bool one_space = target[-2] != ' ';
    return one_space && kVersion == std::string_view(target + head.target_.size, kVersion.size())
               ? 0
               : HPE_USER;
  }
  static int headers_complete(llhttp_t*) { return HPE_PAUSED; }

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t table = [] {
      llhttp_settings_t out;
      llhttp_settings_init(&out);
      out.on_url = url;
      out.on_status = status;
      out.on_header_field = name;
      out.on_header_field_complete = name_complete;
      out.on_header_value = value;
      out.on_version_complete = version_complete;
      out.on_headers_complete = headers_complete;
      return out;
    }();
    return table;
  }
};

void HeadParser::start(bool request, base::Arena& arena, std::uint32_t max_fields, Line* lines,
                       std::uint32_t room) {
  request_ = request;
  arena_ = &arena;
  lines_ = lines;
  seen_ = head_bytes_ = 0;
  line_count_ = 0;
  line_capacity_ = room;
  max_fields_ = max_fields;
  target_ = reason_ = {};
  plain_ = in_name_ = past_first_line_ = too_many_ = false;
}

HeadParser* HeadParser::keep() const {
  auto* kept = arena_->make<HeadParser>(*this);
  if (kept == nullptr) return nullptr;
  kept->parser_.data = kept;
  kept->lines_ = nullptr;
  kept->line_capacity_ = line_count_;
  if (line_count_ == 0) return kept;
  const std::size_t size = line_count_ * sizeof(Line);
  kept->lines_ = static_cast<Line*>(arena_->try_allocate(size));
  if (kept->lines_ == nullptr) return nullptr;
  std::memcpy(static_cast<void*>(kept->lines_), lines_, size);
  return kept;
}

HeadParser& SharedHeadParser::start(bool request, base::Arena& arena, std::uint32_t max_fields) {
  if (lines_.size() < max_fields) lines_.resize(max_fields);
  parser_.start(request, arena, max_fields, lines_.data(), max_fields);
  return parser_;
}

bool HeadParser::make_room() {
  constexpr std::uint32_t kFirst = 8;
  const std::uint32_t capacity = std::max(kFirst, line_capacity_ * 2);
  Line* lines = line_count_ == max_fields_
                    ? nullptr
                    : static_cast<Line*>(arena_->try_allocate(capacity * sizeof(Line)));
  if (lines == nullptr) {
    too_many_ = true;
    return false;
  }
  if (line_count_ > 0) std::memcpy(static_cast<void*>(lines), lines_, line_count_ * sizeof(Line));
  lines_ = lines;
  line_capacity_ = capacity;
  return true;
}

// A span that goes over several reads is in one piece all the same, because the text is.
void HeadParser::extend(Span& span, const char* at, std::size_t size) {
  const auto offset = static_cast<std::uint32_t>(at - text_);
  if (span.size == 0) span.offset = offset;
  span.size = offset + static_cast<std::uint32_t>(size) - span.offset;
}

// By what came up to the error alone, so that it does not depend on how the bytes were split.
std::uint16_t HeadParser::judge(llhttp_errno_t error) const {
  const char* at = llhttp_get_error_pos(&parser_);
  if (error == HPE_INVALID_METHOD && is_field_name({text_, *at == ' ' ? at : at + 1})) return 501;
  constexpr std::string_view kWhole = "Invalid HTTP version";  // two digits, but not of ours
  if (error == HPE_INVALID_VERSION && llhttp_get_error_reason(&parser_) == kWhole) return 505;
  return 400;
}

HeadParser::Result HeadParser::feed(const char* text, std::size_t size) {
  if (seen_ == 0) {
    if (read_plain(text, size)) return Result::kDone;
    llhttp_init(&parser_, request_ ? HTTP_REQUEST : HTTP_RESPONSE, &HeadCallbacks::settings());
    parser_.data = this;
  }
  return read_by_llhttp(text, size);
}

// Behind the target stands the line's end: llhttp takes that for HTTP/0.9, and what follows for
// fields.
bool HeadParser::names_no_version(std::size_t size) const {
  const std::size_t end = target_.offset + target_.size;
  return request_ && target_.size > 0 && end < size && (text_[end] == '\r' || text_[end] == '\n');
}

// llhttp ends at a tab behind the digits of a Content-Length, where RFC 9110 5.5 has a tab mean what
// a space means: it is told of a space. What is not a blank behind them is an error all the same.
llhttp_errno_t HeadParser::run_llhttp(std::size_t size) {
  while (true) {
    const llhttp_t before = parser_;
    const std::uint32_t line_count = line_count_;
    const bool in_name = in_name_;
    const llhttp_errno_t error = llhttp_execute(&parser_, text_ + seen_, size - seen_);
    if (error != HPE_INVALID_CONTENT_LENGTH) return error;
    const char* tab = llhttp_get_error_pos(&parser_);
    if (tab == text_ + size || *tab != '\t') return error;
    parser_ = before;
    line_count_ = line_count;
    in_name_ = in_name;
    (void)llhttp_execute(&parser_, text_ + seen_, static_cast<std::size_t>(tab - text_) - seen_);
    if (llhttp_execute(&parser_, kBlank, 1) != HPE_OK) {
      parser_.error_pos = tab;
      return HPE_INVALID_CONTENT_LENGTH;
    }
    seen_ = static_cast<std::size_t>(tab - text_) + 1;
  }
}

HeadParser::Result HeadParser::read_by_llhttp(const char* text, std::size_t size) {
  text_ = text;
  const llhttp_errno_t error = run_llhttp(size);
  if (names_no_version(size)) {
    parser_.error = HPE_INVALID_VERSION;
    refusal_ = 400;
    seen_ = target_.offset + target_.size;
    return Result::kBad;
  }
  if (error == HPE_OK) {
    seen_ = size;
    return Result::kMore;
  }
  if (error != HPE_PAUSED) {
    refusal_ = judge(error);
    seen_ = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - text);
    if (error == HPE_INVALID_URL) {  // of which llhttp tells nothing
      if (target_.size == 0) target_.offset = std::string_view(text, seen_).rfind(' ') + 1;
      target_.size = seen_ - target_.offset;
    }
    return too_many_ ? Result::kTooManyFields : Result::kBad;
  }
  seen_ = head_bytes_ = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - text);
  for (std::uint32_t i = 0; i < line_count_; ++i) {
    Span& value = lines_[i].value;
    const auto blank = [&](std::uint32_t at) { return text[at] == ' ' || text[at] == '\t'; };
    while (value.size > 0 && blank(value.offset + value.size - 1)) --value.size;
    while (value.size > 0 && blank(value.offset)) {
      ++value.offset;
      --value.size;
    }
    lines_[i].known = known_field(lines_[i].name.in(text));
  }
  return Result::kDone;
}

std::string_view HeadParser::method() const {
  return llhttp_method_name(static_cast<llhttp_method_t>(parser_.method));
}

}  // namespace gw::http
