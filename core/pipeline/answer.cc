// SPDX-License-Identifier: Apache-2.0
//
// Exchange: answers, whoever gave them: the filters' part in head and body, and the way to the
// client.
#include <utility>

#include "http/error_answer.h"
#include "pipeline/dispatcher.h"
#include "pipeline/exchange.h"
#include "pipeline/stream.h"

namespace gw::pipeline {

namespace {

constexpr std::size_t kArenaBody = 16 * 1024;  // larger local bodies leave the arena alone

std::string_view view(gw_str text) {
  return {text.ptr, static_cast<std::size_t>(text.len)};
}

bool is_final(std::uint32_t status) {
  return status >= 200 && status <= 599;
}

}  // namespace

// ---- Taken from plugins

// Answering is for the phases before an answer leaves. A request's body filter may come too late,
// which is nobody's fault.
bool Exchange::may_reply() {
  if (call_.replied) call_.replied_twice = true;
  switch (call_.phase) {
    case Phase::kRequestHead:
    case Phase::kChoose:
    case Phase::kResponseHead:
      return !call_.replied;
    case Phase::kRequestBody:
      if (answer_begun_) call_.too_late = true;
      return !call_.replied && !answer_begun_;
    case Phase::kNone:
    case Phase::kResponseBody:
    case Phase::kNotice:
      break;
  }
  return false;
}

gw_status Exchange::make_head(std::uint32_t status, const gw_header* headers, std::uint32_t count,
                              http::ResponseHead*& out) {
  if (!is_final(status)) return GW_INVALID;
  if (count > http::FieldList::kMost) return GW_LIMIT;
  auto* head = arena().make<http::ResponseHead>(arena());
  if (head == nullptr) return GW_LIMIT;
  head->status = static_cast<std::uint16_t>(status);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string_view name = view(headers[i].name), value = view(headers[i].value);
    if (!http::is_field_name(name) || http::is_framing_name(name) ||
        !http::is_received_value(value))
      return GW_INVALID;
    const std::string_view name_copy = arena().copy(name), value_copy = arena().copy(value);
    if (name_copy.data() == nullptr || (!value.empty() && value_copy.data() == nullptr) ||
        !head->fields.add(name_copy, value_copy))
      return GW_LIMIT;
  }
  out = head;
  return GW_OK;
}

gw_status Exchange::keep_body(std::string_view body, std::string_view& kept) {
  if (body.size() > dispatcher_.options_.max_reply_bytes) return GW_LIMIT;
  if (body.size() > kArenaBody) {
    large_body_ = std::make_unique<std::string>(body);
    kept = *large_body_;
    return GW_OK;
  }
  kept = arena().copy(body);
  return body.empty() || kept.data() != nullptr ? GW_OK : GW_LIMIT;
}

gw_status Exchange::reply(std::uint32_t status, const gw_header* headers, std::uint32_t count,
                          std::string_view body) {
  if (!may_reply()) return GW_WRONG_STATE;
  http::ResponseHead* head = nullptr;
  std::string_view kept;
  gw_status result = make_head(status, headers, count, head);
  if (result == GW_OK) result = keep_body(body, kept);
  if (result != GW_OK) return result;
  response_ = head;
  local_body_ = kept;
  source_ = Source::kLocal;
  error_code_ = {};
  call_.replied = true;
  return GW_OK;
}

gw_status Exchange::fail(std::uint32_t status, std::string_view code, std::string_view message,
                         const gw_header* headers, std::uint32_t count) {
  if (!may_reply()) return GW_WRONG_STATE;
  http::ResponseHead* head = nullptr;
  const gw_status result = make_head(status, headers, count, head);
  if (result != GW_OK) return result;
  const std::string_view kept_code = arena().copy(code);
  const std::string_view body = envelope(status, kept_code, message);
  if (body.empty()) return GW_LIMIT;
  head->fields.remove("Content-Type");
  if (!head->fields.add("Content-Type", http::kErrorContentType)) return GW_LIMIT;
  response_ = head;
  local_body_ = body;
  source_ = Source::kLocal;
  error_code_ = kept_code;
  call_.replied = true;
  return GW_OK;
}

