// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/prefetch.h"
#include "net/loop_impl.h"
#include "net/socket_calls.h"

namespace gw::net {

namespace {

constexpr int kReadsPerEvent = 4;  // of a peer that always has more
constexpr int kDrainedUntilEdges = 16;
constexpr std::size_t kOwnerBytes = 512;  // of what most streams are embedded in

uv_poll_t* as_poll(unsigned char* handle) {
  return reinterpret_cast<uv_poll_t*>(handle);
}

}  // namespace

struct StreamCallbacks {
  static Stream& self(void* handle) {
    return *reinterpret_cast<Stream*>(static_cast<char*>(handle) - offsetof(Stream, handle_));
  }
  static void polled(uv_poll_t* handle, int status, int events) {
    Stream& stream = self(handle);
    stream.loop_->impl().refresh_clock();
    if (status !=
        0) {  // the socket has an error, which the next call will tell; libuv watches no more
      stream.watched_ = stream.drained_ = 0;
      events = UV_READABLE | UV_WRITABLE;
    }
    stream.ready(events);
  }
  static void closed(uv_handle_t* handle) {
    Stream& stream = self(handle);
    stream.free_queue();
    stream.state_ = Stream::State::kNone;
    stream.events_->on_closed();
  }
};

static_assert(sizeof(uv_poll_t) <= 160 && alignof(uv_poll_t) <= 8);

// ---- Opening

void Stream::begin(Loop& loop, StreamEvents& events) {
  GW_CHECK(state_ == State::kNone);
  loop_ = &loop;
  events_ = &events;
  broken_ = above_high_water_ = end_output_ = fin_sent_ = sent_any_ = reading_ = false;
  fd_ = -1;
  connect_error_ = 0;
  watched_ = 0;
  drained_ = 0;
}

void Stream::watch(int fd) {
  const int error = fd < 0 ? -errno : uv_poll_init(&loop_->impl().uv, as_poll(handle_), fd);
  if (error == 0) {
    fd_ = fd;
    return;
  }
  if (fd >= 0) ::close(fd);
  connect_error_ = error;
}

void Stream::adopt(Loop& loop, int fd, StreamEvents& events) {
  begin(loop, events);
  state_ = State::kOpen;
  watch(fd);
  if (fd_ < 0) fail();
}

void Stream::connect(Loop& loop, const Address& address, StreamEvents& events) {
  begin(loop, events);
  sockaddr_storage target{};
  const socklen_t size = address.to_socket(target);
  const int fd = ::socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connect_to(fd, &target, size);
}

void Stream::connect_unix(Loop& loop, const char* path, StreamEvents& events) {
  begin(loop, events);
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof target.sun_path) {
    state_ = State::kConnecting;
    connect_error_ = -ENAMETOOLONG;
    return tell_later();
  }
  std::memcpy(target.sun_path, path, length + 1);
  connect_to(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), &target,
             static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) + length + 1));
}

// The owner hears the outcome at the turn's end, when the system knows it at once.
void Stream::connect_to(int fd, const void* address, std::uint32_t size) {
  state_ = State::kConnecting;
  watch(fd);
  if (fd_ >= 0 && ::connect(fd_, static_cast<const sockaddr*>(address), size) != 0) {
    if (errno == EINPROGRESS) return want(UV_WRITABLE);
    connect_error_ = -errno;
  }
  tell_later();
}

void Stream::connect_over(int error) {
  if (error == 0) state_ = State::kOpen;
  events_->on_connected(error);
}

// ---- Readiness

// Watches for these too. What is watched for in vain is left when it has happened (ready), so that
// reading that rests for a moment costs nothing.
void Stream::want(int events) {
  if ((watched_ & events) == events) return;
  watch_for(watched_ | events);
}

void Stream::watch_for(int events) {
  watched_ = static_cast<std::uint8_t>(events);
  drained_ = 0;
  const int with_end = events | ((events & UV_READABLE) != 0 ? UV_DISCONNECT : 0);
  if (events == 0) {
    uv_poll_stop(as_poll(handle_));
  } else if (uv_poll_start(as_poll(handle_), with_end, StreamCallbacks::polled) != 0) {
    fail();
  }
}

// From now on what is readable is told once, when it comes: half the work for the kernel. libuv knows
// nothing of it and takes it back in the next watch_for().
void Stream::watch_edges() {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  wanted.data.fd = fd_;
  const int poll = uv_backend_fd(&loop_->impl().uv);
  if (epoll_ctl(poll, EPOLL_CTL_MOD, fd_, &wanted) != 0) drained_ = 0;
}

