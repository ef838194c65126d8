// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/check.h"
#include "net/loop_impl.h"

namespace gw::net {

namespace {

constexpr std::size_t kGatherBytes = 32 * 1024;  // more goes to the socket without a copy
constexpr int kChunksPerWrite = 4;               // libuv allocates nothing for so many buffers

struct Chunk {
  Chunk* next;
  std::uint32_t begin;
  std::uint32_t end;
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};
constexpr std::size_t kChunkRoom = base::ChunkPool::kChunkBytes - sizeof(Chunk);

}  // namespace

struct Stream::Queue {
  uv_write_t request;
  Chunk* first = nullptr;
  Chunk* last = nullptr;
  Chunk* last_in_flight = nullptr;
  std::size_t bytes = 0;
};

struct Stream::Connecting {
  uv_connect_t request;
  Stream* stream;
};

struct StreamCallbacks {
  static Stream& self(void* handle) {
    return *static_cast<Stream*>(static_cast<uv_handle_t*>(handle)->data);
  }
  static void allocate(uv_handle_t* handle, std::size_t, uv_buf_t* out) {
    auto& impl = *static_cast<LoopImpl*>(handle->loop->data);
    *out = uv_buf_init(impl.read_buffer.get(), LoopImpl::kReadBytes);
  }
  static void read(uv_stream_t* handle, ssize_t size, const uv_buf_t* buffer) {
    if (size == 0) return;
    Stream& stream = self(handle);
    static_cast<LoopImpl*>(handle->loop->data)->refresh_clock();
    if (size > 0) {
      stream.events_->on_data(buffer->base, static_cast<std::size_t>(size));
      return;
    }
    stream.reading_ = false;
    if (size == UV_EOF) {
      stream.events_->on_end();
      return;
    }
    uv_read_stop(handle);
    if (stream.broken_) return;
    stream.broken_ = true;
    stream.events_->on_broken();
  }
  static void written(uv_write_t* request, int status) {
    static_cast<LoopImpl*>(request->handle->loop->data)->refresh_clock();
    self(request->handle).queue_written(status);
  }
  static void connected(uv_connect_t* request, int status) {
    auto* connecting = reinterpret_cast<Stream::Connecting*>(request);
    Stream& stream = *connecting->stream;
    delete connecting;
    if (stream.state_ != Stream::State::kConnecting) return;
    if (status == 0) stream.state_ = Stream::State::kOpen;
    stream.loop_->impl().refresh_clock();
    stream.events_->on_connected(status);
  }
  static void closed(uv_handle_t* handle) {
    Stream& stream = self(handle);
    stream.free_queue();
    stream.state_ = Stream::State::kNone;
    stream.events_->on_closed();
  }
};

namespace {
uv_stream_t* as_stream(unsigned char* handle) {
  return reinterpret_cast<uv_stream_t*>(handle);
}
uv_handle_t* as_handle(unsigned char* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}
uv_tcp_t* as_tcp(unsigned char* handle) {
  return reinterpret_cast<uv_tcp_t*>(handle);
}
uv_pipe_t* as_pipe(unsigned char* handle) {
  return reinterpret_cast<uv_pipe_t*>(handle);
}

int socket_of(unsigned char* handle) {
  uv_os_fd_t fd = -1;
  return uv_fileno(as_handle(handle), &fd) == 0 ? fd : -1;
}
}  // namespace

static_assert(sizeof(uv_tcp_t) <= 264 && sizeof(uv_pipe_t) <= 264 && alignof(uv_pipe_t) <= 8);

void Stream::begin(Loop& loop, bool unix_socket, StreamEvents& events) {
  GW_CHECK(state_ == State::kNone);
  loop_ = &loop;
  events_ = &events;
  broken_ = above_high_water_ = end_output_ = fin_sent_ = took_some_ = reading_ = false;
  connect_error_ = 0;
  if (unix_socket) {
    uv_pipe_init(&loop.impl().uv, as_pipe(handle_), 0);
  } else {
    uv_tcp_init(&loop.impl().uv, as_tcp(handle_));
  }
  as_handle(handle_)->data = this;
}

void Stream::adopt(Loop& loop, int fd, bool unix_socket, StreamEvents& events) {
  begin(loop, unix_socket, events);
  state_ = State::kOpen;
  const int error =
      unix_socket ? uv_pipe_open(as_pipe(handle_), fd) : uv_tcp_open(as_tcp(handle_), fd);
  if (error != 0) {
    ::close(fd);
    fail();
  }
}

void Stream::connect(Loop& loop, const Address& address, StreamEvents& events) {
  begin(loop, false, events);
  state_ = State::kConnecting;
  sockaddr_storage target{};
  auto* connecting = new Connecting{{}, this};
  int error = UV_EINVAL;
  if (address.to_socket(target) != 0) {
    error = uv_tcp_connect(&connecting->request, as_tcp(handle_),
                           reinterpret_cast<const sockaddr*>(&target), StreamCallbacks::connected);
  }
  if (error != 0) {
    delete connecting;
    connect_error_ = error;
    fail();
    return;
  }
  uv_tcp_nodelay(as_tcp(handle_), 1);
}

void Stream::connect_unix(Loop& loop, const char* path, StreamEvents& events) {
  begin(loop, true, events);
  state_ = State::kConnecting;
  auto* connecting = new Connecting{{}, this};
  uv_pipe_connect(&connecting->request, as_pipe(handle_), path, StreamCallbacks::connected);
}

void Stream::start_reading() {
  if (reading_ || state_ != State::kOpen || broken_) return;
  reading_ =
      uv_read_start(as_stream(handle_), StreamCallbacks::allocate, StreamCallbacks::read) == 0;
}

void Stream::stop_reading() {
  if (!reading_) return;
  reading_ = false;
  if (state_ == State::kOpen) uv_read_stop(as_stream(handle_));
}

std::size_t Stream::queued() const {
  return queue_ == nullptr ? 0 : queue_->bytes;
}

std::size_t Stream::gathered() const {
  return loop_ != nullptr && loop_->impl().writer == this ? loop_->impl().write_used : 0;
}

bool Stream::took_some() {
  const bool took = took_some_;
  took_some_ = false;
  return took;
}

bool Stream::write(std::string_view data) {
  if (state_ != State::kOpen || broken_) return true;  // on_broken follows or was heard
  LoopImpl& impl = loop_->impl();
  if (queued() > 0) {
    enqueue(data);
  } else {
    if (impl.writer != this) {
      if (impl.writer != nullptr) impl.writer->flush();
      impl.writer = this;
      impl.write_used = 0;
      impl.stream_hook->arm();
    }
    if (impl.write_used + data.size() <= kGatherBytes) {
      std::memcpy(impl.write_buffer.get() + impl.write_used, data.data(), data.size());
      impl.write_used += data.size();
    } else {
      send_now(data);
    }
  }
  if (queued() <= kHighWater) return true;
  above_high_water_ = true;
  return false;
}

void Stream::flush() {
  if (gathered() > 0) send_now({});
}

namespace {

// Not uv_try_write: a socket's own calls cost less than those of files.
ssize_t send_both(int socket, std::string_view first, std::string_view second) {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (second.empty()) return ::send(socket, first.data(), first.size(), kFlags);
  iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                   {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return ::sendmsg(socket, &message, kFlags);
}

}  // namespace

// Sends what was gathered and `more`, in one system call; the queue is empty.
void Stream::send_now(std::string_view more) {
  LoopImpl& impl = loop_->impl();
  std::string_view gathered_bytes(impl.write_buffer.get(), impl.write_used);
  impl.writer = nullptr;
  impl.write_used = 0;
  const ssize_t sent = send_both(socket_of(handle_), gathered_bytes, more);
  if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
    fail();
    return;
  }
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  sent_any_ = true;  // what waits in the queue counts: who knows how far it got when it fails
  if (done == gathered_bytes.size() + more.size()) {
    if (end_output_) send_fin();
    return;
  }
  const std::size_t from_gathered = std::min(done, gathered_bytes.size());
  enqueue(gathered_bytes.substr(from_gathered));
  enqueue(more.substr(done - from_gathered));
}

void Stream::enqueue(std::string_view data) {
  if (broken_) return;
  if (queue_ == nullptr) queue_ = new Queue;
  const bool idle = queue_->bytes == 0;
  while (!data.empty()) {
    Chunk* chunk = queue_->last;
    if (chunk == nullptr || chunk == queue_->last_in_flight || chunk->end == kChunkRoom) {
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
  if (!idle || queue_->bytes == 0) return;
  took_some_ = false;
  write_queue();
  events_->on_queued();
}

void Stream::write_queue() {
  uv_buf_t buffers[kChunksPerWrite];
  unsigned count = 0;
  Chunk* last = nullptr;
  for (Chunk* chunk = queue_->first; chunk != nullptr && count < kChunksPerWrite;
       chunk = chunk->next) {
    buffers[count++] = uv_buf_init(chunk->bytes() + chunk->begin, chunk->end - chunk->begin);
    last = chunk;
  }
  queue_->last_in_flight = last;
  if (uv_write(&queue_->request, as_stream(handle_), buffers, count, StreamCallbacks::written) !=
      0) {
    queue_->last_in_flight = nullptr;
    fail();
  }
}

void Stream::queue_written(int status) {
  if (state_ != State::kOpen) return;  // cancelled by close(), whose callback frees the queue
  if (status != 0) {
    fail();
    return;
  }
  took_some_ = true;
  for (bool last = false; !last;) {
    Chunk* chunk = queue_->first;
    last = chunk == queue_->last_in_flight;
    queue_->bytes -= chunk->end - chunk->begin;
    queue_->first = chunk->next;
    loop_->chunks().give(chunk);
  }
  queue_->last_in_flight = nullptr;
  if (queue_->first == nullptr) {
    delete queue_;
    queue_ = nullptr;
    if (end_output_) send_fin();
  } else {
    write_queue();
  }
  if (above_high_water_ && queued() < kLowWater) {
    above_high_water_ = false;
    events_->on_drained();
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

// The owner hears it at the end of the turn, not inside the call that found it.
void Stream::fail() {
  broken_ = true;
  if (in_failed_list_) return;
  in_failed_list_ = true;
  LoopImpl& impl = loop_->impl();
  impl.failed_streams.push_back(this);
  impl.stream_hook->arm();
}

void Stream::end_of_turn(LoopImpl& impl) {
  if (impl.writer != nullptr) impl.writer->flush();
  while (!impl.failed_streams.empty()) {
    Stream& stream = *impl.failed_streams.back();
    impl.failed_streams.pop_back();
    stream.in_failed_list_ = false;
    if (stream.state_ == State::kConnecting) {
      stream.events_->on_connected(stream.connect_error_);
    } else if (stream.state_ == State::kOpen) {
      stream.stop_reading();
      stream.events_->on_broken();
    }
  }
}

void Stream::end_output() {
  if (state_ != State::kOpen || broken_ || end_output_) return;
  end_output_ = true;
  flush();
  if (queued() == 0) send_fin();
}

void Stream::send_fin() {
  if (fin_sent_ || broken_) return;
  fin_sent_ = true;
  ::shutdown(socket_of(handle_), SHUT_WR);
}

void Stream::close(bool reset) {
  if (!open()) return;
  LoopImpl& impl = loop_->impl();
  if (impl.writer == this) {
    impl.writer = nullptr;
    impl.write_used = 0;
  }
  if (in_failed_list_) {
    std::erase(impl.failed_streams, this);
    in_failed_list_ = false;
  }
  const int fd = reset ? socket_of(handle_) : -1;
  if (fd >= 0) {
    const linger at_once{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  reading_ = false;
  state_ = State::kClosing;
  uv_close(as_handle(handle_), StreamCallbacks::closed);
}

}  // namespace gw::net
