// SPDX-License-Identifier: Apache-2.0
//
// Loop: one libuv loop and what runs on it without a socket of its own: posts from other threads,
// coarse timers, hooks at the end of a turn, watched descriptors, name resolution. A loop belongs
// to the thread that calls `run`; everything but `post` and `stop` must be called there (or before
// `run`).
//
// Callbacks are a function and a pointer, so that arming one allocates nothing and the C ABI can
// pass its own. None runs inside the call that registered it. Destroying a Timer, TurnHook, FdWatch
// or Resolution cancels it: its callback never runs afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/clock.h"
#include "base/result.h"

namespace gw::net {

struct LoopImpl;  // libuv's part, private to this room

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves until `stop`; then closes what is left of the loop's own handles.
  void run();
  // [any thread] `run` returns after the current turn.
  void stop();
  // [any thread] Runs `work` on the loop's thread, in order of posting. False once the loop has
  // stopped for good (the work is then destroyed, not run).
  bool post(std::function<void()> work);
  bool on_loop_thread() const;
  // One turn of the loop, for a caller that drives it itself (tests): waits for something to happen
  // when `wait`.
  void turn(bool wait);

  // Time at the start of this turn: monotonic milliseconds.
  std::uint64_t now_ms() const;
  // A cached monotonic clock, refreshed with each event that the loop tells.
  std::uint64_t now_ns() const;

  // For arenas of this thread.
  base::ChunkPool& chunks() { return chunks_; }
  LoopImpl& impl() { return *impl_; }

 private:
  base::ChunkPool chunks_;
  std::unique_ptr<LoopImpl> impl_;
};

// A loop's own time, for what runs on it: reading it costs nothing.
class LoopClock final : public base::Clock {
 public:
  explicit LoopClock(const Loop& loop) : loop_(loop) {}
  std::uint64_t monotonic_ns() const override { return loop_.now_ns(); }
  std::int64_t wall_ms() const override { return base::SystemClock().wall_ms(); }

 private:
  const Loop& loop_;
};

// Coarse (10 ms) timer on the loop's wheel. Cancelling one, or moving it to a later time, is a store:
// it stays in its slot until that slot's time has come.
class Timer {
 public:
  Timer() = default;
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires after `delay_ms` (never early, at most a tick late), then every `repeat_ms` unless that
  // is 0. Starting a running timer moves it.
  void start(Loop& loop, std::uint32_t delay_ms, std::uint32_t repeat_ms, void (*fire)(void*),
             void* user);
  void cancel() { fire_ = nullptr; }
  bool active() const { return fire_ != nullptr; }

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;  // in a slot of the wheel
  Timer* previous_ = nullptr;
  std::uint64_t due_tick_ = 0;
  std::uint32_t slot_tick_ = 0;  // when the slot is emptied; the low bits
  std::uint32_t repeat_ms_ = 0;
  void (*fire_)(void*) = nullptr;  // null: not running
  void* user_ = nullptr;
  class TimerWheel* wheel_ = nullptr;
};

// Runs once at the end of the turn in which it was armed, after all else that was ready.
class TurnHook {
 public:
  TurnHook(Loop& loop, void (*run)(void*), void* user) : loop_(loop), run_(run), user_(user) {}
  ~TurnHook() { disarm(); }
  TurnHook(const TurnHook&) = delete;
  TurnHook& operator=(const TurnHook&) = delete;
  void arm();
  void disarm();

 private:
  friend struct LoopImpl;
  Loop& loop_;
  void (*run_)(void*);
  void* user_;
  TurnHook* next_ = nullptr;
  TurnHook* previous_ = nullptr;
};

// Readiness of a descriptor that belongs to somebody else. Level-triggered; errors and hang-ups
// count as both.
class FdWatch {
 public:
  enum Events : std::uint32_t { kRead = 1, kWrite = 2 };
  // Null: the descriptor cannot be polled. `user` gets the events that are ready, of those asked
  // for.
  static std::unique_ptr<FdWatch> create(Loop& loop, int fd, std::uint32_t events,
                                         void (*ready)(void* user, std::uint32_t events),
                                         void* user);
  ~FdWatch();
  // 0 rests the watch. Costs nothing when nothing changes.
  bool update(std::uint32_t events);

 private:
  struct Impl;
  explicit FdWatch(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

// Looks a name up in libuv's thread pool.
class Resolution {
 public:
  // Calls `done` with numeric addresses (in the resolver's order), or none and a reason.
  static std::unique_ptr<Resolution> start(
      Loop& loop, std::string_view host,
      std::function<void(const std::vector<std::string>& addresses, std::string_view error)> done);
  ~Resolution();

 private:
  struct Impl;
  explicit Resolution(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

// A Unix signal, delivered on the loop.
class SignalWatch {
 public:
  static std::unique_ptr<SignalWatch> create(Loop& loop, int signal, std::function<void()> raised);
  ~SignalWatch();

 private:
  struct Impl;
  explicit SignalWatch(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

}  // namespace gw::net
