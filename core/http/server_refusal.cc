// SPDX-License-Identifier: Apache-2.0
//
// ServerConnection: the answers that it gives by itself.
#include <algorithm>
#include <string>
#include <utility>

#include "http/error_answer.h"
#include "http/request_reader.h"
#include "http/server_connection.h"

namespace gw::http {

namespace {

constexpr std::size_t kMostEchoedTarget = 1024;

Counter& counter_of(std::uint16_t status, HttpMetrics& metrics) {
  switch (status) {
    case 408:
      return metrics.requests_timed_out;
    case 413:
    case 414:
    case 431:
      return metrics.requests_too_large;
    default:
      return metrics.requests_malformed;
  }
}

}  // namespace

// What the gateway itself can do, for who asks it and no service.
void ServerConnection::answer_options() {
  ResponseHead head(transaction_->arena_);
  head.status = 200;
  head.framing = Framing::kLength;
  (void)head.fields.add("Allow", kServedMethods);
  transaction_->send_head(head);
  transaction_->finish();
}

// The body cannot be read on; the client gets an answer, if none has begun.
void ServerConnection::body_failed(std::uint16_t status, std::string_view problem) {
  ServerTransaction& t = *transaction_;
  t.keep_alive_ = false;
  t.refused_ = t.body_told_ = true;
  if (!t.head_sent_ && t.sink_->on_body_failed(status)) return note_refusal(status, problem);
  std::exchange(t.sink_, nullptr)->on_aborted();
  if (t.head_sent_) {
    note_refusal(status, problem);
    return close(true);
  }
  refuse(status, problem);
}

void ServerConnection::note_refusal(std::uint16_t status, std::string_view problem) {
  counter_of(status, metrics()).add();
  owner_->complain(owner_->request_log_, base::LogLevel::kInfo, [&] {
    constexpr std::size_t kMostPathBytes = 200;
    char address[net::Address::kTextBytes];
    std::string line = "ended a request of " + std::string(peer_.host_text(address)) + ": " +
                       std::to_string(status) + ", " + std::string(problem);
    if (transaction_ == nullptr || !transaction_->request_.has_value()) return line;
    const RequestHead& head = *transaction_->request_;
    if (head.path.empty()) return line;
    return line + " (" + std::string(head.method) + " " +
           std::string(head.path.substr(0, kMostPathBytes)) + ")";
  });
}

// "`what` of 192.0.2.1: `why`", for what ends or rests without an answer.
void ServerConnection::complain(base::LogLimit& limit, base::LogLevel level, const char* what,
                                const char* why) {
  owner_->complain(limit, level, [&] {
    char address[net::Address::kTextBytes];
    return what + (" of " + std::string(peer_.host_text(address))) + ": " + why;
  });
}

void ServerTransaction::note_body_too_large() {
  connection_.note_refusal(413, "too large a body");
}

void ServerConnection::refuse(std::uint16_t status, std::string_view problem) {
  ServerTransaction& t = *transaction_;
  note_refusal(status, problem);
  mode_ = Mode::kServing;
  t.keep_alive_ = false;
  t.refused_ = true;
  const std::string_view body = refusal_body(status);
  ResponseHead head(t.arena_);
  head.status = status;
  head.framing = Framing::kLength;
  head.content_length = body.size();
  (void)head.fields.add("Content-Type", kErrorContentType);
  t.send_head(head);
  t.send_body(body);
  t.finish();
}

std::string_view ServerConnection::refusal_body(std::uint16_t status) {
  ServerTransaction& t = *transaction_;
  ErrorAnswer error;
  error.status = status;
  error.code = usual_error_code(status);
  error.wall_ms = owner_->environment_.clock.wall_ms();
  std::string_view language;
  if (t.request_.has_value()) {
    error.request_id = t.request_->request_id;
    if (const Field* field = t.request_->fields.find("Accept-Language")) language = field->value;
    error.path = t.request_->path;
  }
  const std::string_view text = t.text_.view();
  const HeadParser::Span target = t.parser_ == nullptr ? HeadParser::Span() : t.parser_->target();
  if (error.path.empty() && target.offset < text.size()) {
    const std::string_view raw =
        text.substr(target.offset, std::min<std::size_t>(target.size, kMostEchoedTarget));
    error.path = raw.substr(0, raw.find('?'));
  }
  if (settings().text) error.message = settings().text(error.code, language);
  return error_body(error, t.arena_);
}

}  // namespace gw::http
