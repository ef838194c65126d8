// SPDX-License-Identifier: Apache-2.0
#include "pipeline/wake_table.h"

#include <shared_mutex>
#include <unordered_map>

#include "base/check.h"

namespace gw::pipeline {

namespace {

// Every table of the process by number. The one global of this room: a waker is a value that may
// come back from any thread, so there is nothing else to find its table by. Numbers are not used
// again.
struct Registry {
  std::shared_mutex mutex;
  std::unordered_map<std::uint32_t, WakeTable*> tables;
  std::uint32_t last_id = 0;
};

Registry& registry() {
  static Registry* all = new Registry;  // never destroyed: plugins' threads may outlive main
  return *all;
}

// The table that this thread armed last: its wakes take no lock.
struct Own {
  std::uint32_t id = 0;
  WakeTable* table = nullptr;
};
thread_local Own own;

constexpr std::size_t kArrivedPerPause = 4;

}  // namespace

WakeTable::WakeTable(Scheduler& scheduler, std::uint32_t max_pauses)
    : scheduler_(scheduler), max_pauses_(max_pauses) {
  std::unique_lock lock(registry().mutex);
  id_ = ++registry().last_id;
  registry().tables.emplace(id_, this);
}

WakeTable::~WakeTable() {
  std::unique_lock lock(registry().mutex);
  registry().tables.erase(id_);
  if (own.id == id_) own = {};
}

gw_status WakeTable::arm(Pause& pause, std::uint32_t timeout_ms, gw_waker& out) {
  GW_CHECK(!pause.armed());
  if (armed_ >= max_pauses_) return GW_LIMIT;
  if (free_ == Pause::kNone) {
    free_ = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  own = {id_, this};
  const std::uint32_t index = free_;
  Slot& slot = slots_[index];
  free_ = slot.next_free;
  slot.pause = &pause;
  ++slot.generation;
  ++armed_;
  if (pause.count != nullptr) ++*pause.count;
  pause.slot = index;
  pause.woken = false;
  out.slot = static_cast<std::uint64_t>(id_) << 32 | index;
  out.generation = slot.generation;
  scheduler_.start_deadline(index, timeout_ms);
  return GW_OK;
}

void WakeTable::disarm(Pause& pause) {
  if (!pause.armed()) return;
  if (pause.woken) unlink(pause);
  scheduler_.cancel_deadline(pause.slot);
  Slot& slot = slots_[pause.slot];
  slot.pause = nullptr;
  slot.next_free = free_;
  free_ = pause.slot;
  --armed_;
  if (pause.count != nullptr) --*pause.count;
  pause.slot = Pause::kNone;
}

void WakeTable::wake(gw_waker waker) {
  const auto id = static_cast<std::uint32_t>(waker.slot >> 32);
  if (own.id == id && own.table != nullptr) {
    own.table->wake_here(waker);
    return;
  }
  std::shared_lock lock(registry().mutex);  // held while posting, so that the table stays
  auto found = registry().tables.find(id);
  if (found != registry().tables.end()) found->second->wake_from_outside(waker);
}

void WakeTable::wake_here(gw_waker waker) {
  const auto index = static_cast<std::uint32_t>(waker.slot);
  if (index >= slots_.size()) return;
  const Slot& slot = slots_[index];
  if (slot.pause == nullptr || slot.generation != waker.generation || slot.pause->woken) return;
  link(*slot.pause);
  scheduler_.arm_turn_end();
}

void WakeTable::wake_from_outside(gw_waker waker) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (arrived_.size() >= kArrivedPerPause * max_pauses_) {
      ++lost_wakes_;
      return;
    }
    first = arrived_.empty();
    arrived_.push_back(waker);
  }
  if (first) scheduler_.post();
}

void WakeTable::on_posted() {
  {
    std::lock_guard lock(mutex_);
    taken_.swap(arrived_);
  }
  for (const gw_waker& waker : taken_) wake_here(waker);
  taken_.clear();
}

void WakeTable::on_turn_end() {
  // Those woken while these run wait for the next turn, or one filter that wakes itself again and
  // again would hold the loop.
  for (std::uint32_t left = woken_; left > 0 && first_woken_ != nullptr; --left) {
    Pause& pause = *first_woken_;
    disarm(pause);
    pause.ended(pause.user, pause, false);
  }
  if (first_woken_ != nullptr) scheduler_.arm_turn_end();
}

void WakeTable::on_deadline(std::uint32_t index) {
  GW_CHECK(index < slots_.size() && slots_[index].pause != nullptr);
  Pause& pause = *slots_[index].pause;
  // Woken in this very turn: the answer is there, late by less than a tick.
  const bool deadline = !pause.woken;
  disarm(pause);
  pause.ended(pause.user, pause, deadline);
}

void WakeTable::link(Pause& pause) {
  pause.woken = true;
  pause.next = nullptr;
  pause.previous = last_woken_;
  (last_woken_ == nullptr ? first_woken_ : last_woken_->next) = &pause;
  last_woken_ = &pause;
  ++woken_;
}

void WakeTable::unlink(Pause& pause) {
  (pause.previous == nullptr ? first_woken_ : pause.previous->next) = pause.next;
  (pause.next == nullptr ? last_woken_ : pause.next->previous) = pause.previous;
  pause.woken = false;
  --woken_;
}

}  // namespace gw::pipeline
