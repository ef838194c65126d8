// SPDX-License-Identifier: Apache-2.0
//
// Watchdog: finds who holds a loop. It posts a beat to every worker and expects it to be answered
// before long; while one is late, it names the instance whose code that worker is in.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "plugin_host/host.h"

namespace gw::server {

// [main], which is where instances are destroyed: what a stuck worker runs cannot go away while it
// is looked at. The beats end with it; it must be destroyed before the workers' loops are.
class Watchdog {
 public:
  // Looks every `interval_ms`; a loop that takes longer than that for one turn is reported.
  // `held` is told whose code it was in, as Generations::held.
  using Held = std::function<void(const gw_context*, const pipeline::PartUse*)>;
  Watchdog(plugin_host::Host& host, std::uint32_t interval_ms, Held held);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // The longest time that the last answered beat of a worker took, over all workers.
  double lag_seconds() const;

 private:
  struct Beat {  // shared with the posts under way
    std::atomic<std::uint64_t> answered_ns{0};
  };
  struct Pulse {
    std::shared_ptr<Beat> beat = std::make_shared<Beat>();
    std::uint64_t sent_ns = 0;
    double lag_seconds = 0;
    bool reported = false;
  };

  void look();
  void report(std::size_t worker, std::uint64_t held_ns);
  void send(std::size_t worker);

  plugin_host::Host& host_;
  std::uint32_t interval_ms_;
  Held held_;
  std::vector<Pulse> pulses_;
  net::Timer timer_;
};

}  // namespace gw::server