void Stream::ready(int events) {
  if (state_ == State::kConnecting) {
    if (in_told_list_) return;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    connect_over(-error);
    events &= ~UV_READABLE;
  }
  const bool readable = (events & UV_READABLE) != 0 && reading_;
  // An end that came with the bytes is told in an event of its own.
  const bool drained = !readable || (read_ready() && (events & UV_DISCONNECT) == 0);
  const auto owes = [this] { return queue_ != nullptr && !broken_; };
  if ((events & UV_WRITABLE) != 0 && state_ == State::kOpen && owes()) write_queue();
  if (state_ != State::kOpen) return;
  const int wanted = (reading_ ? UV_READABLE : 0) | (owes() ? UV_WRITABLE : 0);
  const int in_vain = watched_ & events & ~wanted;
  if (in_vain != 0) {
    watch_for(watched_ & ~in_vain);
  } else if (!drained) {
    if (drained_ == kDrainedUntilEdges) watch_for(watched_);
    drained_ = 0;
  } else if (readable && watched_ == UV_READABLE && drained_ < kDrainedUntilEdges) {
    if (++drained_ == kDrainedUntilEdges) watch_edges();
  }
  if (!broken_ && wanted != 0) want(wanted);
}

void Stream::start_reading() {
  if (reading_ || state_ != State::kOpen || broken_) return;
  reading_ = true;
  want(UV_READABLE);
}

void Stream::stop_reading() {
  reading_ = false;
}

// ---- Reading

// True: no byte is left (but perhaps an end).
bool Stream::read_ready() {
  char* buffer = loop_->impl().read_buffer.get();
  base::prefetch(events_, kOwnerBytes);  // while the kernel copies
  for (int i = 0; i < kReadsPerEvent && reading_; ++i) {
    const ssize_t size = receive(fd_, buffer, LoopImpl::kReadBytes);
    if (size > 0) {
      events_->on_data(buffer, static_cast<std::size_t>(size));
      if (static_cast<std::size_t>(size) < LoopImpl::kReadBytes) return true;
      continue;
    }
    if (size < 0 && try_again(errno)) return errno == EAGAIN;
    reading_ = false;
    if (size == 0) {
      events_->on_end();
    } else if (!broken_) {
      broken_ = true;
      events_->on_broken();
    }
    return true;
  }
  return false;
}

bool Stream::silent() const {
  char byte = 0;
  return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && try_again(errno);
}

void Stream::read_rest() {
  GW_CHECK(broken_ && state_ == State::kOpen);
  char* buffer = loop_->impl().read_buffer.get();
  reading_ = true;
  while (reading_) {
    const ssize_t size = receive(fd_, buffer, LoopImpl::kReadBytes);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;  // an end means nothing here: the error was told to the write that failed
    events_->on_data(buffer, static_cast<std::size_t>(size));
  }
  reading_ = false;
}

// ---- The end of a turn

void Stream::tell_later() {
  if (in_told_list_) return;
  in_told_list_ = true;
  loop_->impl().told_later.push_back(this);
}

// The owner hears it at the end of the turn, not inside the call that found it.
void Stream::fail() {
  broken_ = true;
  tell_later();
}

void Stream::end_of_turn(LoopImpl& impl) {
  send_all(impl);
  while (!impl.told_later.empty()) {
    Stream& stream = *impl.told_later.back();
    impl.told_later.pop_back();
    stream.in_told_list_ = false;
    if (stream.state_ == State::kConnecting) {
      stream.connect_over(stream.connect_error_);
    } else if (stream.state_ == State::kOpen) {
      stream.stop_reading();
      stream.events_->on_broken();
    } else if (stream.state_ == State::kClosing) {  // it never had a socket
      stream.state_ = State::kNone;
      stream.events_->on_closed();
    }
    if (impl.told_later.empty()) send_all(impl);  // what their owners wrote to others meanwhile
  }
}

// ---- Closing

void Stream::end_output() {
  if (state_ != State::kOpen || broken_ || end_output_) return;
  end_output_ = true;
  flush();
  if (queue_ == nullptr) send_fin();
}

void Stream::send_fin() {
  if (fin_sent_ || broken_) return;
  fin_sent_ = true;
  ::shutdown(fd_, SHUT_WR);
}

void Stream::close(bool reset) {
  if (!open()) return;
  take_gathered();
  LoopImpl& impl = loop_->impl();
  if (in_told_list_) {
    std::erase(impl.told_later, this);
    in_told_list_ = false;
  }
  reading_ = false;
  state_ = State::kClosing;
  if (fd_ < 0) return tell_later();
  if (reset) {
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), StreamCallbacks::closed);
  ::close(fd_);
  fd_ = -1;
}

}  // namespace gw::net
