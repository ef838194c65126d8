// SPDX-License-Identifier: Apache-2.0
//
// A server that a test makes itself: what no real one would say, or not at that moment. Each client
// has a thread; all end with the server. For tests alone.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace gw::queue {

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  return address;
}

class FakeServer {
 public:
  // Serves one client, until it goes or `stop`; in a thread of its own. The server closes `client`.
  using Talk = std::function<void(int client, const std::atomic<bool>& stop)>;
  // What is sent back for what has come: commands are small enough to come whole. Any thread.
  using Reply = std::function<std::string(std::string_view asked)>;

  // On a Unix socket.
  FakeServer(const std::string& path, Talk talk) : talk_(std::move(talk)) {
    const sockaddr_un address = unix_address(path);
    begin(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  // On a port of loopback.
  explicit FakeServer(Talk talk) : talk_(std::move(talk)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    begin(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  ~FakeServer() {
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  static Talk answering(Reply reply) {
    return [reply = std::move(reply)](int client, const std::atomic<bool>& stop) {
      const timeval patience{0, 100'000};
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char bytes[65536];
      while (!stop) {
        const ssize_t size = recv(client, bytes, sizeof bytes, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN)) return;
        if (size < 0) continue;
        const std::string answer = reply({bytes, static_cast<std::size_t>(size)});
        if (send(client, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
      }
    };
  }

 private:
  void begin(int family, const sockaddr* address, socklen_t size) {
    listener_ = ::socket(family, SOCK_STREAM, 0);
    bind(listener_, address, size);
    listen(listener_, 8);
    thread_ = std::thread([this] { accept_all(); });
  }
  void accept_all() {
    std::vector<std::thread> clients;
    for (int client; (client = accept(listener_, nullptr, nullptr)) >= 0;)
      clients.emplace_back([this, client] {
        talk_(client, stop_);
        close(client);
      });
    for (auto& client : clients) client.join();
  }

  Talk talk_;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace gw::queue