gw_status Exchange::begin_stream(std::uint32_t status, const gw_header* headers,
                                 std::uint32_t count, const gw_stream_events* events, void* owner,
                                 gw_stream** out) {
  if (!may_reply()) return GW_WRONG_STATE;
  if (events == nullptr || out == nullptr) return GW_INVALID;
  http::ResponseHead* head = nullptr;
  const gw_status result = make_head(status, headers, count, head);
  if (result != GW_OK) return result;
  head->framing = http::Framing::kChunked;
  response_ = head;
  source_ = Source::kStream;
  error_code_ = {};
  call_.replied = true;
  replaced_stream_ = stream_;
  stream_ = new gw_stream(dispatcher_, *call_.use, events, owner);
  *out = stream_;
  return GW_OK;
}

gw_status Exchange::set_status(std::uint32_t status) {
  if (call_.phase != Phase::kResponseHead || response_ == nullptr) return GW_WRONG_STATE;
  if (response_->status == 101) return GW_WRONG_STATE;  // the service has left HTTP
  if (!is_final(status)) return GW_INVALID;
  if (response_->status == 304 && status != 304) response_->content_length = 0;  // no body follows
  response_->status = static_cast<std::uint16_t>(status);
  response_->reason = {};
  return GW_OK;
}

// ---- The host's own answers

std::string_view Exchange::envelope(std::uint32_t status, std::string_view code,
                                    std::string_view message) {
  std::string_view words = message;
  if (const TextSource* catalogue = texts()) {
    const http::Field* language = request().fields.find("Accept-Language");
    words =
        catalogue->text(code, language != nullptr ? language->value : std::string_view(), message);
  }
  http::ErrorAnswer error;
  error.status = status;
  error.code = code;
  error.message = words;
  error.path = asked_path_;
  const std::string_view trace_id = attributes_.get(kTraceId);
  error.request_id = trace_id.empty() ? request().request_id : trace_id;
  error.wall_ms = dispatcher_.environment_.clock.wall_ms();
  return http::error_body(error, arena());
}

// `code` is a constant.
void Exchange::make_error(std::uint32_t status, std::string_view code) {
  source_ = Source::kLocal;
  error_code_ = code;
  http::ResponseHead* head = nullptr;
  if (make_head(status, nullptr, 0, head) == GW_OK) {
    response_ = head;
    local_body_ = envelope(status, code, {});
    if (!local_body_.empty()) (void)response_->fields.add("Content-Type", http::kErrorContentType);
  } else {  // a plugin filled the arena: no words, but the right status
    spare_head_ = std::make_unique<http::ResponseHead>(arena());
    response_ = spare_head_.get();
    response_->status = static_cast<std::uint16_t>(status);
    local_body_ = {};
  }
}

void Exchange::answer_error(std::uint32_t from, std::uint32_t status, std::string_view code) {
  make_error(status, code);
  answer_local(from);
}

// ---- The answer's head

// An answer that did not come from the upstream, on its way from the filter (or the host) at
// `from`.
void Exchange::answer_local(std::uint32_t from) {
  cancel_upstream();
  stop_request_side();
  drop_streams();
  answer_begun_ = true;
  walk_response_heads(from);
}

void Exchange::walk_response_heads(std::uint32_t from) {
  response_from_ = from;
  for (std::uint32_t step = from; step-- > 0;) {
    const FilterStep& now = filter(step);
    if (now.api.on_response_head == nullptr) continue;
    enter(Phase::kResponseHead, step, now.use);
    const Verdict verdict = leave(now.api.on_response_head(now.part, this, slot(step)));
    if (verdict == Verdict::kContinue) continue;
    response_from_ = step;
    cancel_upstream();
    stop_request_side();
    if (verdict != Verdict::kReplied) make_error(500, "INTERNAL_SERVER_ERROR");
    drop_streams();
  }
  send_answer();
}

