// SPDX-License-Identifier: Apache-2.0
//
// InheritedSockets: listening sockets that the service manager opened before it started this
// process (systemd's socket activation: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES,
// sd_listen_fds(3)).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::net {

// One thread. The descriptors stay open as long as the process.
class InheritedSockets {
 public:
  // Reads the environment, and takes the variables out of it: they are for this process alone.
  static InheritedSockets take();

  // The descriptors of that name; one without a name is called "unknown", as in systemd.
  std::vector<int> named(std::string_view name) const;
  const std::vector<std::pair<std::string, int>>& all() const { return sockets_; }

 private:
  std::vector<std::pair<std::string, int>> sockets_;
};

}  // namespace gw::net
