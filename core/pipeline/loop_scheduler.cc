// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loop_scheduler.h"

namespace gw::pipeline {

LoopScheduler::LoopScheduler(net::Loop& loop)
    : loop_(loop),
      turn_(
          loop,
          [](void* user) {
            auto* self = static_cast<LoopScheduler*>(user);
            if (self->target_->work != nullptr) self->target_->work->on_turn_end();
          },
          this) {}

LoopScheduler::~LoopScheduler() {
  target_->work = nullptr;
}

void LoopScheduler::set_work(ScheduledWork* work) {
  target_->work = work;
}

void LoopScheduler::start_deadline(std::uint32_t slot, std::uint32_t delay_ms) {
  while (deadlines_.size() <= slot) {
    deadlines_.push_back(std::make_unique<Deadline>());
    deadlines_.back()->scheduler = this;
    deadlines_.back()->slot = static_cast<std::uint32_t>(deadlines_.size()) - 1;
  }
  Deadline& deadline = *deadlines_[slot];
  deadline.timer.start(
      loop_, delay_ms, 0,
      [](void* user) {
        auto* fired = static_cast<Deadline*>(user);
        ScheduledWork* work = fired->scheduler->target_->work;
        if (work != nullptr) work->on_deadline(fired->slot);
      },
      &deadline);
}

void LoopScheduler::cancel_deadline(std::uint32_t slot) {
  if (slot < deadlines_.size()) deadlines_[slot]->timer.cancel();
}

void LoopScheduler::arm_turn_end() {
  turn_.arm();
}

void LoopScheduler::post() {
  (void)loop_.post([target = target_] {
    if (target->work != nullptr) target->work->on_posted();
  });
}

}  // namespace gw::pipeline
