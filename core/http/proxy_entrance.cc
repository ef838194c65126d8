// SPDX-License-Identifier: Apache-2.0
#include "http/proxy_entrance.h"

#include <sys/socket.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace gw::http {

struct ProxyEntrance::Guest {
  ProxyEntrance& entrance;
  int fd;
  net::Address peer;
  Listening info;
  std::list<Guest>::iterator place;
  std::string text;  // of the header, as far as it was taken from the socket
  std::unique_ptr<net::FdWatch> watch;
  net::Timer timer;

  Guest(ProxyEntrance& its, int descriptor, const net::Address& its_peer, Listening its_info)
      : entrance(its), fd(descriptor), peer(its_peer), info(std::move(its_info)) {}
};

ProxyEntrance::ProxyEntrance(net::Loop& loop, const Events& events, void* user)
    : loop_(loop), events_(events), user_(user) {}

ProxyEntrance::~ProxyEntrance() {
  close_all();
}

void ProxyEntrance::admit(int fd, const net::Address& peer, const Listening& info,
                          std::uint32_t timeout_ms) {
  Guest& guest = guests_.emplace_front(*this, fd, peer, info);
  guest.place = guests_.begin();
  guest.watch = net::FdWatch::create(
      loop_, fd, net::FdWatch::kRead,
      [](void* user, std::uint32_t) {
        auto& its = *static_cast<Guest*>(user);
        its.entrance.readable(its);
      },
      &guest);
  // Where it cannot be watched, the timer ends it.
  guest.timer.start(
      loop_, guest.watch == nullptr ? 0 : timeout_ms, 0,
      [](void* user) {
        auto& its = *static_cast<Guest*>(user);
        its.entrance.turn_away(its, "too slow a PROXY header");
      },
      &guest);
}

// Looks before it takes: the bytes behind the header are not ours.
void ProxyEntrance::readable(Guest& guest) {
  char seen[ProxyHeader::kMostBinaryBytes];
  const ssize_t size = ::recv(guest.fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return turn_away(guest, guest.text.empty() ? nullptr : "an unfinished header");
  const std::size_t before = guest.text.size();
  guest.text.append(seen, static_cast<std::size_t>(size));
  ProxyHeader header;
  const ProxyHeader::Result result = read_proxy_header(guest.text, header);
  if (result == ProxyHeader::Result::kBad) return turn_away(guest, header.problem);
  const std::size_t end = result == ProxyHeader::Result::kDone ? header.size : guest.text.size();
  (void)!::recv(guest.fd, seen, end - before, MSG_DONTWAIT);
  if (result == ProxyHeader::Result::kMore) return;
  // The watch ends before the descriptor is handed on.
  const int fd = guest.fd;
  const net::Address peer = guest.peer;
  const Listening info = std::move(guest.info);
  guests_.erase(guest.place);
  events_.entered(user_, fd, header, peer, info);
}

void ProxyEntrance::turn_away(Guest& guest, const char* problem) {
  const int fd = guest.fd;
  const net::Address peer = guest.peer;
  const Listening info = std::move(guest.info);
  guests_.erase(guest.place);
  events_.turned_away(user_, fd, problem, peer, info);
}

void ProxyEntrance::close_all() {
  while (!guests_.empty()) turn_away(guests_.front(), nullptr);
}

}  // namespace gw::http
