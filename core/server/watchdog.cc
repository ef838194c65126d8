// SPDX-License-Identifier: Apache-2.0
#include "server/watchdog.h"

#include <algorithm>
#include <string>
#include <utility>

#include "plugin_host/context.h"

namespace gw::server {

namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

// Who has the worker, as far as that can be told.
std::string culprit(const gw_context* context, const pipeline::PartUse* use) {
  if (context != nullptr) return "instance " + context->name;
  return use != nullptr ? "instance " + use->instance : "the gateway itself";
}

}  // namespace

Watchdog::Watchdog(plugin_host::Host& host, std::uint32_t interval_ms, Held held)
    : host_(host), interval_ms_(interval_ms), held_(std::move(held)), pulses_(host.seats.size()) {
  for (std::size_t worker = 0; worker < pulses_.size(); ++worker) send(worker);
  timer_.start(
      *host_.main, interval_ms_, interval_ms_,
      [](void* self) { static_cast<Watchdog*>(self)->look(); }, this);
}

void Watchdog::send(std::size_t worker) {
  Pulse& pulse = pulses_[worker];
  pulse.sent_ns = host_.clock.monotonic_ns();
  pulse.reported = false;
  pulse.beat->answered_ns.store(0, std::memory_order_relaxed);
  host_.seats[worker]->loop->post([beat = pulse.beat, clock = &host_.clock] {
    beat->answered_ns.store(clock->monotonic_ns(), std::memory_order_relaxed);
  });
}

void Watchdog::look() {
  for (std::size_t worker = 0; worker < pulses_.size(); ++worker) {
    Pulse& pulse = pulses_[worker];
    const std::uint64_t answered = pulse.beat->answered_ns.load(std::memory_order_relaxed);
    if (answered == 0) {
      const std::uint64_t held = host_.clock.monotonic_ns() - pulse.sent_ns;
      pulse.lag_seconds = static_cast<double>(held) / 1e9;
      if (!pulse.reported && held >= interval_ms_ * kNsPerMs) report(worker, held);
      continue;
    }
    pulse.lag_seconds = static_cast<double>(answered - pulse.sent_ns) / 1e9;
    if (pulse.reported)
      host_.log.warn("watchdog", "worker " + std::to_string(worker) + " goes on after " +
                                     std::to_string((answered - pulse.sent_ns) / kNsPerMs) + " ms");
    send(worker);
  }
}

void Watchdog::report(std::size_t worker, std::uint64_t held_ns) {
  pulses_[worker].reported = true;
  const plugin_host::Seat& seat = *host_.seats[worker];
  const gw_context* context = seat.running.load(std::memory_order_relaxed);
  const pipeline::PartUse* use = context == nullptr ? seat.dispatcher->running() : nullptr;
  host_.log.warn("watchdog", "worker " + std::to_string(worker) + " has been held for " +
                                 std::to_string(held_ns / kNsPerMs) + " ms by " +
                                 culprit(context, use));
  held_(context, use);
}

double Watchdog::lag_seconds() const {
  double most = 0;
  for (const Pulse& pulse : pulses_) most = std::max(most, pulse.lag_seconds);
  return most;
}

}  // namespace gw::server
