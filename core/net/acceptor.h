// SPDX-License-Identifier: Apache-2.0
//
// Acceptor: accepts connections from one listening descriptor on one loop. When descriptors run out
// it keeps the backlog from spinning: a spare descriptor takes and closes one connection, and
// accepting rests for a moment.
#pragma once

#include <cstdint>
#include <memory>

#include "net/address.h"
#include "net/loop.h"

namespace gw::net {

class Acceptor {
 public:
  // `accepted` owns the connected, non-blocking descriptor. `out_of_descriptors` (may be null) is
  // told once per rest.
  struct Events {
    void (*accepted)(void* user, int fd, const Address& peer);
    void (*out_of_descriptors)(void* user, int error);
  };
  // Owns `fd`. Null: it cannot be watched. `events` must outlive the acceptor.
  static std::unique_ptr<Acceptor> create(Loop& loop, int fd, const Events& events, void* user);
  ~Acceptor();
  // Takes what the system has accepted already: closing the descriptor would reset it.
  void accept_waiting();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  Acceptor(Loop& loop, int fd, const Events& events, void* user);
  bool accept_ready();  // true: more may wait
  void rest(int error);

  Loop& loop_;
  int fd_;
  int spare_;
  const Events& events_;
  void* user_;
  std::unique_ptr<FdWatch> watch_;
  Timer resume_;
};

}  // namespace gw::net
