// SPDX-License-Identifier: Apache-2.0
#include "net/timer_wheel.h"

#include <algorithm>

#include "base/check.h"

namespace gw::net {

TimerWheel::TimerWheel(std::uint64_t now_tick, void (*wake_changed)(void*), void* user)
    : now_(now_tick), wake_changed_(wake_changed), user_(user) {
  for (Timer& slot : near_) slot.next_ = slot.previous_ = &slot;
  for (auto& level : far_) {
    for (Timer& slot : level) slot.next_ = slot.previous_ = &slot;
  }
}

TimerWheel::~TimerWheel() {
  const auto forget = [](Timer& slot) {
    while (slot.next_ != &slot) {
      Timer& timer = *slot.next_;
      unlink(timer);
      timer.wheel_ = nullptr;
    }
    slot.next_ = slot.previous_ = nullptr;
  };
  for (Timer& slot : near_) forget(slot);
  for (auto& level : far_) {
    for (Timer& slot : level) forget(slot);
  }
}

void TimerWheel::link(Timer& slot, Timer& timer) {
  timer.previous_ = slot.previous_;
  timer.next_ = &slot;
  slot.previous_->next_ = &timer;
  slot.previous_ = &timer;
}

void TimerWheel::unlink(Timer& timer) {
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a timer in a slot has neighbours
  timer.previous_->next_ = timer.next_;
  timer.next_->previous_ = timer.previous_;
  timer.next_ = timer.previous_ = nullptr;
}

void TimerWheel::place(Timer& timer) {
  // Beyond the wheel's reach: waits in the farthest slot, from where it is placed again.
  constexpr std::uint64_t kReach = (std::uint64_t{1} << (kNearBits + 3 * kFarBits)) - 1;
  const std::uint64_t delta = std::min(timer.due_tick_ - now_, kReach);
  const std::uint64_t at = now_ + delta;
  timer.slot_tick_ = static_cast<std::uint32_t>(at);
  if (delta < kNear) {
    link(near_[at & (kNear - 1)], timer);
    return;
  }
  std::uint32_t shift = kNearBits;
  for (int level = 0; level < kLevels - 1; ++level, shift += kFarBits) {
    if (level == kLevels - 2 || delta < (std::uint64_t{1} << (shift + kFarBits))) {
      link(far_[level][(at >> shift) & (kFar - 1)], timer);
      return;
    }
  }
}

void TimerWheel::put_in(Timer& timer) {
  if (timer.next_ != nullptr && timer.wheel_ == this) {
    unlink(timer);
  } else {
    detach(timer);
    timer.wheel_ = this;
    ++count_;
  }
  place(timer);
  const std::uint64_t boundary = (now_ | (kNear - 1)) + 1;
  wake_at(timer.due_tick_ - now_ < kNear ? timer.due_tick_ : boundary);
}

void TimerWheel::wake_at(std::uint64_t tick) {
  if (tick >= wake_) return;
  wake_ = tick;
  if (!advancing_) wake_changed_(user_);
}

void TimerWheel::cascade(int level, std::uint32_t index) {
  Timer& slot = far_[level][index];
  Timer moving;
  moving.next_ = moving.previous_ = &moving;
  while (slot.next_ != &slot) {
    Timer& timer = *slot.next_;
    unlink(timer);
    link(moving, timer);
  }
  while (moving.next_ != &moving) {
    Timer& timer = *moving.next_;
    unlink(timer);
    place(timer);
  }
  moving.next_ = moving.previous_ = nullptr;
}

void TimerWheel::fire_slot(Timer& slot) {
  Timer due;
  due.next_ = due.previous_ = &due;
  while (slot.next_ != &slot) {
    Timer& timer = *slot.next_;
    unlink(timer);
    link(due, timer);
  }
  while (due.next_ != &due) {
    Timer& timer = *due.next_;
    unlink(timer);
    if (timer.fire_ != nullptr && timer.due_tick_ > now_) {
      place(timer);
      continue;
    }
    --count_;
    if (timer.fire_ == nullptr) continue;
    const auto fire = timer.fire_;
    void* user = timer.user_;
    if (timer.repeat_ms_ != 0) {
      // Ticks missed while the process stood still are not made up for.
      const std::uint64_t next = timer.due_tick_ + (timer.repeat_ms_ + kTickMs - 1) / kTickMs;
      start(timer, next > target_ ? next : target_ + 1);
    } else {
      timer.fire_ = nullptr;
    }
    fire(user);
  }
  due.next_ = due.previous_ = nullptr;
}

void TimerWheel::advance(std::uint64_t now_tick) {
  advancing_ = true;
  target_ = now_tick;
  while (now_ < now_tick && count_ != 0) {
    // Nothing happens before the next wake: go there at once.
    const std::uint64_t wake = compute_wake();
    now_ = std::min(now_tick, std::max(now_ + 1, wake));
    const auto index = static_cast<std::uint32_t>(now_ & (kNear - 1));
    if (index == 0) {
      std::uint32_t shift = kNearBits;
      for (int level = 0; level < kLevels - 1; ++level, shift += kFarBits) {
        const auto far_index = static_cast<std::uint32_t>((now_ >> shift) & (kFar - 1));
        cascade(level, far_index);
        if (far_index != 0) break;
      }
    }
    fire_slot(near_[index]);
  }
  now_ = std::max(now_, now_tick);
  advancing_ = false;
  wake_ = compute_wake();
}

std::uint64_t TimerWheel::compute_wake() const {
  if (count_ == 0) return kNever;
  const std::uint64_t boundary = (now_ | (kNear - 1)) + 1;
  for (std::uint64_t tick = now_ + 1; tick < boundary; ++tick) {
    const Timer& slot = near_[tick & (kNear - 1)];
    if (slot.next_ != &slot) return tick;
  }
  return boundary;
}

void TimerWheel::detach(Timer& timer) {
  if (timer.next_ == nullptr) return;
  unlink(timer);
  if (timer.wheel_ != nullptr) --timer.wheel_->count_;
}

Timer::~Timer() {
  TimerWheel::detach(*this);
}

}  // namespace gw::net
