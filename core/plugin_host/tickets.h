// SPDX-License-Identifier: Apache-2.0
//
// What a plugin has running on a worker: timers, watched descriptors, hooks, resolutions,
// call-outs. Each is a ticket in the list of its `gw_worker`, so that whatever a part leaves behind
// is cancelled when it goes. Everything here belongs to one worker's thread, and every call checks
// it.
//
// A ticket that is over (cancelled, or its only callback ran) is stopped at once and freed at the
// end of the loop's turn: it may be cancelled inside its own callback, whose frame still uses it.
#pragma once

#include <gateway/plugin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "plugin_host/debug_tables.h"
#include "plugin_host/host.h"

// One asynchronous thing. Owned by its worker.
struct gw_ticket {
  enum Kind : std::uint8_t { kTimer, kWatch, kHook, kResolution, kCall, kOffload, kKinds };

  gw_ticket(gw_worker& its_worker, Kind its_kind) : worker(&its_worker), kind(its_kind) {}
  virtual ~gw_ticket() = default;
  gw_ticket(const gw_ticket&) = delete;
  gw_ticket& operator=(const gw_ticket&) = delete;
  // After it, the callback never runs.
  virtual void stop() = 0;

  // Checks thread and kind; null when there is nothing to do.
  static gw_ticket* living(gw_ticket* ticket, Kind kind);
  static void cancel(gw_ticket* ticket, Kind kind);

  gw_worker* worker;
  const Kind kind;
  bool over = false;
  gw_ticket* next = nullptr;
  gw_ticket* previous = nullptr;
};

// The host's side of one instance on one worker.
struct gw_worker {
  gw_worker(gw_context& its_context, gw::plugin_host::Seat& its_seat, std::uint32_t its_index);
  ~gw_worker();
  gw_worker(const gw_worker&) = delete;
  gw_worker& operator=(const gw_worker&) = delete;

  // Aborts, naming the instance, when a plugin calls from another thread than the worker's.
  void check_thread() const;
  // Cancels every ticket. "3 timers, 1 descriptor", or empty when there was none.
  std::string cancel_all();

  // Takes a ticket into the list of the living / ends one.
  gw_ticket* keep(std::unique_ptr<gw_ticket> ticket);
  void bury(gw_ticket& ticket);
  // A timer ticket that was freed, for reuse; null when there is none.
  gw_ticket* take_spare();

  gw_context& context;
  gw::plugin_host::Seat& seat;
  const std::uint32_t index;
  std::map<gw::base::MetricCell*, gw::plugin_host::WatchedCell> watched_cells;  // of Debug builds

 private:
  static constexpr std::size_t kMostSpare = 1024;
  static void free_dead(void* self);
  void link(gw_ticket& ticket);

  gw_ticket* living_ = nullptr;
  gw_ticket* dead_ = nullptr;
  gw_ticket* spare_ = nullptr;
  std::size_t spare_count_ = 0;
  gw::net::TurnHook freeing_;
};

namespace gw::plugin_host {

const gw_timer_api* timer_api();
const gw_fd_api* fd_api();
const gw_turn_api* turn_api();
const gw_resolve_api* resolve_api();
const gw_call_api* call_api();

}  // namespace gw::plugin_host
