// SPDX-License-Identifier: Apache-2.0
//
// ListenSocket: one listening address of the process, and a descriptor of it for each worker. TCP:
// every worker gets a socket of its own (SO_REUSEPORT: the kernel spreads connections), after a
// probe without that option, so that another program on the same port is an error and not a silent
// share. Unix, and inherited from the service manager: one socket, duplicated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace gw::net {

// One thread (that of the server). Its descriptors live on after it; a Unix socket's file goes with
// it.
class ListenSocket {
 public:
  // "127.0.0.1:8080", "[::1]:8080", "*:8080" (IPv6 and IPv4, where "[::]" is IPv6 alone),
  // "name:8080" (its first address), "unix:path"; port 0: the system chooses. A Unix socket file on
  // which nobody answers is replaced. `mode`: the file's permissions.
  static base::Result<std::unique_ptr<ListenSocket>> open(std::string_view address,
                                                          unsigned mode = 0660);
  // A listening stream socket that somebody else opened (and, if it is a file, removes). `fd` stays
  // the caller's.
  static base::Result<std::unique_ptr<ListenSocket>> adopt(int fd);
  ~ListenSocket();
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  // A listening descriptor, non-blocking, the caller's to close.
  base::Result<int> for_worker();
  // With the port in force: "127.0.0.1:34567", "*:34567", "unix:run/admin.sock".
  const std::string& address() const { return text_; }
  bool unix_socket() const { return unix_; }
  std::uint16_t port() const { return address_.port; }

 private:
  ListenSocket() = default;
  base::Status open_tcp(const AddressParts& parts);
  base::Status open_unix(unsigned mode);

  std::string text_;
  std::string path_;
  Address address_;
  bool unix_ = false;
  bool dual_ = false;    // IPv4 too
  bool shared_ = false;  // one socket for all workers
  int first_ = -1;       // not yet handed out, or the one that is duplicated (shared_)
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace gw::net
