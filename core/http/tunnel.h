// SPDX-License-Identifier: Apache-2.0
//
// Tunnel: a client's and a service's connection that have left HTTP (RFC 9110 7.8; WebSocket), and
// the bytes between them. Both connections pass their sockets' events on to it. Bytes are copied
// only when a socket does not take them; above its high-water mark the other side is not read.
// When either side is gone so is the other, once it has what was said to it; an end of one side's
// output is passed on, and the rest goes on.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/metrics.h"
#include "net/loop.h"
#include "net/stream.h"

namespace gw::http {

// A connection in a tunnel.
class TunnelEnd {
 public:
  virtual net::Stream& tunnel_stream() = 0;
  virtual void tunnel_starts(class Tunnel& tunnel) = 0;
  // The tunnel is gone: closes the socket.
  virtual void tunnel_over(bool reset) = 0;
  // It will be over because of that.
  virtual void tunnel_timed_out(const char* /*why*/) {}

 protected:
  ~TunnelEnd() = default;
};

struct TunnelLimits {
  std::uint32_t idle_timeout_ms;   // in which neither side says anything
  std::uint32_t write_timeout_ms;  // in which a side takes nothing of what waits for it
};

// On its loop's thread. Destroys itself when it is over, which is the last thing that its functions
// do.
class Tunnel {
 public:
  enum Side : std::uint8_t { kClient, kService };

  static void start(TunnelEnd& client, TunnelEnd& service, const TunnelLimits& limits,
                    HttpMetrics& metrics);

  void on_data(Side from, std::string_view data);
  // `from` says nothing more. May be told twice.
  void on_end(Side from);
  void on_broken(Side from);
  void on_drained(Side to);
  void on_queued() { start_timer(); }
  void stop(bool reset);

 private:
  Tunnel(TunnelEnd& client, TunnelEnd& service, const TunnelLimits& limits, HttpMetrics& metrics);
  ~Tunnel();
  net::Stream& stream(Side side) const { return ends_[side]->tunnel_stream(); }
  bool ends_slowly() const;
  bool owes(Side side) const { return stream(side).blocked() && !stream(side).broken(); }
  static Side other(Side side) { return side == kClient ? kService : kClient; }
  void stop_when_drained();
  void start_timer();
  void timer_fired();

  TunnelEnd* ends_[2];
  TunnelLimits limits_;
  HttpMetrics& metrics_;
  net::Timer timer_;
  std::uint64_t moved_ms_;  // when something was said last
  bool ended_[2]{};
  bool tail_ = false;       // a broken side had said something that the other has yet to take,
  std::uint32_t held_ = 0;  // and so many bytes of it were with the system, at the last look
};

}  // namespace gw::http
