// SPDX-License-Identifier: Apache-2.0
//
// ServerConnection: its one timer: what must move, by when, and what happens when it does not.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "http/server_connection.h"

namespace gw::http {

namespace {

constexpr std::uint32_t kLingerMs = 2000;       // for a client that says nothing
constexpr std::uint32_t kMostLingerMs = 30000;  // for one that goes on with its request,
constexpr std::uint32_t kLingerBytes = 16384;   // so many bytes each time
constexpr const char* kDoesNotRead = "it does not read its answer";

}  // namespace

// Closing a socket with unread bytes resets the connection and can destroy the answer on its way:
// say that nothing follows, and read on for a while. Some clients read their answer when they have
// sent all.
void ServerConnection::linger() {
  mode_ = Mode::kLingering;
  dropped_bytes_ = 0;
  linger_until_ms_ = stream_.loop().now_ms() + kMostLingerMs;
  if (stream_.broken()) return;  // on_broken follows
  stream_.end_output();
  if (stream_.blocked()) {
    stream_.tell_when_drained();
    start_timer(settings().limits.write_timeout_ms);
  } else if (peer_ended_) {
    close();
  } else {
    start_timer(kLingerMs);
  }
}

void ServerConnection::start_timer(std::uint32_t delay_ms) {
  timer_.start(
      stream_.loop(), delay_ms, 0,
      [](void* self) { static_cast<ServerConnection*>(self)->timer_fired(); }, this);
}

void ServerConnection::timer_fired() {
  switch (mode_) {
    case Mode::kStarting:
      begin_request();
      pump({});
      if (mode_ != Mode::kHead) return;
      [[fallthrough]];
    case Mode::kHead:
      return refuse(408, "too slow a head");
    case Mode::kServing:
    case Mode::kDetached:
      return check_progress();
    case Mode::kIdle:
      if (owner_->draining_) return stream_.blocked() ? linger() : close();
      if (stream_.blocked()) {
        stream_.tell_when_drained();
        return check_reader();
      }
      metrics().connections_idle.add();
      complain(owner_->idle_log_, base::LogLevel::kDebug, "closed a connection",
               "no request in time");
      return close();
    case Mode::kLingering:
      if (stream_.blocked()) return check_reader();
      if (std::exchange(dropped_bytes_, 0) >= kLingerBytes &&
          stream_.loop().now_ms() < linger_until_ms_) {
        return start_timer(kLingerMs);
      }
      return close();
    case Mode::kDraining:
      complain(owner_->idle_log_, base::LogLevel::kDebug, "closed a connection",
               "the rest of its request does not come");
      release_transaction();
      return linger();
    default:
      return close();
  }
}

// The answer is over, but its end is still here: does the client take any of it?
void ServerConnection::check_reader() {
  const std::uint32_t patience = settings().limits.write_timeout_ms;
  const std::uint32_t stalled = stream_.stalled_ms();
  if (stalled < patience) return start_timer(patience - stalled);
  note_refusal(408, kDoesNotRead);
  close(true);
}

// Its client has sent all and ended its side, and waits.
bool ServerConnection::answers_half_closed() const {
  return peer_ended_ && !transaction_->head_sent_ && !stream_.blocked();
}

// While an answer or a body is under way: when is the first of what must move overdue?
void ServerConnection::watch_progress() {
  const ServerLimits& limits = settings().limits;
  std::uint32_t due = UINT32_MAX;
  const auto wait = [&](std::uint32_t patience, std::uint32_t rested) {
    due = std::min(due, patience - std::min(patience, rested));
  };
  if (stream_.blocked()) wait(limits.write_timeout_ms, stream_.stalled_ms());
  if (mode_ == Mode::kServing) {
    const ServerTransaction& t = *transaction_;
    if (t.awaits_body()) wait(limits.body_idle_timeout_ms, t.rests_ms());
    if (answers_half_closed()) wait(limits.half_closed_timeout_ms, t.rests_ms());
  }
  due == UINT32_MAX ? timer_.cancel() : start_timer(due);
}

void ServerConnection::check_progress() {
  const ServerLimits& limits = settings().limits;
  if (stream_.blocked() && stream_.stalled_ms() >= limits.write_timeout_ms) {
    if (mode_ == Mode::kDetached) {
      metrics().streams_too_slow.add();
      complain(owner_->stream_log_, base::LogLevel::kInfo, "closed a stream",
               "its client does not read");
      return stream_lost(kStreamTooSlow);
    }
    note_refusal(408, kDoesNotRead);
    abort_transaction(false);
    return close(true);
  }
  if (mode_ == Mode::kServing) {
    const ServerTransaction& t = *transaction_;
    if (answers_half_closed() && t.rests_ms() >= limits.half_closed_timeout_ms) {
      complain(owner_->request_log_, base::LogLevel::kInfo, "ended a request",
               "no answer in time for a client that has ended its side");
      abort_transaction();
      return close();
    }
    if (t.awaits_body() && t.rests_ms() >= limits.body_idle_timeout_ms) {
      return body_failed(408, "too slow a body");
    }
  }
  watch_progress();
}

}  // namespace gw::http
