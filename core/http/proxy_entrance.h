// SPDX-License-Identifier: Apache-2.0
//
// ProxyEntrance: where connections of a listener that asks for PROXY headers wait for theirs. It
// takes exactly the header's bytes from the socket, so that what is behind it lets nobody notice
// that there was one.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "http/proxy_header.h"
#include "net/address.h"
#include "net/loop.h"

namespace gw::http {

struct ListenerInfo;

// One loop's thread. Its owner bounds how many connections it holds.
class ProxyEntrance {
 public:
  using Listening = std::shared_ptr<const ListenerInfo>;
  // The descriptor is the hearer's again. `turned_away`: what came is not a header, or not in time
  // (`problem` says so), or the peer left without a word (null).
  struct Events {
    void (*entered)(void* user, int fd, const ProxyHeader& header, const net::Address& peer,
                    const Listening& info);
    void (*turned_away)(void* user, int fd, const char* problem, const net::Address& peer,
                        const Listening& info);
  };
  // `events` must outlive it.
  ProxyEntrance(net::Loop& loop, const Events& events, void* user);
  ~ProxyEntrance();
  ProxyEntrance(const ProxyEntrance&) = delete;
  ProxyEntrance& operator=(const ProxyEntrance&) = delete;

  // Owns the descriptor until an event, which never comes inside this call.
  void admit(int fd, const net::Address& peer, const Listening& info, std::uint32_t timeout_ms);
  // Turns all away (null).
  void close_all();
  bool empty() const { return guests_.empty(); }

 private:
  struct Guest;
  void readable(Guest& guest);
  void turn_away(Guest& guest, const char* problem);

  net::Loop& loop_;
  const Events& events_;
  void* user_;
  std::list<Guest> guests_;
};

}  // namespace gw::http
