// SPDX-License-Identifier: Apache-2.0
//
// Exchange: its beginning, the request's way through the filters, and its end.
#include "pipeline/exchange.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "http/canonical_path.h"
#include "http/error_answer.h"
#include "pipeline/dispatcher.h"

namespace gw::pipeline {

Exchange::Exchange(Dispatcher& dispatcher)
    : dispatcher_(dispatcher), checks_thread_(dispatcher.options_.abort_on_misuse) {
  request_pause_.ended = response_pause_.ended = &Exchange::pause_ended;
  request_pause_.user = response_pause_.user = this;
}

// ---- Beginning

void Exchange::reset(http::Transaction& transaction, WorkerGeneration* generation) {
  transaction_ = &transaction;
  request_ = &transaction.request();
  generation_ = generation;
  chain_ = nullptr;
  slots_ = nullptr;
  attributes_.reset();
  call_ = {};
  entered_ = 0;
  router_entered_ = request_over_ = body_begun_ = body_ended_ = reading_client_ = false;
  request_body_bytes_ = response_body_bytes_ = 0;
  upstream_ = nullptr;
  attempts_ = 0;
  attempt_open_ = stale_repeated_ = upstream_ready_ = upstream_sent_all_ = upstream_paused_ = false;
  response_ = nullptr;
  source_ = Source::kNone;
  local_body_ = error_code_ = {};
  stream_ = replaced_stream_ = nullptr;
  response_from_ = 0;
  head_sent_ = answer_begun_ = bodyless_ = client_blocked_ = false;
}

void Exchange::begin(http::Transaction& transaction, WorkerGeneration* generation) {
  reset(transaction, generation);
  asked_path_ = request().path;
  transaction.set_sink(&client_side_);
  transaction.set_body_limit(dispatcher_.options_.body_limit);
  if (generation != nullptr) chain_ = generation->find(request(), transaction.peer());
  body_ended_ = !has_body();
  if (chain_ == nullptr) {
    dispatcher_.metrics_.unmatched.add();
    answer_error(0, 404, "ENDPOINT_NOT_FOUND");
  } else if (!make_slots()) {
    answer_error(0, 500, "INTERNAL_SERVER_ERROR");
  } else {
    walk_request_heads();
  }
}

bool Exchange::make_slots() {
  const std::size_t bytes = (chain_->filters.size() + 1) * sizeof(void*);
  void* memory = arena().try_allocate(bytes);
  if (memory == nullptr) return false;
  std::memset(memory, 0, bytes);
  slots_ = static_cast<void**>(memory);
  return true;
}

std::uint64_t Exchange::now_ns() const {
  return dispatcher_.environment_.clock.monotonic_ns();
}

bool Exchange::has_body() const {
  return request_->framing == http::Framing::kChunked ||
         (request_->framing == http::Framing::kLength && request_->content_length > 0);
}

// ---- Request

void Exchange::walk_request_heads() {
  while (entered_ < filter_count()) {
    const std::uint32_t step = entered_++;
    const FilterStep& now = filter(step);
    ++now.use->exchanges;
    enter(Phase::kRequestHead, step, now.use);
    switch (leave(now.api.on_request_head(now.part, this, slot(step)))) {
      case Verdict::kContinue:
        continue;
      case Verdict::kPause:
        return;
      case Verdict::kReplied:
        return answer_local(step);
      case Verdict::kMisuse:
        return answer_error(step, 500, "INTERNAL_SERVER_ERROR");
    }
  }
  after_request_heads();
}

void Exchange::after_request_heads() {
  if (chain_->request_body_filters) {
    for (std::uint32_t i = 0; i < filter_count(); ++i)
      if (filter(i).api.on_request_body != nullptr) request_pipe_.add(i);
    // A body that is empty ends before anything goes upstream, so that a filter's no comes in time.
    if (body_ended_) return run_request_pipe(request_pipe_->push(request_filters_, {}, true));
  }
  if (chain_->router) return start_attempt(nullptr);
  if (request_pipe_.empty()) return answer_error(filter_count(), 404, "ENDPOINT_NOT_FOUND");
  steer_client_reading();
}

Verdict Exchange::RequestFilters::deliver(std::uint32_t step, std::string_view data, bool last,
                                          std::uint64_t& consumed) {
  const FilterStep& now = exchange.filter(step);
  exchange.enter(Phase::kRequestBody, step, now.use);
  return exchange.leave(now.api.on_request_body(now.part, &exchange, exchange.slot(step),
                                                {data.data(), data.size()}, last, &consumed));
}

void Exchange::run_request_pipe(BodyPipe::State state) {
  switch (state) {
    case BodyPipe::State::kMisused:
      if (request_pipe_->misuse() != nullptr)
        misuse(filter(request_pipe_->step()).use, kMisuseBody, request_pipe_->misuse());
      if (answer_begun_) return abort();
      return answer_error(request_pipe_->step(), 500, "INTERNAL_SERVER_ERROR");
    case BodyPipe::State::kReplied:
      // Its no came after the upstream had answered: the request's body must not go on, and the
      // answer cannot be taken back.
      if (answer_begun_) return abort();
      return answer_local(request_pipe_->step());
    case BodyPipe::State::kDone:
      if (!chain_->router) return answer_error(filter_count(), 404, "ENDPOINT_NOT_FOUND");
      if (attempts_ == 0) return start_attempt(nullptr);
      return;
    case BodyPipe::State::kOpen:
    case BodyPipe::State::kPaused:
      return steer_client_reading();
  }
}

void Exchange::on_client_body(std::string_view data, bool last) {
  if (request_over_ || body_ended_) return;
  body_begun_ = true;
  request_body_bytes_ += data.size();
  if (last) {
    body_ended_ = true;
    reading_client_ = false;
  }
  if (!request_pipe_.empty())
    return run_request_pipe(request_pipe_->push(request_filters_, data, last));
  send_upstream(data, last);
  steer_client_reading();
}

bool Exchange::on_client_body_failed(std::uint16_t status) {
  if (answer_begun_) return false;
  body_ended_ = true;
  answer_error(filter_count(), status, http::usual_error_code(status));
  return true;
}

// Body bytes are only asked for when there is somewhere to put them.
void Exchange::steer_client_reading() {
  const bool taken = chain_->router ? upstream_ != nullptr && upstream_ready_ : true;
  const bool wanted =
      !request_over_ && !body_ended_ && taken && !request_pause_.armed() && !request_pipe_.full();
  if (wanted == reading_client_) return;
  reading_client_ = wanted;
  wanted ? transaction_->read_body() : transaction_->pause_body();
}

void Exchange::stop_request_side() {
  request_over_ = true;
  dispatcher_.wakes_->disarm(request_pause_);
  if (reading_client_) transaction_->pause_body();
  reading_client_ = false;
}

// ---- End

void Exchange::on_client_gone() {
  cancel_upstream();
  count_end(false);
  complete(true, false);
  release();
}

void Exchange::finish() {
  cancel_upstream();
  count_end(head_sent_ && response_->status >= 500);
  complete(false, false);
  release()->finish();
}

void Exchange::abort() {
  dispatcher_.metrics_.answers_broken.add();
  cancel_upstream();
  count_end(true);
  complete(true, false);
  release()->abort();
}

// For who compares generations. Detached streams and tunnels count for nothing.
void Exchange::count_end(bool failed) {
  if (generation_ == nullptr || generation_->tally == nullptr) return;
  generation_->tally->ended.add();
  if (failed) generation_->tally->failed.add();
}

// Everybody who was called hears the outcome, the last one first.
void Exchange::complete(bool aborted, bool streaming) {
  dispatcher_.wakes_->disarm(request_pause_);
  dispatcher_.wakes_->disarm(response_pause_);
  gw_outcome outcome{};
  outcome.struct_size = sizeof outcome;
  outcome.status = head_sent_ ? response_->status : 0;
  outcome.duration_ns = now_ns() - transaction_->started_ns();
  outcome.request_body_bytes = request_body_bytes_;
  outcome.response_body_bytes = response_body_bytes_;
  outcome.aborted = aborted;
  outcome.streaming = streaming;
  outcome.error_code = {error_code_.data(), error_code_.size()};
  if (attempts_ != 0)
    outcome.upstream_ns =
        std::max<std::uint64_t>(first_attempt_ns_ - transaction_->started_ns(), 1);
  auto tell = [&](const auto& step, std::uint32_t index) {
    if (step.api.on_complete != nullptr) {
      enter(Phase::kNotice, index, step.use);
      step.api.on_complete(step.part, this, slot(index), &outcome);
      (void)leave(GW_CONTINUE);
    }
    if (--step.use->exchanges == 0 && step.use->idle() && step.use->on_idle != nullptr)
      step.use->on_idle(step.use->user);
  };
  if (router_entered_) tell(*chain_->router, filter_count());
  while (entered_ > 0) {
    --entered_;
    tell(filter(entered_), entered_);
  }
}

// The transaction for one last call; the exchange belongs to the dispatcher again.
http::Transaction* Exchange::release() {
  request_pipe_.reset();
  response_pipe_.reset();
  spare_head_.reset();
  large_body_.reset();
  http::Transaction* transaction = transaction_;
  WorkerGeneration* generation = generation_;
  transaction_ = nullptr;
  generation_ = nullptr;
  Dispatcher& dispatcher = dispatcher_;  // this may be destroyed
  dispatcher.give_exchange(this);
  dispatcher.release_generation(generation);
  return transaction;
}

gw_status Exchange::set_target(std::string_view path, std::string_view query) {
  if (!request_head_open()) return GW_WRONG_STATE;
  const std::string_view path_copy = arena().copy(path), query_copy = arena().copy(query);
  if ((!path.empty() && path_copy.data() == nullptr) ||
      (!query.empty() && query_copy.data() == nullptr))
    return GW_LIMIT;
  const http::CanonicalPath canonical = http::make_canonical_path(path_copy, arena());
  if (canonical.problem != nullptr || http::query_problem(query_copy) != nullptr) return GW_INVALID;
  request().path = canonical.path;
  request().query = query_copy;
  request().has_query = !query.empty();
  return GW_OK;
}

}  // namespace gw::pipeline
