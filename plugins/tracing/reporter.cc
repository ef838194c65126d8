// SPDX-License-Identifier: Apache-2.0
#include "reporter.h"

namespace gw::tracing {

Reporter::Reporter(Context context, Worker worker, const ReporterOptions& options)
    : context_(context), worker_(worker), options_(options) {
  if (options.endpoint.empty()) return;
  static const gw_str kLabel = str("result");
  const gw_family family{sizeof(gw_family),
                         GW_COUNTER,
                         str("gateway_trace_spans_total"),
                         str("Spans of traces, by what became of them"),
                         &kLabel,
                         1,
                         0,
                         nullptr};
  constexpr std::string_view kResults[] = {"reported", "failed", "full"};
  for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i] = worker.cell(family, {kResults[i]});
}

void Reporter::add(const Span& span) {
  if (options_.endpoint.empty()) return;
  const std::size_t before = waiting_.size();
  waiting_ += waiting_spans_ == 0 ? '[' : ',';
  append_json(waiting_, span);
  if (waiting_.size() >= options_.max_buffer_bytes) {  // the closing ']' must fit
    waiting_.resize(before);
    return count(kFull, 1);
  }
  ++waiting_spans_;
  schedule();
}

// A Zipkin that is away is not asked more often because much happens.
void Reporter::schedule() {
  if (call_.get() != nullptr || waiting_spans_ == 0) return;
  if (waiting_.size() >= kBatchBytes && !away_) return send();
  if (!timer_.active()) timer_.start(worker_, options_.interval_ms, [this] { send(); });
}

void Reporter::send() {
  if (call_.get() != nullptr || waiting_spans_ == 0) return;
  timer_.cancel();
  waiting_ += ']';
  // Without the header a Zipkin that is traced itself, or a proxy before it, would trace this too.
  const gw_header headers[] = {{str("Content-Type"), str("application/json")},
                               {str("b3"), str("0")}};
  gw_call_request request{};
  request.struct_size = sizeof request;
  request.timeout_ms = options_.timeout_ms;
  request.connect_timeout_ms = kConnectTimeoutMs;
  request.method = str("POST");
  request.url = str(options_.endpoint);
  request.headers = headers;
  request.header_count = 2;
  request.body = str(waiting_);
  request.max_answer_bytes = kMostAnswerBytes;
  gw_ticket* ticket = tables.call->call(worker_.raw(), &request, &Reporter::answered, this);
  sent_spans_ = std::exchange(waiting_spans_, 0);
  waiting_.clear();
  if (ticket == nullptr) return finish(false, "the endpoint is not a usable URL");
  call_ = Ticket(ticket, tables.call->cancel);
}

void Reporter::answered(void* user, const gw_call_answer* answer) {
  auto* self = static_cast<Reporter*>(user);
  self->call_.release();
  try {
    if (answer->status != GW_OK) return self->finish(false, view(answer->error));
    const bool taken = answer->http_status >= 200 && answer->http_status < 300;
    self->finish(taken, taken ? "" : "it answered " + std::to_string(answer->http_status));
  } catch (...) {  // out of memory: later spans go on
  }
}

void Reporter::finish(bool taken, std::string_view why) {
  count(taken ? kReported : kFailed, sent_spans_);
  if (std::exchange(away_, !taken) != away_) {
    if (taken) context_.log(GW_INFO, "Zipkin takes spans again");
    if (!taken)
      context_.log(GW_WARN, "Zipkin does not take spans, which are dropped: " + std::string(why));
  }
  if (drained_ && (away_ || waiting_spans_ == 0)) return std::exchange(drained_, nullptr)();
  drained_ ? send() : schedule();
}

void Reporter::drain(std::function<void()> done) {
  if (call_.get() == nullptr && waiting_spans_ == 0) return done();
  drained_ = std::move(done);
  send();
}

void Reporter::count(Result result, std::uint32_t spans) {
  tables.metrics->add(cells_[result], spans);
}

}  // namespace gw::tracing
