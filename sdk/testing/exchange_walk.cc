// SPDX-License-Identifier: Apache-2.0
//
// The walk over the pipeline: calls into plugins, what they may answer, pauses, and the end.
#include <algorithm>
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

void Exchange::State::go() {
  if (walking) return;
  auto self = shared_from_this();
  walking = true;
  while (!is_paused && at != At::kDone && !leave_later && step()) {
  }
  walking = false;
  if (std::exchange(leave_later, false)) leave();
}

bool Exchange::State::step() {
  switch (at) {
    case At::kRequestHeads:
      return request_heads();
    case At::kChoose:
      return choose();
    case At::kRequestBody:
      return request_body();
    case At::kUpstream:
      return call_upstream();
    case At::kResponseHeads:
      return response_heads();
    case At::kResponseBody:
      return response_body();
    case At::kFinish:
      finish();
      return false;
    case At::kDone:
      return false;
  }
  return false;
}

bool Exchange::State::request_heads() {
  if (next == filters) {
    // An empty body ends before anything goes upstream, so that a filter's no comes in time.
    bool empty =
        std::all_of(spec.body.begin(), spec.body.end(), [](auto& bytes) { return bytes.empty(); });
    at = filters < stages.size() && !empty ? At::kChoose : At::kRequestBody;
    return true;
  }
  Stage& stage = *stages[next];
  stage.entered = true;
  gw_verdict verdict = invoke(stage, Phase::kRequestHead, [&] {
    return stage.instance->filter->on_request_head(
        stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot);
  });
  resumed(stage, Phase::kRequestHead, verdict);
  return true;
}

// What a callback, or on_resume in its place, came to.
void Exchange::State::resumed(Stage& stage, Phase of, gw_verdict verdict) {
  if (verdict == GW_PAUSE) return pause(stage, of);
  if (verdict == GW_REPLIED) return answer_by(stage);
  if (verdict == kMisuse) return misused(stage, of);
  if (of == Phase::kRequestHead) ++next;
  if (of == Phase::kRequestBody || of == Phase::kResponseBody)
    offered(stage, of == Phase::kRequestBody, stage.consumed_at_pause);
}

gw_verdict Exchange::State::invoke(Stage& stage, Phase of,
                                   const std::function<gw_verdict()>& call) {
  replied = answered_twice = pause_asked = false;
  new_stream = nullptr;
  phase = of;
  running = &stage;
  gw_verdict verdict;
  {
    InCallback in(*host, stage.part);
    verdict = call();
  }
  running = nullptr;
  phase = Phase::kNone;
  return checked(stage, of, verdict);
}

gw_verdict Exchange::State::checked(Stage& stage, Phase of, gw_verdict verdict) {
  const std::string who = stage.instance->name + ": ";
  bool answered = replied || new_stream != nullptr;
  if (verdict != GW_PAUSE && pause_asked) forget_pause();
  if (answered_twice) {
    if (pause_asked) forget_pause();
    return kMisuse;
  }
  if (verdict == GW_CONTINUE && !answered) return verdict;
  if (verdict == GW_REPLIED && answered) return verdict;
  bool may_pause =
      of == Phase::kRequestHead || of == Phase::kRequestBody || of == Phase::kResponseBody;
  if (verdict == GW_PAUSE && pause_asked && may_pause && !answered) return verdict;
  if (pause_asked) forget_pause();
  if (verdict == GW_CONTINUE)
    host->breach(who + "answered the exchange, but returned GW_CONTINUE");
  else if (verdict == GW_REPLIED)
    host->breach(who + "returned GW_REPLIED without an answer");
  else if (verdict != GW_PAUSE)
    host->breach(who + "returned " + std::to_string(verdict) + ", which is no verdict");
  else if (!may_pause)
    host->breach(who + "returned GW_PAUSE where it is not allowed");
  else if (answered)
    host->breach(who + "answered the exchange, but returned GW_PAUSE");
  else
    host->breach(who + "returned GW_PAUSE without calling pause");
  return kMisuse;
}

void Exchange::State::pause(Stage& stage, Phase of) {
  is_paused = true;
  paused_stage = &stage;
  paused_phase = of;
  stage.was_paused = true;
}

