// SPDX-License-Identifier: Apache-2.0
//
// libuv's part of a Loop, and what all streams of a loop share: ONE read buffer (a read is consumed
// before the next one), ONE write buffer (Stream::write), and the list of streams whose owners must
// hear at the turn's end what a call of theirs found.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "net/loop.h"
#include "net/timer_wheel.h"

namespace gw::net {

class Stream;

struct LoopImpl {
  static constexpr std::size_t kReadBytes = 64 * 1024;
  static constexpr std::size_t kWriteBytes = 64 * 1024;

  LoopImpl();
  ~LoopImpl();

  void run_posts();
  void run_hooks();
  void advance_timers();
  void arm_timer();
  void unlink(TurnHook& hook);
  void arm(TurnHook& hook);
  bool armed(const TurnHook& hook) const {
    return hook.next_ != nullptr || hook.previous_ != nullptr || first_hook == &hook;
  }
  void refresh_clock() { now_ns = uv_hrtime(); }

  uv_loop_t uv;
  uv_async_t wake_up;
  uv_prepare_t before_poll;
  uv_check_t after_poll;
  uv_idle_t hooks_wait;  // keeps the poll from sleeping while hooks are armed
  uv_timer_t timer;
  TimerWheel wheel;
  std::uint64_t now_ns = 0;

  TurnHook* first_hook = nullptr;
  TurnHook* last_hook = nullptr;
  TurnHook* pass_end = nullptr;  // last hook of the pass under way

  std::mutex mutex;
  std::vector<std::function<void()>> posts;  // guarded by mutex
  bool closed = false;                       // guarded by mutex
  std::atomic<bool> stopping{false};
  std::atomic<std::thread::id> thread{};

  std::unique_ptr<char[]> read_buffer;
  std::unique_ptr<char[]> write_buffer;
  std::size_t write_used = 0;
  struct Gathered {  // bytes of one stream, up to where the next one's begin
    Stream* stream;  // null: sent already
    std::uint32_t begin;
  };
  std::vector<Gathered> gathered;
  std::vector<Stream*> told_later;
};

}  // namespace gw::net
