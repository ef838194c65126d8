// SPDX-License-Identifier: Apache-2.0
//
// Counters of one worker's connections. Written by that worker only, read by anybody.
#pragma once

#include <atomic>
#include <cstdint>

namespace gw::http {

class Counter {
 public:
  // [owner's thread]
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  // [any thread]
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct HttpMetrics {
  // Server side.
  Counter connections_accepted;
  Counter connections_open;                  // gauge
  Counter connections_refused_total;         // by max_connections
  Counter connections_refused_peer;          // by max_connections_per_peer
  Counter connections_refused_listener;      // by a listener's max_connections
  Counter connections_refused_proxy_header;  // none, malformed, or too late
  Counter connections_idle;                  // closed between two requests, after idle_timeout
  Counter accept_pauses;                     // descriptors ran out
  Counter requests;
  Counter requests_malformed;  // or not served at all
  Counter requests_too_large;  // over a limit
  Counter requests_timed_out;  // head or body too slow
  Counter requests_aborted;    // the client left before the answer was whole
  Counter streams_open;        // gauge
  Counter streams_too_slow;
  Counter streams_full;       // times that all waited for one that may
  Counter tunnels;            // upgrades that services took
  Counter tunnels_open;       // gauge
  Counter tunnels_timed_out;  // silent for too long, or a side did not read
  Counter bytes_received;
  Counter bytes_sent;
  // Upstream side.
  Counter upstream_opened;
  Counter upstream_reused;
  Counter upstream_idle;     // gauge
  Counter upstream_busy;     // gauge
  Counter upstream_waiting;  // gauge
  Counter upstream_failed;
};

}  // namespace gw::http
