// SPDX-License-Identifier: Apache-2.0
#include "server/listeners.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace gw::server {

namespace {

bool same_socket(const config::Listener& a, const config::Listener& b) {
  return a.address.text == b.address.text && a.mode == b.mode;
}

// May its connections go on as they are accepted now?
bool same(const config::Listener& a, const config::Listener& b) {
  return same_socket(a, b) && a.name == b.name && a.proxy_protocol == b.proxy_protocol;
}

bool holds(const Listeners::Set& set, std::uint32_t index) {
  return std::any_of(set.begin(), set.end(),
                     [index](const Listeners::One& one) { return one.info.index == index; });
}

bool only_this_machine(const config::GatewayConfig& config) {
  return std::all_of(config.listeners.begin(), config.listeners.end(),
                     [](const config::Listener& one) { return one.address.loopback; });
}

}  // namespace

std::string Listeners::One::shown() const {
  return (socket->unix_socket() ? "" : "http://") + socket->address() +
         (asked.address.inherited.empty() ? "" : " (" + asked.address.text + ")") +
         (asked.proxy_protocol ? " with PROXY headers" : "");
}

Listeners::Set Listeners::prepare(const config::GatewayConfig& config,
                                  settings::Complaints& complaints) {
  Set out;
  for (const config::Listener& asked : config.listeners) {
    bool kept = false;
    for (const One& one : active_) {
      if (!same(one.asked, asked) || holds(out, one.info.index)) continue;
      kept = true;
      out.push_back(one);
      out.back().asked = asked;
    }
    if (kept) continue;
    if (const base::Status added = add(asked, out); !added)
      complaints.add(config.document->file, asked.position, added.error());
  }
  return out;
}

base::Status Listeners::add(const config::Listener& asked, Set& to) {
  std::vector<std::shared_ptr<net::ListenSocket>> sockets;
  if (!asked.address.inherited.empty()) {
    for (const int fd : inherited_.named(asked.address.inherited)) {
      auto adopted = net::ListenSocket::adopt(fd);
      if (!adopted) return base::Error{adopted.error()};
      sockets.push_back(std::move(*adopted));
    }
    if (sockets.empty())
      return base::Error{"no socket named " + asked.address.inherited +
                         " was inherited (LISTEN_FDNAMES; FileDescriptorName= of a socket unit)"};
  } else if (auto socket = open_already(asked)) {
    sockets.push_back(std::move(socket));
  } else {
    std::error_code ignored;  // opening says what is wrong
    if (asked.address.is_unix)
      std::filesystem::create_directories(std::filesystem::path(asked.address.path).parent_path(),
                                          ignored);
    auto opened = net::ListenSocket::open(asked.address.text, asked.mode);
    if (!opened) return base::Error{opened.error()};
    sockets.push_back(std::move(*opened));
  }
  for (auto& socket : sockets) {
    One one;
    one.asked = asked;
    one.info.name = asked.name;
    one.info.index = next_index_++;
    one.info.unix_socket = socket->unix_socket();
    one.info.proxy_protocol = asked.proxy_protocol;
    one.socket = std::move(socket);
    to.push_back(std::move(one));
  }
  return base::Nothing{};
}

// What keeps its address and changes its name, say, keeps its socket.
std::shared_ptr<net::ListenSocket> Listeners::open_already(const config::Listener& asked) const {
  for (const One& one : active_)
    if (same_socket(one.asked, asked)) return one.socket;
  return nullptr;
}

void Listeners::activate(Set next, const std::function<void(const One&)>& add,
                         const std::function<void(const One&)>& remove) {
  const Set before = std::exchange(active_, std::move(next));
  for (One& one : active_) {
    one.info.share->max_connections = one.asked.max_connections;
    if (std::exchange(one.fresh, false)) add(one);
  }
  for (const One& one : before) {
    if (!holds(active_, one.info.index)) remove(one);
  }
}

bool opens_to_others(const config::GatewayConfig& running, const config::GatewayConfig& next) {
  return only_this_machine(running) && !only_this_machine(next);
}

}  // namespace gw::server