void Exchange::State::forget_pause() {
  is_paused = pause_asked = false;
  host->disarm_pause(waker);
}

void Exchange::State::end_pause(bool by_deadline) {
  auto self = shared_from_this();
  Stage& stage = *paused_stage;
  Phase of = paused_phase;
  std::int32_t way = at_deadline;
  forget_pause();
  gw_verdict verdict = GW_CONTINUE;
  if (by_deadline && way == GW_FAIL_CLOSED) {
    if (of == Phase::kResponseBody)
      cut();
    else
      fail_by_host(503, "SERVICE_UNAVAILABLE", index_of(stage));
  } else {
    if (!by_deadline && GW_HAS(stage.instance->filter, on_resume)) {
      walking = true;
      verdict = invoke(stage, of, [&] {
        return stage.instance->filter->on_resume(
            stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot);
      });
      walking = false;
    }
    resumed(stage, of, verdict);
  }
  go();
}

void Exchange::State::leave() {
  if (walking) {
    leave_later = true;
    return;
  }
  if (at != At::kDone) cut();
  if (stream != nullptr) close_stream(*stream, GW_STREAM_CLIENT_GONE);
  if (at == At::kFinish) finish();
}

void Exchange::State::cut() {
  if (is_paused) forget_pause();
  if (attempt_open) decide(GW_ATTEMPT_ABANDONED, 0);
  aborted = true;
  if (!answer_head_left) answer_status = 0;
  if (new_stream != nullptr || answer_stream != nullptr)
    close_stream(*(new_stream != nullptr ? new_stream : answer_stream), GW_STREAM_CLIENT_GONE);
  at = At::kFinish;
}

void Exchange::State::finish() {
  final_headers = aborted && !answer_head_left ? Pairs() : answer_headers.pairs();
  Stream* bodiless = nullptr;  // a stream that nobody will read
  if (answer_stream != nullptr &&
      (method.view() == "HEAD" || answer_status == 204 || answer_status == 304))
    bodiless = std::exchange(answer_stream, nullptr);
  bool streams = answer_stream != nullptr && !aborted;
  if (streams) stream = answer_stream->alive ? answer_stream : nullptr;
  answer_stream = nullptr;
  at = At::kDone;
  complete_all(streams);
  finished = true;
  if (bodiless != nullptr) close_stream(*bodiless, GW_STREAM_CLIENT_GONE);
}

void Exchange::State::complete_all(bool streams) {
  auto self = shared_from_this();
  for (auto it = stages.rbegin(); it != stages.rend(); ++it) {
    Stage& stage = **it;
    if (!stage.entered || stage.completed) continue;
    stage.completed = true;
    auto* function =
        stage.router
            ? (GW_HAS(stage.instance->router, on_complete) ? stage.instance->router->on_complete
                                                           : nullptr)
            : (GW_HAS(stage.instance->filter, on_complete) ? stage.instance->filter->on_complete
                                                           : nullptr);
    if (function != nullptr) {
      ViewCopy error(code);
      gw_outcome outcome{};
      outcome.struct_size = sizeof outcome;
      outcome.status = answer_status;
      outcome.duration_ns = host->now_ns - started_ns;
      outcome.request_body_bytes = request_bytes;
      outcome.response_body_bytes = response_bytes;
      outcome.aborted = aborted ? 1 : 0;
      outcome.streaming = streams ? 1 : 0;
      outcome.error_code = error.str();
      if (attempts != 0)
        outcome.upstream_ns = std::max<std::uint64_t>(first_attempt_ns - started_ns, 1);
      invoke(stage, Phase::kComplete, [&] {
        function(stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot,
                 &outcome);
        return GW_CONTINUE;
      });
      if (!stage.router) ++completions;
    }
    stage.handle->alive = false;
  }
  for (auto& stage : stages) stage->handle->alive = false;
  for (const auto& [number, value] : attributes) final_attributes[attribute_name(number)] = value;
  attributes.clear();
  memory.clear();
  blocks.clear();
  request_headers.clear();
  answer_headers.clear();
}

std::size_t Exchange::State::index_of(const Stage& stage) const {
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (stages[i].get() == &stage) return i;
  return stages.size();
}

}  // namespace gw::testing
