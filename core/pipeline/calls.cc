// SPDX-License-Identifier: Apache-2.0
//
// Exchange: calls into plugins, what their answers are worth, and pauses.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "pipeline/dispatcher.h"
#include "pipeline/exchange.h"

namespace gw::pipeline {

// ---- Calling plugins

void Exchange::enter(Phase phase, std::uint32_t step, PartUse* use) {
  static constexpr const char* kNames[] = {"",
                                           "on_request_head",
                                           "on_request_body",
                                           "choose",
                                           "on_response_head",
                                           "on_response_body",
                                           "on_complete or outcome"};
  call_ = Call{phase, step, use};
  dispatcher_.running_.store(use, std::memory_order_relaxed);
  base::thread_note = {use->label.c_str(), kNames[static_cast<int>(phase)], use->threads};
}

Verdict Exchange::leave(gw_verdict verdict) {
  dispatcher_.running_.store(nullptr, std::memory_order_relaxed);
  base::thread_note = {};
  call_.phase = Phase::kNone;
  if (verdict == GW_CONTINUE && !call_.replied && call_.paused == nullptr)  // nearly always
    return Verdict::kContinue;
  const Verdict judged = judge(verdict);
  // A pause is only for who waits.
  if (judged != Verdict::kPause && call_.paused != nullptr)
    dispatcher_.wakes_->disarm(*call_.paused);
  return judged;
}

Verdict Exchange::judge(gw_verdict verdict) {
  if (call_.replied_twice)
    return misuse(call_.use, kMisuseAnswer, "answers an exchange a second time");
  switch (verdict) {
    case GW_CONTINUE:
      if (call_.replied)
        return misuse(call_.use, kMisuseVerdict, "answered, but did not return GW_REPLIED");
      return Verdict::kContinue;
    case GW_PAUSE:
      if (call_.replied)
        return misuse(call_.use, kMisuseVerdict, "answered, but returned GW_PAUSE");
      if (call_.paused == nullptr)
        return misuse(call_.use, kMisuseVerdict, "returned GW_PAUSE without a pause");
      return Verdict::kPause;
    case GW_REPLIED:
      if (!call_.replied && !call_.too_late)
        return misuse(call_.use, kMisuseVerdict, "returned GW_REPLIED without an answer");
      return Verdict::kReplied;
    default:
      return misuse(call_.use, kMisuseVerdict, "returned an unknown verdict");
  }
}

Verdict Exchange::misuse(PartUse* use, std::string_view kind, const std::string& what) {
  dispatcher_.misused(use, kind,
                      what + ": the exchange fails (" + std::string(request().method) + " " +
                          std::string(request().path) + ")");
  return Verdict::kMisuse;
}

bool Exchange::examine(const char* call) {
  dispatcher_.check_thread(call);
  if (transaction_ != nullptr) return true;
  auto* use = const_cast<PartUse*>(dispatcher_.running());  // its worker's thread: here
  dispatcher_.misused(use, kMisuseExchange,
                      std::string("calls ") + call + " on an exchange that is over");
  return false;
}

// ---- Pauses

gw_status Exchange::pause(std::uint32_t timeout_ms, std::int32_t at_deadline, gw_waker& out) {
  const Phase phase = call_.phase;
  if (phase != Phase::kRequestHead && phase != Phase::kRequestBody && phase != Phase::kResponseBody)
    return GW_WRONG_STATE;
  if (call_.paused != nullptr || call_.replied) return GW_WRONG_STATE;
  if (timeout_ms == 0) return GW_INVALID;
  if (at_deadline != GW_FAIL_CLOSED && at_deadline != GW_FAIL_OPEN) return GW_INVALID;
  FilterPause& pause = phase == Phase::kResponseBody ? response_pause_ : request_pause_;
  pause.count = &call_.use->wakers;
  const gw_status status = dispatcher_.wakes_->arm(pause, timeout_ms, out);
  if (status != GW_OK) return status;
  pause.phase = phase;
  pause.step = call_.step;
  pause.at_deadline = at_deadline;
  call_.paused = &pause;
  dispatcher_.metrics_.pauses.add();
  return GW_OK;
}

void Exchange::pause_ended(void* user, Pause& pause, bool deadline) {
  static_cast<Exchange*>(user)->resume(static_cast<FilterPause&>(pause), deadline);
}

void Exchange::resume(FilterPause& pause, bool deadline) {
  if (deadline) dispatcher_.metrics_.pauses_expired.add();
  const bool in_answer = pause.phase == Phase::kResponseBody || answer_begun_;
  if (deadline && pause.at_deadline == GW_FAIL_CLOSED)
    return in_answer ? abort() : answer_error(pause.step, 503, "SERVICE_UNAVAILABLE");
  const Verdict verdict = deadline ? Verdict::kContinue : call_resume(pause);
  switch (verdict) {
    case Verdict::kContinue:
      break;
    case Verdict::kPause:
      return;
    case Verdict::kReplied:
      return in_answer ? abort() : answer_local(pause.step);
    case Verdict::kMisuse:
      return in_answer ? abort() : answer_error(pause.step, 500, "INTERNAL_SERVER_ERROR");
  }
  if (pause.phase == Phase::kRequestHead) return walk_request_heads();
  if (pause.phase == Phase::kRequestBody)
    return run_request_pipe(request_pipe_->resume(request_filters_));
  after_response_pipe(response_pipe_->resume(response_filters_));
}

Verdict Exchange::call_resume(const FilterPause& pause) {
  const FilterStep& now = filter(pause.step);
  if (now.api.on_resume == nullptr) return Verdict::kContinue;
  enter(pause.phase, pause.step, now.use);
  return leave(now.api.on_resume(now.part, this, slot(pause.step)));
}

}  // namespace gw::pipeline
