// SPDX-License-Identifier: Apache-2.0
#include "pipeline/body_pipe.h"

namespace gw::pipeline {

namespace {
constexpr std::size_t kKeptCapacity = 16 * 1024;  // of a pipe that waits for its next exchange
}

void BodyPipe::reset() {
  stages_.clear();
  held_.clear();
  if (held_.capacity() > kKeptCapacity) std::string().swap(held_);
  at_ = 0;
  state_ = State::kOpen;
  last_ = false;
  misuse_ = nullptr;
}

BodyPipe::State BodyPipe::push(Filters& filters, std::string_view data, bool last) {
  last_ = last_ || last;
  if (state_ != State::kOpen) {
    if (state_ == State::kPaused) held_.append(data);
    return state_;
  }
  if (held_.empty()) return run(filters, data);
  held_.append(data);
  return run(filters, held_);
}

BodyPipe::State BodyPipe::resume(Filters& filters) {
  if (state_ != State::kPaused) return state_;
  state_ = State::kOpen;
  Stage& stage = stages_[at_];
  stage.passed += stage.waiting;
  stage.waiting = 0;
  // It has said yes to the end of the body too when nothing of what it was shown is left.
  if (stage.seen_last && stage.passed == stage.seen) {
    stage.done = true;
  } else {
    stage.again = stage.passed < stage.seen;
  }
  return run(filters, held_);
}

// Offers every filter what those before it let go on, once, then emits what passed them all.
BodyPipe::State BodyPipe::run(Filters& filters, std::string_view window) {
  for (at_ = 0; at_ < stages_.size() && state_ == State::kOpen; ++at_) {
    Stage& stage = stages_[at_];
    const std::size_t end = at_ == 0 ? window.size() : stages_[at_ - 1].passed;
    const bool last = at_ == 0 ? last_ : stages_[at_ - 1].done;
    if (stage.done) continue;
    if (end > stage.seen || stage.again || (last && !stage.seen_last)) {
      state_ = offer(filters, stage, window, end, last);
      if (state_ != State::kOpen) break;
    }
  }
  if (state_ == State::kReplied || state_ == State::kMisused) return state_;
  const Stage& final_stage = stages_.back();
  const std::size_t emitted = final_stage.passed;
  if (emitted > 0 || final_stage.done) filters.emit(window.substr(0, emitted), final_stage.done);
  if (final_stage.done) state_ = State::kDone;
  keep(window, emitted);
  if (state_ == State::kOpen && full()) {
    at_ = 0;  // the first filter that holds what it was given
    while (at_ + 1 < stages_.size() && stages_[at_].passed == held_.size()) ++at_;
    return misused("holds 64 KiB of a body without a pause");
  }
  return state_;
}

BodyPipe::State BodyPipe::offer(Filters& filters, Stage& stage, std::string_view window,
                                std::size_t end, bool last) {
  const std::string_view data = window.substr(stage.passed, end - stage.passed);
  std::uint64_t consumed = 0;
  stage.seen = end;
  stage.seen_last = last;
  stage.again = false;
  const Verdict verdict = filters.deliver(stage.step, data, last, consumed);
  if (verdict == Verdict::kMisuse) return misused(nullptr);
  if (verdict == Verdict::kReplied) return State::kReplied;
  if (consumed > data.size()) return misused("consumed more of a body than it was given");
  if (verdict == Verdict::kPause) {
    stage.waiting = consumed;
    return State::kPaused;
  }
  stage.passed += consumed;
  if (!last) return State::kOpen;
  if (stage.passed < end) return misused("left bytes behind at the end of a body");
  stage.done = true;
  return State::kOpen;
}

// The window's first `emitted` bytes are gone: what is left moves to its front.
void BodyPipe::keep(std::string_view window, std::size_t emitted) {
  for (Stage& stage : stages_) {
    stage.passed -= emitted;
    stage.seen -= emitted;
  }
  if (window.data() == held_.data() && !held_.empty()) {
    held_.erase(0, emitted);
  } else {
    held_.assign(window.substr(emitted));
  }
}

BodyPipe::State BodyPipe::misused(const char* why) {
  misuse_ = why;
  return state_ = State::kMisused;
}

}  // namespace gw::pipeline
