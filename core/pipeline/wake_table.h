// SPDX-License-Identifier: Apache-2.0
//
// WakeTable: the pauses of one worker, and the wakers that end them from any thread. A waker names
// a slot and how often the slot had been used, so that one that comes too late, or twice, finds
// nothing. Its upper half names the table: the ABI's `wake` gets nothing else to go by.
#pragma once

#include <gateway/abi/exchange.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "pipeline/chain.h"
#include "pipeline/scheduler.h"

namespace gw::pipeline {

// One pause, inside whoever pauses. Disarm before it goes.
struct Pause {
  // `deadline`: its time is up; else its waker was used. The pause is disarmed already.
  void (*ended)(void* user, Pause& pause, bool deadline) = nullptr;
  void* user = nullptr;

  Count* count = nullptr;  // of armed ones of the same kind; may be null

  bool armed() const { return slot != kNone; }

  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t slot = kNone;  // the rest belongs to the table
  bool woken = false;
  Pause* next = nullptr;
  Pause* previous = nullptr;
};

// On its worker's thread, except `wake`; destroyed there, or after that thread has ended. Its owner
// passes the scheduler's calls on.
class WakeTable {
 public:
  WakeTable(Scheduler& scheduler, std::uint32_t max_pauses);
  ~WakeTable();
  WakeTable(const WakeTable&) = delete;
  WakeTable& operator=(const WakeTable&) = delete;

  // GW_LIMIT: too many pauses. `pause` must not be armed.
  gw_status arm(Pause& pause, std::uint32_t timeout_ms, gw_waker& out);
  // Nothing when not armed.
  void disarm(Pause& pause);

  // [any thread] gw.exchange/1.wake.
  static void wake(gw_waker waker);

  void on_deadline(std::uint32_t slot);
  void on_turn_end();  // ends those woken before this call
  void on_posted();

  std::uint32_t armed() const { return armed_; }
  // Wakes that came when their queue was full; those pauses end at their deadlines.
  std::uint64_t lost_wakes() const { return lost_wakes_; }

 private:
  struct Slot {
    Pause* pause = nullptr;
    std::uint64_t generation = 0;
    std::uint32_t next_free = Pause::kNone;
  };
  void wake_here(gw_waker waker);
  void wake_from_outside(gw_waker waker);
  void link(Pause& pause);
  void unlink(Pause& pause);

  Scheduler& scheduler_;
  const std::uint32_t max_pauses_;
  std::uint32_t id_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t free_ = Pause::kNone;
  std::uint32_t armed_ = 0;
  Pause* first_woken_ = nullptr;
  Pause* last_woken_ = nullptr;
  std::uint32_t woken_ = 0;

  std::mutex mutex_;  // guards what follows
  std::vector<gw_waker> arrived_;
  std::uint64_t lost_wakes_ = 0;
  std::vector<gw_waker> taken_;  // worker's thread: arrived_'s other half
};

}  // namespace gw::pipeline