// Streams whose answer was replaced. Not inside the callback that replaced it: their owners hear.
void Exchange::drop_streams() {
  if (replaced_stream_ != nullptr)
    std::exchange(replaced_stream_, nullptr)->close(GW_STREAM_SERVER_STOP);
  if (stream_ != nullptr && source_ != Source::kStream)
    std::exchange(stream_, nullptr)->close(GW_STREAM_SERVER_STOP);
}

void Exchange::send_answer() {
  const std::uint16_t status = response_->status;
  bodyless_ = request().method == "HEAD" || status == 204 || status == 205 || status == 304;
  if (source_ == Source::kStream) return send_stream();
  if (status == 101) return send_upgrade();
  if (chain_ != nullptr && chain_->response_body_filters) {
    for (std::uint32_t step = response_from_; step-- > 0;)
      if (filter(step).api.on_response_body != nullptr) response_pipe_.add(step);
  }
  if (source_ == Source::kLocal) return send_local();
  send_head();
  if (bodyless_ && upstream_->body_follows()) {
    // The client has all of its answer: what the service goes on to say is for nobody.
    cancel_upstream();
    stop_request_side();
    return take_answer_body({}, true);
  }
  steer_upstream_reading();
}

void Exchange::send_head() {
  head_sent_ = true;
  transaction_->send_head(*response_);
}

void Exchange::send_local() {
  response_->framing = http::Framing::kLength;
  response_->content_length = local_body_.size();
  send_head();
  if (response_pipe_.empty()) {
    send_client(local_body_);
    return finish();
  }
  const std::string_view body = bodyless_ ? std::string_view() : local_body_;
  after_response_pipe(response_pipe_->push(response_filters_, body, true));
}

// The exchange is over when its stream begins: everybody hears, and only socket and owner are left.
void Exchange::send_stream() {
  send_head();
  if (bodyless_) {
    gw_stream* stream = std::exchange(stream_, nullptr);
    finish();
    return stream->close(GW_STREAM_CLIENT_GONE);
  }
  complete(false, true);
  gw_stream* stream = std::exchange(stream_, nullptr);
  stream->attach(*release());
}

// As for a stream: everybody hears, and only the two sockets are left.
void Exchange::send_upgrade() {
  send_head();
  http::TunnelEnd& service = std::exchange(upstream_, nullptr)->upgrade();
  complete(false, true);
  release()->tunnel(service);
}

// ---- The answer's body

Verdict Exchange::ResponseFilters::deliver(std::uint32_t step, std::string_view data, bool last,
                                           std::uint64_t& consumed) {
  const FilterStep& now = exchange.filter(step);
  exchange.enter(Phase::kResponseBody, step, now.use);
  return exchange.leave(now.api.on_response_body(now.part, &exchange, exchange.slot(step),
                                                 {data.data(), data.size()}, last, &consumed));
}

void Exchange::after_response_pipe(BodyPipe::State state) {
  switch (state) {
    case BodyPipe::State::kMisused:
      if (response_pipe_->misuse() != nullptr)
        misuse(filter(response_pipe_->step()).use, kMisuseBody, response_pipe_->misuse());
      return abort();
    case BodyPipe::State::kReplied:
      return abort();
    case BodyPipe::State::kDone:
      return finish();
    case BodyPipe::State::kOpen:
    case BodyPipe::State::kPaused:
      return steer_upstream_reading();
  }
}

void Exchange::send_client(std::string_view data) {
  if (data.empty() || bodyless_) return;
  response_body_bytes_ += data.size();
  if (!transaction_->send_body(data)) client_blocked_ = true;
}

void Exchange::on_client_writable() {
  client_blocked_ = false;
  steer_upstream_reading();
}

}  // namespace gw::pipeline
