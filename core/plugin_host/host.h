// SPDX-License-Identifier: Apache-2.0
//
// What the program gives the plugins' side: log, clock, registries and one seat per worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/call_out.h"
#include "net/loop.h"
#include "pipeline/dispatcher.h"
#include "plugin_host/offload.h"
#include "plugin_host/reports.h"

struct gw_context;

namespace gw::plugin_host {

// A worker's place for parts of plugins. Everything but `running` belongs to its thread.
struct Seat {
  net::Loop* loop = nullptr;
  net::CallOutClient* calls = nullptr;
  pipeline::Dispatcher* dispatcher = nullptr;
  // [any] The instance whose timer, descriptor or other callback runs now, or null. Only to be read
  // through while the worker is known to be stuck in it. (Filters: Dispatcher::running.)
  std::atomic<const gw_context*> running{nullptr};
};

// A listener as plugins see it.
struct ListenerInfo {
  std::string address;
  bool loopback = false;
};

// Outlives everything of this room.
struct Host {
  base::Log log;
  const base::Clock& clock;
  base::MetricsRegistry& metrics;
  base::HealthRegistry& health;
  net::Loop* main = nullptr;  // null where nothing is ever started (`gateway check`)
  std::vector<std::unique_ptr<Seat>> seats{};  // empty likewise
  std::uint32_t worker_count = 1;         // what plugins are told; seats.size() if there are any
  std::vector<ListenerInfo> listeners{};  // of the newest configuration; read on [main] only
  Reports reports{};
  std::unique_ptr<OffloadPool> offload{};  // null where there are no seats
  bool checks_home = pipeline::kDebugAbi;  // of calls that are for the home worker alone
};

}  // namespace gw::plugin_host
