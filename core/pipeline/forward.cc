// SPDX-License-Identifier: Apache-2.0
//
// Exchange: its way to the upstream: attempts, the request's body, and what comes back.
#include <utility>

#include "http/error_answer.h"
#include "pipeline/dispatcher.h"
#include "pipeline/exchange.h"

namespace gw::pipeline {

namespace {

std::uint32_t or_default(std::uint32_t value, std::uint32_t fallback) {
  return value != 0 ? value : fallback;
}

std::string_view view(gw_str text) {
  return {text.ptr, static_cast<std::size_t>(text.len)};
}

constexpr std::size_t kMostAddressBytes = 1024;

}  // namespace

// ---- Attempts

void Exchange::start_attempt(const gw_attempt* previous) {
  gw_endpoint endpoint{};
  if (!choose(previous, endpoint)) return;
  const std::uint64_t limit =
      endpoint.body_limit != 0 ? endpoint.body_limit : dispatcher_.options_.body_limit;
  transaction_->set_body_limit(limit);
  if (request().framing == http::Framing::kLength && request().content_length > limit) {
    transaction_->note_body_too_large();
    return answer_error(filter_count(), 413, http::usual_error_code(413));
  }
  dispatcher_.metrics_.attempts.add();
  if (previous != nullptr) dispatcher_.metrics_.attempts_repeated.add();
  attempt_open_ = true;
  stale_repeated_ = false;
  aim(endpoint);
  attempt_began_ns_ = now_ns();
  if (++attempts_ == 1) first_attempt_ns_ = attempt_began_ns_;
  if ((endpoint.flags & GW_ENDPOINT_TLS) != 0) {
    // Sending in the clear what should be secret is worse than not sending it.
    if (dispatcher_.upstream_log_.allows(now_ns()))
      dispatcher_.upstream_log_.write(dispatcher_.environment_.log, base::LogLevel::kError,
                                      "pipeline",
                                      "upstream " + std::string(target_.address) +
                                          " asks for TLS, which is not spoken to upstreams");
    return attempt_failed(GW_ATTEMPT_REFUSED, false);
  }
  start_call();
}

// Asks the router. False: there is no endpoint, and the exchange is answered.
bool Exchange::choose(const gw_attempt* previous, gw_endpoint& endpoint) {
  const RouterStep& router = *chain_->router;
  const std::uint32_t step = filter_count();
  if (!std::exchange(router_entered_, true)) ++router.use->exchanges;
  endpoint.struct_size = sizeof endpoint;
  enter(Phase::kChoose, step, router.use);
  Verdict verdict = leave(router.api.choose(router.part, this, slot(step), previous, &endpoint));
  if (verdict == Verdict::kContinue &&
      (endpoint.address.len == 0 || endpoint.address.len > kMostAddressBytes))
    verdict = misuse(router.use, kMisuseVerdict, "chose an endpoint without an address");
  if (verdict == Verdict::kContinue) return true;
  if (verdict == Verdict::kReplied) {
    answer_local(step);
  } else {
    answer_error(step, 500, "INTERNAL_SERVER_ERROR");
  }
  return false;
}

void Exchange::aim(const gw_endpoint& endpoint) {
  const DispatcherOptions& options = dispatcher_.options_;
  endpoint_token_ = endpoint.token;
  target_.address = view(endpoint.address);
  target_.host = view(endpoint.host);
  if (target_.host.empty())
    target_.host = target_.address.starts_with("unix:") ? "localhost" : target_.address;
  if ((endpoint.flags & GW_ENDPOINT_PRESERVE_HOST) != 0) target_.host = request().authority;
  target_.connect_timeout_ms = or_default(endpoint.connect_timeout_ms, options.connect_timeout_ms);
  target_.response_timeout_ms =
      or_default(endpoint.response_timeout_ms, options.response_timeout_ms);
  target_.idle_timeout_ms = or_default(endpoint.idle_timeout_ms, options.idle_timeout_ms);
}

void Exchange::start_call() {
  target_.fresh_connection = stale_repeated_;
  upstream_ready_ = upstream_paused_ = false;
  upstream_sent_all_ = !has_body();
  upstream_ = dispatcher_.environment_.upstream.start(target_, request(), arena(), upstream_side_);
  if (!upstream_sent_all_) {
    // An empty write asks to be told when the connection stands.
    upstream_ready_ = upstream_->can_send() || upstream_->send_body({});
    steer_client_reading();
  }
}

void Exchange::settle_attempt(std::int32_t result, std::uint32_t status) {
  if (!std::exchange(attempt_open_, false)) return;
  const RouterStep& router = *chain_->router;
  last_attempt_ = {};
  last_attempt_.struct_size = sizeof last_attempt_;
  last_attempt_.number = attempts_;
  last_attempt_.result = result;
  last_attempt_.status = status;
  last_attempt_.token = endpoint_token_;
  last_attempt_.duration_ns = now_ns() - attempt_began_ns_;
  if (router.api.outcome == nullptr) return;
  enter(Phase::kNotice, filter_count(), router.use);
  router.api.outcome(router.part, this, slot(filter_count()), &last_attempt_);
  (void)leave(GW_CONTINUE);
}

void Exchange::cancel_upstream() {
  settle_attempt(GW_ATTEMPT_ABANDONED, 0);
  if (upstream_ != nullptr) std::exchange(upstream_, nullptr)->cancel();
}

// Nothing that the next attempt needs may be lost, and nothing be done twice.
bool Exchange::may_repeat(bool bytes_sent) const {
  return !body_begun_ && (!bytes_sent || http::is_idempotent(request_->method));
}

void Exchange::attempt_failed(std::int32_t result, bool bytes_sent) {
  settle_attempt(result, 0);
  dispatcher_.metrics_.attempts_failed.add();
  if (!may_repeat(bytes_sent) || attempts_ >= dispatcher_.options_.max_attempts)
    return answer_failure(result);
  const gw_attempt previous = last_attempt_;
  start_attempt(&previous);
}

void Exchange::answer_failure(std::int32_t result) {
  switch (result) {
    case GW_ATTEMPT_CONNECT_TIMEOUT:
    case GW_ATTEMPT_RESPONSE_TIMEOUT:
      return answer_error(filter_count(), 504, "EXTERNAL_API_TIMEOUT");
    case GW_ATTEMPT_OVERLOADED:
      make_error(503, "SERVICE_UNAVAILABLE");
      if (dispatcher_.options_.retry_after_seconds > 0) {
        const std::string_view seconds =
            arena().copy(std::to_string(dispatcher_.options_.retry_after_seconds));
        if (!seconds.empty()) (void)response_->fields.add("Retry-After", seconds);
      }
      return answer_local(filter_count());
    default:
      return answer_error(filter_count(), 502, "EXTERNAL_API_ERROR");
  }
}

void Exchange::on_upstream_failed(const http::UpstreamFailureInfo& info) {
  upstream_ = nullptr;
  upstream_ready_ = false;
  if (reading_client_) {
    reading_client_ = false;
    transaction_->pause_body();
  }
  const bool stale = info.stale_connection && may_repeat(info.request_bytes_sent);
  if (stale && !answer_begun_ && !std::exchange(stale_repeated_, true)) {
    dispatcher_.metrics_.stale_repeated.add();
    return start_call();
  }
  if (dispatcher_.upstream_log_.allows(now_ns()))
    dispatcher_.upstream_log_.write(
        dispatcher_.environment_.log, base::LogLevel::kWarn, "pipeline",
        "upstream " + std::string(target_.address) + ": " + std::string(info.detail));
  if (answer_begun_) return abort();  // the client must see that the rest does not come
  attempt_failed(static_cast<std::int32_t>(info.failure), info.request_bytes_sent);
}

// ---- The request's body

void Exchange::send_upstream(std::string_view data, bool last) {
  if (upstream_ == nullptr) return;
  if (!data.empty() && !upstream_->send_body(data)) upstream_ready_ = false;
  if (!last) return;
  upstream_sent_all_ = true;
  upstream_->finish_body();
}

void Exchange::on_upstream_writable() {
  upstream_ready_ = true;
  steer_client_reading();
}

// ---- What comes back

void Exchange::on_upstream_informational(const http::ResponseHead& head) {
  // 100 is this gateway's own to give, 101 the end of HTTP, and HTTP/1.0 knows neither.
  if (answer_begun_ || head.status < 102 || head.status > 199 || request().minor == 0) return;
  transaction_->send_informational(head);
}

void Exchange::on_upstream_head(http::ResponseHead& head) {
  __builtin_prefetch(slots_);
  settle_attempt(GW_ATTEMPT_ANSWERED, head.status);
  response_ = &head;
  source_ = Source::kUpstream;
  answer_begun_ = true;
  // Where the upstream's body ends is known here, so the client's connection can stay.
  if (response_->framing == http::Framing::kUntilClose)
    response_->framing = http::Framing::kChunked;
  const RouterStep& router = *chain_->router;
  const std::uint32_t step = filter_count();
  if (router.api.on_response_head != nullptr) {
    enter(Phase::kResponseHead, step, router.use);
    const Verdict verdict = leave(router.api.on_response_head(router.part, this, slot(step)));
    if (verdict == Verdict::kReplied) return answer_local(step);
    if (verdict != Verdict::kContinue) return answer_error(step, 500, "INTERNAL_SERVER_ERROR");
  }
  walk_response_heads(step);
}

void Exchange::on_upstream_body(std::string_view data, bool last) {
  if (last) {
    // An answer that is whole before the request is sent: the rest of the request is not wanted.
    if (upstream_sent_all_) {
      upstream_ = nullptr;
    } else {
      cancel_upstream();
      stop_request_side();
    }
  }
  take_answer_body(data, last);
}

void Exchange::take_answer_body(std::string_view data, bool last) {
  if (!response_pipe_.empty())
    return after_response_pipe(response_pipe_->push(response_filters_, data, last));
  send_client(data);
  if (last) return finish();
  steer_upstream_reading();
}

void Exchange::steer_upstream_reading() {
  if (upstream_ == nullptr) return;
  const bool pause = client_blocked_ || response_pause_.armed() || response_pipe_.full();
  if (pause == upstream_paused_) return;
  upstream_paused_ = pause;
  pause ? upstream_->pause_reading() : upstream_->resume_reading();
}

}  // namespace gw::pipeline
