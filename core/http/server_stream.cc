// SPDX-License-Identifier: Apache-2.0
//
// ServerConnection: what outlives a transaction (streams, tunnels), and the end of the process.
#include <string_view>
#include <utility>

#include "http/server_connection.h"

namespace gw::http {

DetachedStream::Written ServerConnection::stream_write(std::string_view data) {
  using Written = DetachedStream::Written;
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
  std::exchange(handle_, nullptr)->connection_ = nullptr;
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

void ServerConnection::stream_lost(int reason) {
  StreamHandle* handle = std::exchange(handle_, nullptr);
  handle->connection_ = nullptr;
  metrics().streams_open.subtract();
  close(reason == kStreamTooSlow);
  if (handle->events_ != nullptr) handle->events_->on_closed(handle->user_, reason);
}

StreamHandle::~StreamHandle() {
  if (connection_ == nullptr) return;
  connection_->handle_ = nullptr;
  connection_->metrics().streams_open.subtract();
  connection_->close();
}

void ServerConnection::tunnel_over(bool reset) {
  tunnel_ = nullptr;
  close(reset);
}

// ---- The end of the process

void ServerConnection::drain() {
  if (mode_ == Mode::kIdle) return close();
  if (mode_ == Mode::kDetached && handle_->events_ != nullptr &&
      handle_->events_->on_drain != nullptr) {
    handle_->events_->on_drain(handle_->user_);
  }
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
