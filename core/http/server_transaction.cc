// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/prefetch.h"
#include "http/server_connection.h"

namespace gw::http {

std::string_view chunk_prefix(std::size_t size, char (&out)[20]) {
  char* end = std::to_chars(out, out + sizeof out - 2, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return {out, static_cast<std::size_t>(end - out)};
}

namespace {

bool is_event_stream(std::string_view content_type) {
  constexpr std::string_view kType = "text/event-stream";
  const std::string_view rest = content_type.substr(std::min(content_type.size(), kType.size()));
  return same_name(content_type.substr(0, kType.size()), kType) && (rest.empty() || rest[0] == ';');
}

}  // namespace

ServerTransaction::ServerTransaction(ServerConnection& connection)
    : connection_(connection),
      arena_(connection.stream_.loop().chunks(), connection.settings().limits.max_arena_bytes) {}

net::Loop& ServerTransaction::loop() {
  return connection_.stream_.loop();
}

// Parses what came and keeps it, as much of it as a head may have.
HeadParser::Result ServerTransaction::parse_head(std::string_view input,
                                                 const ServerLimits& limits) {
  const std::size_t most = limits.max_header_bytes + limits.max_target_bytes + 64;
  if (text_.size > 0) {
    if (!text_.add(arena_, input.substr(0, most + 1 - text_.size), true)) {
      return HeadParser::Result::kTooManyFields;
    }
    return parser_->feed(text_.data, text_.size);
  }
  // The usual case: the head is whole in this read, and parsed where it lies.
  parser_ = &connection_.owner_->parser_.start(true, arena_, limits.max_fields);
  const HeadParser::Result result = parser_->feed(input.data(), input.size());
  const bool whole = result == HeadParser::Result::kDone;
  const std::size_t size = std::min(whole ? parser_->head_bytes() : input.size(), most + 1);
  bool room = text_.add(arena_, input.substr(0, size), !whole);
  if (room && result == HeadParser::Result::kMore) {
    HeadParser* kept = parser_->keep();
    room = kept != nullptr;
    if (room) parser_ = kept;
  }
  return room ? result : HeadParser::Result::kTooManyFields;
}

// 414, 431, or 0 when the head (as far as it came, or as it is right) is not too large.
std::uint16_t ServerTransaction::size_refusal(HeadParser::Result result,
                                              const ServerLimits& limits) const {
  constexpr std::size_t kRestOfRequestLine = 32;  // method, version, spaces
  const std::size_t size = result == HeadParser::Result::kMore ? text_.size : parser_->seen();
  const std::size_t target = parser_->target().size;
  if (target > limits.max_target_bytes) return 414;
  if (!parser_->past_first_line()) {
    return size > limits.max_target_bytes + kRestOfRequestLine ? 414 : 0;
  }
  return size - target > limits.max_header_bytes + kRestOfRequestLine ? 431 : 0;
}

bool ServerTransaction::body_too_large(std::uint64_t more) const {
  return body_bytes_ > body_limit_ || more > body_limit_ - body_bytes_ ||
         (request_->framing == Framing::kLength && request_->content_length > body_limit_);
}

void ServerTransaction::request_moves() {
  moved_ms_ = static_cast<std::uint32_t>(connection_.stream_.loop().now_ms());
}

std::uint32_t ServerTransaction::rests_ms() const {
  return static_cast<std::uint32_t>(connection_.stream_.loop().now_ms()) - moved_ms_;
}

void ServerTransaction::read_body() {
  reading_body_ = true;
  if (body_told_) return;
  if (request_->expects_continue && !continue_sent_ && !head_sent_ && body_bytes_ == 0 &&
      connection_.rest_.empty() && !body_too_large(0)) {
    continue_sent_ = true;
    connection_.stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
    connection_.stream_.flush();
  }
  if (!body_.ended()) {
    request_moves();  // the time in which nothing was asked of the client does not count
    connection_.watch_progress();
  }
  connection_.schedule();
}

void ServerTransaction::send_informational(const ResponseHead& head) {
  if (head_sent_ || request_->minor == 0 || head.status < 100 || head.status > 199 ||
      head.status == 101) {
    return;
  }
  if (head.status == 100) {
    if (continue_sent_ || !request_->expects_continue) return;
    continue_sent_ = true;
  }
  const std::string_view text = connection_.owner_->writer_.informational(head);
  connection_.metrics().bytes_sent.add(text.size());
  connection_.stream_.write(text);
  connection_.stream_.flush();
}

bool ServerTransaction::can_keep_alive() const {
  if (!keep_alive_ || connection_.owner_->draining_) return false;
  if (body_.ended()) return true;
  const bool client_waits = request_->expects_continue && !continue_sent_;
  return !client_waits && body_.left() > 0 &&
         body_.left() <= connection_.settings().limits.max_drain_bytes;
}

AnswerFrame ServerTransaction::frame_for(const ResponseHead& head) const {
  AnswerFrame frame;
  frame.client_minor = request_.has_value() ? request_->minor : 1;
  frame.keep_alive = can_keep_alive();
  frame.https = peer_.scheme == "https";
  frame.upgrade = head.status == 101;
  if (head.status == 204 || frame.upgrade) return frame;
  if (head.status == 205) {  // RFC 9110 15.3.6
    frame.say_length = true;
    return frame;
  }
  const bool no_body = is_head_request() || head.status == 304;
  switch (head.framing) {
    case Framing::kNone:
      frame.say_length = !no_body;
      break;
    case Framing::kLength:
      frame.say_length = true;
      frame.content_length = head.content_length;
      if (!no_body && head.content_length > 0) frame.framing = OutFraming::kLength;
      break;
    case Framing::kChunked:
    case Framing::kUntilClose:
      if (no_body) break;
      frame.framing = frame.client_minor == 0 ? OutFraming::kUntilClose : OutFraming::kChunked;
      if (frame.client_minor == 0) frame.keep_alive = false;
      break;
  }
  return frame;
}

void ServerTransaction::send_head(const ResponseHead& head) {
  GW_CHECK(!head_sent_ && !finished_ && head.status <= 999 &&
           (head.status >= 200 || head.status == 101));
  base::prefetch(connection_);
  const Field* type = head.fields.find("Content-Type");
  const AnswerFrame frame = frame_for(head);
  head_sent_ = true;
  keep_alive_ = frame.keep_alive;
  framing_ = frame.framing;
  event_stream_ = type != nullptr && is_event_stream(type->value);
  answer_left_ = frame.framing == OutFraming::kLength ? frame.content_length : 0;
  const std::string_view text =
      connection_.owner_->writer_.final_answer(head, frame, connection_.settings());
  connection_.metrics().bytes_sent.add(text.size());
  connection_.stream_.write(text);
  // Its client has gone, for an answer without an end.
  if (event_stream_ && connection_.peer_ended_) connection_.schedule();
}

bool ServerTransaction::send_body(std::string_view data) {
  GW_CHECK(head_sent_ && !finished_);
  net::Stream& stream = connection_.stream_;
  if (framing_ == OutFraming::kNone || data.empty()) return true;
  if (framing_ == OutFraming::kLength && data.size() > answer_left_) {
    // Bytes behind the announced end would be read as the next answer.
    keep_alive_ = false;
    data = data.substr(0, static_cast<std::size_t>(answer_left_));
  }
  connection_.metrics().bytes_sent.add(data.size());
  bool room = true;
  if (framing_ == OutFraming::kChunked) {
    char size_line[20];
    stream.write(chunk_prefix(data.size(), size_line));
    stream.write(data);
    room = stream.write("\r\n");
  } else {
    if (framing_ == OutFraming::kLength) answer_left_ -= data.size();
    room = stream.write(data);
  }
  if (!room) want_writable_ = true;
  return room;
}

void ServerTransaction::finish() {
  GW_CHECK(head_sent_ && !finished_);
  if (framing_ == OutFraming::kLength && answer_left_ > 0) return abort();
  if (framing_ == OutFraming::kChunked) connection_.stream_.write("0\r\n\r\n");
  finished_ = true;
  sink_ = nullptr;
  connection_.schedule();
}

void ServerTransaction::abort() {
  GW_CHECK(!finished_);
  finished_ = aborted_ = true;
  sink_ = nullptr;
  connection_.schedule();
}

void ServerTransaction::detach(DetachedStream& stream) {
  GW_CHECK(head_sent_ && !finished_);
  ServerConnection& connection = connection_;
  connection.detached_ = &stream;
  connection.keep_alive_ = keep_alive_ && body_.ended();
  connection.chunked_ = framing_ == OutFraming::kChunked;
  connection.bodyless_ = framing_ == OutFraming::kNone;
  connection.full_ = false;
  connection.dropped_bytes_ = 0;
  connection.mode_ = ServerConnection::Mode::kDetached;
  connection.metrics().streams_open.add();
  connection.watch_progress();
  finished_ = true;
  sink_ = nullptr;
  stream.attached_to(connection);
  connection.schedule();
}

void ServerTransaction::tunnel(TunnelEnd& service) {
  GW_CHECK(head_sent_ && !finished_);
  ServerConnection& connection = connection_;
  const ServerLimits& limits = connection.settings().limits;
  connection.mode_ = ServerConnection::Mode::kTunnel;
  connection.timer_.cancel();
  finished_ = true;
  sink_ = nullptr;
  connection.schedule();
  Tunnel::start(connection, service, {limits.tunnel_idle_timeout_ms, limits.write_timeout_ms},
                connection.metrics());
}

}  // namespace gw::http
