// SPDX-License-Identifier: Apache-2.0
//
// Listeners: the listening sockets of the process, as the configuration asks for them. A reload
// opens what is new before anything else changes, so that an address that cannot be had refuses the
// reload; what is gone is closed when the new generation is active.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/gateway_config.h"
#include "http/server_connections.h"
#include "net/inherited_sockets.h"
#include "net/listen_socket.h"
#include "settings/complaints.h"

namespace gw::server {

// [main]
class Listeners {
 public:
  struct One {
    config::Listener asked;
    std::shared_ptr<net::ListenSocket> socket;
    http::ListenerInfo info;
    bool fresh = true;  // no worker listens yet

    // "http://127.0.0.1:8080", "unix:/run/x.sock"
    std::string shown() const;
  };
  using Set = std::vector<One>;

  Listeners() : inherited_(net::InheritedSockets::take()) {}

  // All that `config` asks for: sockets that are open already are used again. Changes nothing; what
  // it opened closes with the set. Complains at the listener's place.
  Set prepare(const config::GatewayConfig& config, settings::Complaints& complaints);
  // Makes `next` the set in force. `add` is called for what is fresh, then `remove` for what is no
  // more.
  void activate(Set next, const std::function<void(const One&)>& add,
                const std::function<void(const One&)>& remove);

 private:
  base::Status add(const config::Listener& asked, Set& to);
  std::shared_ptr<net::ListenSocket> open_already(const config::Listener& asked) const;

  net::InheritedSockets inherited_;
  Set active_;
  std::uint32_t next_index_ = 0;
};

// Would plugins that carry over a reload have to hear that others can reach the gateway now?
bool opens_to_others(const config::GatewayConfig& running, const config::GatewayConfig& next);

}  // namespace gw::server
