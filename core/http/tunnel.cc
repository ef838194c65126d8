// SPDX-License-Identifier: Apache-2.0
#include "http/tunnel.h"

#include <algorithm>
#include <utility>

namespace gw::http {

namespace {

constexpr std::uint32_t kLastWordsMs = 2000;  // in which a side takes some, or ends

}  // namespace

void Tunnel::start(TunnelEnd& client, TunnelEnd& service, const TunnelLimits& limits,
                   HttpMetrics& metrics) {
  auto* tunnel = new Tunnel(client, service, limits, metrics);
  client.tunnel_starts(*tunnel);
  service.tunnel_starts(*tunnel);
}

Tunnel::Tunnel(TunnelEnd& client, TunnelEnd& service, const TunnelLimits& limits,
               HttpMetrics& metrics)
    : ends_{&client, &service},
      limits_(limits),
      metrics_(metrics),
      moved_ms_(client.tunnel_stream().loop().now_ms()) {
  metrics_.tunnels.add();
  metrics_.tunnels_open.add();
  start_timer();
}

Tunnel::~Tunnel() {
  metrics_.tunnels_open.subtract();
}

void Tunnel::on_data(Side from, std::string_view data) {
  if (stream(other(from)).broken()) return;
  tail_ = tail_ || stream(from).broken();
  moved_ms_ = stream(from).loop().now_ms();
  if (from == kService) metrics_.bytes_sent.add(data.size());
  if (!stream(other(from)).write(data)) stream(from).stop_reading();
}

void Tunnel::on_end(Side from) {
  ended_[from] = true;
  stream(other(from)).end_output();
  stop_when_drained();
}

// What it had said reaches the other side, as far as the system still has it, and then an end. What
// the other says meanwhile is for nobody.
void Tunnel::on_broken(Side from) {
  net::Stream& to = stream(other(from));
  if (to.broken()) return stop(true);
  stream(from).read_rest();
  tail_ = tail_ || ended_[from] || to.blocked() || to.held_by_system() > 0;
  if (!tail_) return stop(true);
  if (!ended_[other(from)]) to.start_reading();
  start_timer();
  if (!to.blocked()) return on_end(from);
  to.tell_when_drained();
}

void Tunnel::on_drained(Side to) {
  if (stream(other(to)).broken()) return on_broken(other(to));
  if (!ended_[other(to)]) stream(other(to)).start_reading();
  stop_when_drained();
}

// Closing a socket would drop what waits for it.
void Tunnel::stop_when_drained() {
  if (!ended_[kClient] || !ended_[kService]) return;
  bool waits = false;
  for (const Side side : {kClient, kService}) {
    if (!owes(side)) continue;
    stream(side).tell_when_drained();
    waits = true;
  }
  if (!waits) stop(false);
}

void Tunnel::stop(bool reset) {
  for (TunnelEnd* end : ends_) end->tunnel_over(reset);
  delete this;
}

void Tunnel::start_timer() {
  const std::uint64_t now = stream(kClient).loop().now_ms();
  std::uint64_t due = ends_slowly() ? now + kLastWordsMs : moved_ms_ + limits_.idle_timeout_ms;
  for (const Side side : {kClient, kService}) {
    if (!owes(side)) continue;
    due = std::min(due, now - stream(side).stalled_ms() + limits_.write_timeout_ms);
  }
  timer_.start(
      stream(kClient).loop(), static_cast<std::uint32_t>(due - std::min(due, now)), 0,
      [](void* self) { static_cast<Tunnel*>(self)->timer_fired(); }, this);
}

bool Tunnel::ends_slowly() const {
  return tail_ && !owes(kClient) && !owes(kService);
}

void Tunnel::timer_fired() {
  if (ends_slowly()) {
    const std::uint32_t held =
        stream(stream(kClient).broken() ? kService : kClient).held_by_system();
    if (held == 0 || held == std::exchange(held_, held)) return stop(false);
    return start_timer();
  }
  const std::uint64_t now = stream(kClient).loop().now_ms();
  const char* why = nullptr;
  if (now - moved_ms_ >= limits_.idle_timeout_ms) why = "neither side says anything";
  for (const Side side : {kClient, kService}) {
    if (!owes(side)) continue;
    const std::uint32_t stalled = stream(side).stalled_ms();
    if (stalled >= limits_.write_timeout_ms) why = "a side does not read";
  }
  if (why == nullptr) return start_timer();
  metrics_.tunnels_timed_out.add();
  ends_[kClient]->tunnel_timed_out(why);
  stop(true);
}

}  // namespace gw::http
