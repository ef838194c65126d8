// SPDX-License-Identifier: Apache-2.0
#include "net/acceptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace gw::net {

namespace {
constexpr int kAcceptsPerTurn = 64;
constexpr int kTurnsOfBacklog = 64;  // as many as a listening socket holds
constexpr std::uint32_t kRestMs = 100;

int open_spare() {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}
}  // namespace

Acceptor::Acceptor(Loop& loop, int fd, const Events& events, void* user)
    : loop_(loop), fd_(fd), spare_(open_spare()), events_(events), user_(user) {}

std::unique_ptr<Acceptor> Acceptor::create(Loop& loop, int fd, const Events& events, void* user) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(loop, fd, events, user));
  acceptor->watch_ = FdWatch::create(
      loop, fd, FdWatch::kRead,
      [](void* self, std::uint32_t) { static_cast<Acceptor*>(self)->accept_ready(); },
      acceptor.get());
  if (acceptor->watch_ == nullptr) return nullptr;
  return acceptor;
}

Acceptor::~Acceptor() {
  watch_.reset();
  close(fd_);
  if (spare_ >= 0) close(spare_);
}

void Acceptor::accept_waiting() {
  for (int turn = 0; turn < kTurnsOfBacklog && accept_ready(); ++turn) {
  }
}

bool Acceptor::accept_ready() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd =
        accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      events_.accepted(user_, fd, Address::from_socket(reinterpret_cast<sockaddr*>(&peer), size));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) rest(errno);
    // Whatever else went wrong belongs to that connection (accept(2), "Error handling").
    if (errno != EINTR && errno != ECONNABORTED) return false;
  }
  return true;
}

void Acceptor::rest(int error) {
  if (spare_ >= 0) {
    close(spare_);
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    spare_ = open_spare();
  }
  watch_->update(0);
  resume_.start(
      loop_, kRestMs, 0,
      [](void* self) { static_cast<Acceptor*>(self)->watch_->update(FdWatch::kRead); }, this);
  if (events_.out_of_descriptors != nullptr) events_.out_of_descriptors(user_, error);
  errno = EMFILE;
}

}  // namespace gw::net
