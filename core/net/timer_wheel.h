// SPDX-License-Identifier: Apache-2.0
//
// TimerWheel: all timers of one loop, in a hierarchical timing wheel of 10 ms ticks (Varghese and
// Lauck). A timer that is moved to a later time or cancelled, as those of busy connections are with
// every request, is not touched in its list, whose neighbours are other connections' cold memory:
// what its slot's end finds it to want is done then. The wheel knows no clock: its owner calls
// `advance` and is told the tick at which it wants to be called next.
#pragma once

#include <algorithm>
#include <cstdint>

#include "net/loop.h"

namespace gw::net {

// One thread.
class TimerWheel {
 public:
  static constexpr std::uint64_t kTickMs = 10;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  // `wake_changed(user)` is called when `next_wake` became earlier than it was.
  TimerWheel(std::uint64_t now_tick, void (*wake_changed)(void*), void* user);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // A `due_tick` that is not in the future counts as the next one. A running timer is moved.
  void start(Timer& timer, std::uint64_t due_tick) {
    timer.due_tick_ = std::max(due_tick, now_ + 1);
    // Never more than 2^31 ticks apart.
    const auto later = static_cast<std::uint32_t>(timer.due_tick_) - timer.slot_tick_;
    const bool stays = timer.next_ != nullptr && timer.wheel_ == this;
    if (!stays || static_cast<std::int32_t>(later) < 0) put_in(timer);
  }
  // Skips the time in which no timer ran; does nothing while one does.
  void catch_up(std::uint64_t now_tick) {
    if (count_ == 0 && now_tick > now_) now_ = now_tick;
  }
  // Fires what is due, each timer after its slot forgot it: a callback may start or cancel any.
  void advance(std::uint64_t now_tick);
  // When `advance` has something to do: at the latest when the next timer is due; may be early.
  std::uint64_t next_wake() const { return wake_; }
  bool empty() const { return count_ == 0; }
  bool advancing() const { return advancing_; }

 private:
  friend class Timer;
  static constexpr int kLevels = 4;
  static constexpr std::uint32_t kNearBits = 8;  // slots of level 0
  static constexpr std::uint32_t kFarBits = 6;   // slots of each level above
  static constexpr std::uint32_t kNear = 1U << kNearBits;
  static constexpr std::uint32_t kFar = 1U << kFarBits;

  void put_in(Timer& timer);
  void place(Timer& timer);
  static void link(Timer& slot, Timer& timer);
  static void unlink(Timer& timer);
  static void detach(Timer& timer);
  void cascade(int level, std::uint32_t index);
  void fire_slot(Timer& slot);
  std::uint64_t compute_wake() const;
  void wake_at(std::uint64_t tick);

  std::uint64_t now_;
  std::uint64_t wake_ = kNever;
  std::uint64_t count_ = 0;
  std::uint64_t target_ = 0;  // of the advance under way
  void (*wake_changed_)(void*);
  void* user_;
  bool advancing_ = false;
  Timer near_[kNear];
  Timer far_[kLevels - 1][kFar];
};

}  // namespace gw::net
