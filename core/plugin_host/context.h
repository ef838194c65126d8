// SPDX-License-Identifier: Apache-2.0
//
// gw_context: the host's side of one plugin instance, and the tables that speak about it
// (gw.context/1, gw.log/1, gw.clock/1, gw.random/1, gw.post/1).
#pragma once

#include <gateway/plugin.h>

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_note.h"
#include "plugin_host/host.h"
#include "plugin_host/offload.h"
#include "plugin_host/posts.h"
#include "plugin_host/tickets.h"

namespace gw::plugin_host {

class Instance;

// What a part has running on its worker, by kind of ticket. Written by the worker alone.
using TicketCounts = std::array<pipeline::Count, gw_ticket::kKinds>;

}  // namespace gw::plugin_host

// Made and destroyed on [main]; lives from before `create` until after `destroy`.
struct gw_context {
  gw_context(gw::plugin_host::Host& its_host, std::string its_name);
  ~gw_context();
  gw_context(const gw_context&) = delete;
  gw_context& operator=(const gw_context&) = delete;

  // The plugin broke a rule after which nothing it does can be trusted: logs and aborts.
  [[noreturn]] void breach(std::string_view what) const;
  // Aborts likewise, in Debug builds, when `call` is made on another thread than the home worker's.
  void check_home(const char* call) const;

  // [any] What ends `start` and `stop`. Each is called at most once, and only while set; setting
  // anew (or to nothing) forgets the old one.
  void expect_started(std::function<void(gw_status, std::string)> done);
  void expect_stopped(std::function<void()> done);
  void started(gw_status status, std::string message);
  void stopped();

  gw::plugin_host::Host& host;
  const std::string name;
  std::string label;  // with plugin and version; set before the plugin's code runs, as is
  gw::base::ThreadTally* threads = nullptr;  // its library's
  const std::vector<gw::plugin_host::ListenerInfo> listeners;
  const std::shared_ptr<gw::plugin_host::PostBox> posts;
  const std::shared_ptr<gw::plugin_host::Lent> lent;
  const std::uint64_t health_owner;
  std::vector<gw::plugin_host::TicketCounts> tickets;  // one a worker
  gw::plugin_host::Instance* successor = nullptr;      // [home] who has its state now

 private:
  std::mutex mutex_;
  std::function<void(gw_status, std::string)> started_;
  std::function<void()> stopped_;
};

namespace gw::plugin_host {

// Marks whose code a worker runs, for the watchdog and for a crash. Nests.
class BusyInstance {
 public:
  BusyInstance(const gw_worker& worker, const char* where)
      : BusyInstance(worker.seat, worker.context, where) {}
  // `where`: what of it, as long as the process.
  BusyInstance(Seat& seat, const gw_context& context, const char* where)
      : seat_(seat),
        before_(seat.running.load(std::memory_order_relaxed)),
        note_(context.label.c_str(), where, context.threads) {
    seat_.running.store(&context, std::memory_order_relaxed);
  }
  ~BusyInstance() { seat_.running.store(before_, std::memory_order_relaxed); }
  BusyInstance(const BusyInstance&) = delete;
  BusyInstance& operator=(const BusyInstance&) = delete;

 private:
  Seat& seat_;
  const gw_context* before_;
  base::NotedCall note_;
};

const gw_context_api* context_api();
const gw_log_api* log_api();
const gw_clock_api* clock_api();
const gw_random_api* random_api();
const gw_post_api* post_api();

}  // namespace gw::plugin_host
