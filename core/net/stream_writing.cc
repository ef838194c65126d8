// SPDX-License-Identifier: Apache-2.0
//
// Stream: what goes out: gathered in the loop's buffer, sent, queued.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"
#include "net/loop_impl.h"
#include "net/socket_calls.h"
#include "net/stream.h"

namespace gw::net {

namespace {

// A message that would need more room than this is sent at once, without a copy.
constexpr std::size_t kGatherBytes = 32 * 1024;
constexpr int kChunksPerWrite = 16;

struct Chunk {
  Chunk* next;
  std::uint32_t begin;
  std::uint32_t end;
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};
constexpr std::size_t kChunkRoom = base::ChunkPool::kChunkBytes - sizeof(Chunk);

ssize_t send_both(int socket, std::string_view first, std::string_view second) {
  if (second.empty()) return send(socket, first);
  if (first.empty()) return send(socket, second);
  iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                   {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

struct Stream::Queue {
  Chunk* first = nullptr;
  Chunk* last = nullptr;
  std::size_t bytes = 0;
  std::uint64_t moved_ms = 0;  // when the peer took some last, as far as is known
  std::uint32_t held = 0;      // bytes that the system held for it then
};

std::size_t Stream::queued() const {
  return queue_ == nullptr ? 0 : queue_->bytes;
}

std::uint32_t Stream::held_by_system() const {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

void Stream::note_progress() {
  queue_->moved_ms = loop_->now_ms();
  queue_->held = held_by_system();
}

std::uint32_t Stream::stalled_ms() {
  if (queue_ == nullptr) return 0;
  if (loop_->now_ms() == queue_->moved_ms) return 0;
  if (held_by_system() < queue_->held) note_progress();
  return static_cast<std::uint32_t>(loop_->now_ms() - queue_->moved_ms);
}

bool Stream::write(std::string_view data) {
  if (state_ != State::kOpen || broken_) return true;  // on_broken follows or was heard
  if (queue_ != nullptr) {
    enqueue(data);
  } else if (gathered_ + data.size() <= kGatherBytes) {
    gather(data);
  } else {
    send_now(take_gathered(), data);
  }
  if (queued() <= kHighWater) return true;
  above_high_water_ = true;
  return false;
}

// Into the loop's buffer: behind what this stream wrote last, or as a new entry.
void Stream::gather(std::string_view data) {
  LoopImpl& impl = loop_->impl();
  const bool behind = gathered_ > 0 && gathered_index_ + 1 == impl.gathered.size();
  if (gathered_ > 0 && !behind) flush();
  if (impl.write_used + data.size() > LoopImpl::kWriteBytes) send_all(impl);
  if (queue_ != nullptr) return enqueue(data);
  if (broken_) return;
  if (gathered_ == 0) {
    gathered_index_ = static_cast<std::uint32_t>(impl.gathered.size());
    impl.gathered.push_back({this, static_cast<std::uint32_t>(impl.write_used)});
  }
  std::memcpy(impl.write_buffer.get() + impl.write_used, data.data(), data.size());
  impl.write_used += data.size();
  gathered_ += static_cast<std::uint32_t>(data.size());
}

// The bytes stay where they are until another stream gathers.
std::string_view Stream::take_gathered() {
  if (gathered_ == 0) return {};
  LoopImpl& impl = loop_->impl();
  LoopImpl::Gathered& entry = impl.gathered[gathered_index_];
  entry.stream = nullptr;
  const std::string_view bytes(impl.write_buffer.get() + entry.begin, std::exchange(gathered_, 0));
  if (gathered_index_ + 1 == impl.gathered.size()) {
    impl.gathered.pop_back();
    impl.write_used = entry.begin;
  }
  return bytes;
}

void Stream::flush() {
  if (gathered_ > 0) send_now(take_gathered(), {});
}

void Stream::send_all(LoopImpl& impl) {
  for (std::size_t i = 0; i < impl.gathered.size(); ++i) {
    // Sending drives from the caches what was gathered before.
    if (i + 1 < impl.gathered.size() && impl.gathered[i + 1].stream != nullptr)
      __builtin_prefetch(&impl.gathered[i + 1].stream->fd_);
    if (Stream* stream = impl.gathered[i].stream) {
      const std::string_view bytes(impl.write_buffer.get() + impl.gathered[i].begin,
                                   std::exchange(stream->gathered_, 0));
      stream->send_now(bytes, {});
    }
  }
  impl.gathered.clear();
  impl.write_used = 0;
}

// In one system call; the queue is empty.
void Stream::send_now(std::string_view gathered, std::string_view more) {
  const ssize_t sent = send_both(fd_, gathered, more);
  if (sent < 0 && !try_again(errno)) return fail();
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  sent_any_ = true;  // what waits in the queue counts: who knows how far it got when it fails
  if (done == gathered.size() + more.size()) {
    if (end_output_) send_fin();
    return;
  }
  const std::size_t from_gathered = std::min(done, gathered.size());
  enqueue(gathered.substr(from_gathered));
  enqueue(more.substr(done - from_gathered));
}

void Stream::enqueue(std::string_view data) {
  if (broken_ || data.empty()) return;
  const bool first = queue_ == nullptr;
  if (first) queue_ = new Queue;
  while (!data.empty()) {
    Chunk* chunk = queue_->last;
    if (chunk == nullptr || chunk->end == kChunkRoom) {
      void* memory = loop_->chunks().take();
      GW_CHECK(memory != nullptr);
      chunk = new (memory) Chunk{nullptr, 0, 0};
      (queue_->last == nullptr ? queue_->first : queue_->last->next) = chunk;
      queue_->last = chunk;
    }
    const std::size_t part = std::min(data.size(), kChunkRoom - chunk->end);
    std::memcpy(chunk->bytes() + chunk->end, data.data(), part);
    chunk->end += static_cast<std::uint32_t>(part);
    queue_->bytes += part;
    data.remove_prefix(part);
  }
  if (!first) return;
  note_progress();
  want(UV_WRITABLE);
  events_->on_queued();
}

// The socket has room.
void Stream::write_queue() {
  iovec parts[kChunksPerWrite];
  msghdr message{};
  message.msg_iov = parts;
  for (Chunk* chunk = queue_->first; chunk != nullptr && message.msg_iovlen < kChunksPerWrite;
       chunk = chunk->next) {
    parts[message.msg_iovlen++] = {chunk->bytes() + chunk->begin, chunk->end - chunk->begin};
  }
  const ssize_t sent = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (!try_again(errno)) fail();
    return;
  }
  give_back(static_cast<std::size_t>(sent));
  if (queue_->first != nullptr) {
    note_progress();
  } else {
    free_queue();
    if (end_output_) send_fin();
  }
  if (above_high_water_ && queued() < kLowWater) {
    above_high_water_ = false;
    events_->on_drained();
  }
}

void Stream::give_back(std::size_t sent) {
  queue_->bytes -= sent;
  while (sent > 0) {
    Chunk* chunk = queue_->first;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what was sent was queued
    const std::size_t part = std::min<std::size_t>(sent, chunk->end - chunk->begin);
    chunk->begin += static_cast<std::uint32_t>(part);
    sent -= part;
    if (chunk->begin < chunk->end) return;
    queue_->first = chunk->next;
    if (queue_->first == nullptr) queue_->last = nullptr;
    loop_->chunks().give(chunk);
  }
}

void Stream::free_queue() {
  if (queue_ == nullptr) return;
  while (queue_->first != nullptr) {
    Chunk* chunk = queue_->first;
    queue_->first = chunk->next;
    loop_->chunks().give(chunk);
  }
  delete queue_;
  queue_ = nullptr;
}

}  // namespace gw::net
