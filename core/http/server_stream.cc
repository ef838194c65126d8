// SPDX-License-Identifier: Apache-2.0
//
// ServerConnection: what outlives a transaction (streams, tunnels), and the end of the process.
#include <string_view>
#include <utility>

#include "http/server_connection.h"

namespace gw::http {

StreamSocket::Written ServerConnection::stream_write(std::string_view data) {
  if (mode_ != Mode::kDetached || stream_.broken()) return Written::kGone;
  if (data.empty() || bodyless_) return Written::kOk;
  char size_line[20];
  const std::string_view prefix = chunked_ ? chunk_prefix(data.size(), size_line) : "";
  const std::string_view suffix = chunked_ ? "\r\n" : "";
  const std::size_t size = prefix.size() + data.size() + suffix.size();
  const std::uint64_t most = settings().limits.max_stream_unsent_bytes;
  if (stream_.unsent() + size > most) {
    stream_.flush();
    if (stream_.broken()) return Written::kGone;
    if (stream_.unsent() + size > most) {
      full_ = true;
      metrics().streams_full.add();
      complain(owner_->stream_log_, base::LogLevel::kInfo, "a stream",
               "max_stream_unsent_bytes wait for its client");
      if (stream_.blocked()) stream_.tell_when_drained();
      return Written::kFull;
    }
  }
  stream_.write(prefix);
  stream_.write(data);
  stream_.write(suffix);
  metrics().bytes_sent.add(size);
  return stream_.broken() ? Written::kGone : Written::kOk;
}

void ServerConnection::stream_end() {
  metrics().streams_open.subtract();
  if (chunked_ && !bodyless_) stream_.write("0\r\n\r\n");
  stream_.flush();
  if (stream_.broken()) {
    close();
  } else if (keep_alive_) {
    go_idle();
  } else if (stream_.blocked() || !peer_ended_) {
    linger();
  } else {
    close();
  }
  if (transaction_ != nullptr || !rest_.empty()) schedule();
}

void ServerConnection::stream_dropped() {
  metrics().streams_open.subtract();
  close();
}

void ServerConnection::stream_lost(int reason) {
  DetachedStream* stream = detached_;
  metrics().streams_open.subtract();
  close(reason == kStreamTooSlow);
  stream->lost(reason);
}

void ServerConnection::tunnel_over(bool reset) {
  close(reset);
}

void ServerConnection::tunnel_timed_out(const char* why) {
  complain(owner_->tunnel_log_, base::LogLevel::kInfo, "closed a WebSocket", why);
}

// ---- The end of the process

void ServerConnection::drain() {
  if (mode_ == Mode::kIdle) return start_idle_timer();
  if (mode_ == Mode::kDetached) detached_->on_drain();
}

void ServerConnection::abort(int stream_reason) {
  if (mode_ == Mode::kDetached) return stream_lost(stream_reason);
  if (mode_ == Mode::kTunnel) return tunnel_->stop(true);
  abort_transaction();
  close();
}

void ServerConnection::orphan() {
  release_transaction();
  owner_ = nullptr;
}

}  // namespace gw::http
