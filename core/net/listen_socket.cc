// SPDX-License-Identifier: Apache-2.0
#include "net/listen_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace gw::net {

namespace {

constexpr int kBacklog = 4096;

base::Error failure(const std::string& text, std::string_view step, int error) {
  return {"cannot listen on " + text + ": " + std::string(step) + ": " + std::strerror(error)};
}

bool set(int fd, int level, int option, int value = 1) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// A socket bound to the address, or -1 and errno.
int bound_socket(const Address& address, bool dual, bool share_port) {
  sockaddr_storage target{};
  const socklen_t size = address.to_socket(target);
  const int fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  bool ok = set(fd, SOL_SOCKET, SO_REUSEADDR);
  if (ok && share_port) ok = set(fd, SOL_SOCKET, SO_REUSEPORT);
  if (ok && target.ss_family == AF_INET6) ok = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : 1);
  // Accepted sockets inherit it: no call per connection.
  if (ok) ok = set(fd, IPPROTO_TCP, TCP_NODELAY);
  if (ok) ok = bind(fd, reinterpret_cast<const sockaddr*>(&target), size) == 0;
  if (!ok) {
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

bool has_ip6() {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  close(fd);
  return true;
}

Address resolve(const AddressParts& parts) {
  if (parts.host == "*") return Address::from_ip(has_ip6() ? "::" : "0.0.0.0", parts.port);
  Address address = Address::from_ip(parts.host, parts.port);
  if (address.kind != Address::Kind::kNone) return address;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(parts.host).c_str(), nullptr, &hints, &found) != 0) return {};
  address = Address::from_socket(found->ai_addr, found->ai_addrlen);
  address.port = parts.port;
  freeaddrinfo(found);
  return address;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

// Does a program answer on that socket file?
bool answers(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const sockaddr_un target = unix_address(path);
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target);
  const bool nobody = result != 0 && (errno == ECONNREFUSED || errno == ENOENT);
  close(fd);
  return !nobody;
}

}  // namespace

base::Result<std::unique_ptr<ListenSocket>> ListenSocket::open(std::string_view address,
                                                               unsigned mode) {
  const AddressParts parts = split_address(address);
  if (!parts.ok) {
    return base::Error{"cannot listen on " + std::string(address) +
                       ": not host:port, [v6]:port or unix:path"};
  }
  std::unique_ptr<ListenSocket> socket(new ListenSocket);
  socket->text_ = address;
  socket->unix_ = socket->shared_ = parts.unix_socket;
  socket->dual_ = parts.host == "*";
  if (parts.unix_socket) socket->path_ = parts.host;
  const base::Status status = parts.unix_socket ? socket->open_unix(mode) : socket->open_tcp(parts);
  if (!status) return base::Error{status.error()};
  return socket;
}

base::Status ListenSocket::open_tcp(const AddressParts& parts) {
  address_ = resolve(parts);
  if (address_.kind == Address::Kind::kNone) {
    return base::Error{"cannot listen on " + text_ + ": no such name"};
  }
  if (address_.port != 0) {
    const int probe = bound_socket(address_, dual_, false);
    if (probe < 0) return failure(text_, "bind", errno);
    close(probe);
  }
  first_ = bound_socket(address_, dual_, true);
  if (first_ < 0) return failure(text_, "bind", errno);
  if (listen(first_, kBacklog) != 0) return failure(text_, "listen", errno);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(first_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return failure(text_, "getsockname", errno);
  }
  address_.port = Address::from_socket(reinterpret_cast<sockaddr*>(&bound), size).port;
  char text[Address::kTextBytes];
  text_ = dual_ ? "*:" + std::to_string(address_.port) : std::string(address_.text(text));
  return base::Nothing{};
}

base::Result<std::unique_ptr<ListenSocket>> ListenSocket::adopt(int fd) {
  const std::string name = "descriptor " + std::to_string(fd);
  int type = 0;
  int listens = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return failure(name, "type", errno);
  size = sizeof listens;
  if (type != SOCK_STREAM || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
      listens == 0) {
    return base::Error{"cannot listen on " + name + ": not a listening stream socket"};
  }
  sockaddr_storage bound{};
  size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return failure(name, "getsockname", errno);
  }
  std::unique_ptr<ListenSocket> socket(new ListenSocket);
  socket->address_ = Address::from_socket(reinterpret_cast<sockaddr*>(&bound), size);
  socket->unix_ = socket->address_.kind == Address::Kind::kUnix;
  socket->shared_ = true;
  if (!socket->unix_ && socket->address_.kind == Address::Kind::kNone) {
    return base::Error{"cannot listen on " + name + ": neither IP nor Unix"};
  }
  char text[Address::kTextBytes];
  socket->text_ = socket->address_.text(text);
  if (socket->unix_) {
    const auto* file = reinterpret_cast<const sockaddr_un*>(&bound);
    const std::size_t room = size - offsetof(sockaddr_un, sun_path);
    socket->text_ = "unix:" + std::string(file->sun_path, strnlen(file->sun_path, room));
  } else if (!set(fd, IPPROTO_TCP, TCP_NODELAY)) {
    return failure(name, "TCP_NODELAY", errno);
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
    return failure(name, "flags", errno);
  socket->first_ = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (socket->first_ < 0) return failure(name, "dup", errno);
  return socket;
}

base::Status ListenSocket::open_unix(unsigned mode) {
  struct stat file {};
  if (lstat(path_.c_str(), &file) == 0) {
    if (!S_ISSOCK(file.st_mode)) {
      return base::Error{"cannot listen on " + text_ + ": a file of another kind is there"};
    }
    if (answers(path_)) return base::Error{"cannot listen on " + text_ + ": already in use"};
    if (unlink(path_.c_str()) != 0) return failure(text_, "unlink", errno);
  }
  first_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (first_ < 0) return failure(text_, "socket", errno);
  const sockaddr_un target = unix_address(path_);
  if (bind(first_, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) {
    return failure(text_, "bind", errno);
  }
  if (lstat(path_.c_str(), &file) == 0) {
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
  // Nobody can connect before listen(): the permissions are in force from the first moment.
  if (chmod(path_.c_str(), mode) != 0) return failure(text_, "chmod", errno);
  if (listen(first_, kBacklog) != 0) return failure(text_, "listen", errno);
  return base::Nothing{};
}

ListenSocket::~ListenSocket() {
  if (first_ >= 0) close(first_);
  struct stat file {};
  if (inode_ != 0 && lstat(path_.c_str(), &file) == 0 && file.st_ino == inode_ &&
      file.st_dev == device_) {
    unlink(path_.c_str());
  }
}

base::Result<int> ListenSocket::for_worker() {
  if (shared_) {
    const int fd = fcntl(first_, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return failure(text_, "dup", errno);
    return fd;
  }
  if (first_ >= 0) return std::exchange(first_, -1);
  const int fd = bound_socket(address_, dual_, true);
  if (fd < 0) return failure(text_, "bind", errno);
  if (listen(fd, kBacklog) != 0) {
    const int error = errno;
    close(fd);
    return failure(text_, "listen", error);
  }
  return fd;
}

}  // namespace gw::net
