// SPDX-License-Identifier: Apache-2.0
//
// recv and send for sockets that do not block: a count of bytes, 0 at the end, or -1 and errno. Private
// to this room.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace gw::net {

inline bool try_again(int error) {
  return error == EAGAIN || error == EINTR || error == ENOBUFS;
}

// The C library's own are cancellation points: two atomic operations around each call, for threads
// that nobody cancels. Sanitizers know only those.
#ifdef GW_SANITIZED
inline ssize_t receive(int socket, char* to, std::size_t size) {
  return ::recv(socket, to, size, MSG_DONTWAIT);
}
inline ssize_t send(int socket, std::string_view data) {
  return ::send(socket, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}
#else
inline ssize_t receive(int socket, char* to, std::size_t size) {
  return ::syscall(SYS_recvfrom, socket, to, size, MSG_DONTWAIT, nullptr, nullptr);
}
inline ssize_t send(int socket, std::string_view data) {
  return ::syscall(SYS_sendto, socket, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                   nullptr, 0);
}
#endif

}  // namespace gw::net
