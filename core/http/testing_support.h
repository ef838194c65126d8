// SPDX-License-Identifier: Apache-2.0
//
// For this room's tests: a loop in a thread of its own, sockets that talk plain bytes to it, and a
// service that follows a script. Every wait has a generous deadline and ends as soon as it can.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "http/metrics.h"
#include "http/server_connections.h"
#include "net/listen_socket.h"
#include "net/loop.h"

namespace gw::http::testing {

inline constexpr int kDeadlineMs = 30000;

// A loop in a thread; stopped and joined at the end.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() { stop(); }
  net::Loop& loop() { return loop_; }
  // Runs `work` there and waits for it.
  void run(const std::function<void()>& work) {
    std::promise<void> done;
    if (!loop_.post([&] {
          work();
          done.set_value();
        })) {
      work();
      return;
    }
    done.get_future().wait();
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }
  // Until `probe`, asked on the loop's thread, is true.
  bool wait_until(const std::function<bool()>& probe) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
    while (std::chrono::steady_clock::now() < end) {
      bool is = false;
      run([&] { is = probe(); });
      if (is) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

 private:
  net::Loop loop_;
  std::thread thread_;
};

// A blocking socket with a deadline.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~Socket() { close(); }

  static Socket connect_to(std::uint16_t port, int receive_buffer = 0) {
    Socket out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) {
      setsockopt(out.fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::connect(out.fd_, reinterpret_cast<sockaddr*>(&to), sizeof to));
    return out;
  }

  // False: the peer closed.
  bool send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_output() { ::shutdown(fd_, SHUT_WR); }
  // Resets the connection.
  void reset() {
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // Reads once; false at the end, at an error (`was_reset`) or at the deadline.
  bool receive_some() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, kDeadlineMs) <= 0) {
      ADD_FAILURE() << "nothing came; so far: " << received;
      return false;
    }
    char buffer[65536];
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
    was_reset = size < 0;
    if (size <= 0) return false;
    received.append(buffer, static_cast<std::size_t>(size));
    return true;
  }
  bool receive_until(std::string_view text) {
    while (received.find(text) == std::string::npos) {
      if (!receive_some()) return false;
    }
    return true;
  }
  bool receive_bytes(std::size_t size) {
    while (received.size() < size) {
      if (!receive_some()) return false;
    }
    return true;
  }
  const std::string& receive_all() {
    while (receive_some()) {
    }
    return received;
  }
  // The next answer with a Content-Length, taken out of `received`.
  std::string receive_answer() {
    if (!receive_until("\r\n\r\n")) return {};
    const std::size_t head = received.find("\r\n\r\n") + 4;
    std::size_t body = 0;
    const std::size_t at = received.substr(0, head).find("Content-Length: ");
    if (at != std::string::npos) body = std::stoul(received.substr(at + 16));
    if (!receive_bytes(head + body)) return {};
    std::string out = received.substr(0, head + body);
    received.erase(0, head + body);
    return out;
  }
  bool quiet_for(int ms) {
    pollfd ready{fd_, POLLIN, 0};
    return ::poll(&ready, 1, ms) == 0;
  }
  int fd() const { return fd_; }

  std::string received;
  bool was_reset = false;

 private:
  int fd_;
};

// A listening socket of the test itself: the scripted service.
class ScriptedService {
 public:
  ScriptedService() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at));
    EXPECT_EQ(0, ::listen(fd_, 64));
    socklen_t size = sizeof at;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }
  ~ScriptedService() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  Socket accept() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, kDeadlineMs) <= 0) {
      ADD_FAILURE() << "nobody connected";
      return Socket();
    }
    return Socket(::accept(fd_, nullptr, nullptr));
  }
  bool nobody_for(int ms) {
    pollfd ready{fd_, POLLIN, 0};
    return ::poll(&ready, 1, ms) == 0;
  }
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

// A server whose handler is the test's function.
class TestServer : TransactionHandler {
 public:
  using Handler = std::function<void(Transaction&)>;

  explicit TestServer(Handler handler, const ServerSettings& settings = {},
                      const ListenerInfo& listener = {.name = "main"})
      : handler_(std::move(handler)) {
    auto opened = net::ListenSocket::open("127.0.0.1:0");
    EXPECT_TRUE(opened.ok());
    socket_ = std::move(*opened);
    thread.run([&] {
      connections = std::make_unique<ServerConnections>(
          ServerConnections::Environment{thread.loop(), *this, count, metrics, clock_, {}},
          std::make_shared<const ServerSettings>(settings));
      auto fd = socket_->for_worker();
      EXPECT_TRUE(fd.ok());
      EXPECT_TRUE(connections->add_listener(*fd, listener).ok());
    });
  }
  ~TestServer() override {
    thread.run([&] { connections.reset(); });
  }
  std::uint16_t port() const { return socket_->port(); }
  Socket connect(int receive_buffer = 0) { return Socket::connect_to(port(), receive_buffer); }

  LoopThread thread;
  ConnectionCount count;
  HttpMetrics metrics;
  std::unique_ptr<ServerConnections> connections;

 private:
  void on_request(Transaction& transaction) override { handler_(transaction); }

  Handler handler_;
  base::SystemClock clock_;
  std::unique_ptr<net::ListenSocket> socket_;
};

// Answers at once, whole.
inline void answer(Transaction& transaction, std::uint16_t status, std::string_view body,
                   const std::vector<Field>& fields = {}) {
  ResponseHead head(transaction.arena());
  head.status = status;
  head.framing = Framing::kLength;
  head.content_length = body.size();
  for (const Field& field : fields) EXPECT_TRUE(head.fields.add(field.name, field.value));
  transaction.send_head(head);
  transaction.send_body(body);
  transaction.finish();
}

// Reads the body, then answers with what came: "METHOD path?query body".
class Echo final : public TransactionSink {
 public:
  explicit Echo(Transaction& transaction) : transaction_(transaction) {}
  static void serve(Transaction& transaction) {
    auto* echo = new Echo(transaction);
    transaction.set_sink(echo);
    transaction.read_body();
  }
  void on_body(std::string_view data, bool last) override {
    body_.append(data);
    if (!last) return;
    const RequestHead& head = transaction_.request();
    const std::string text = std::string(head.method) + " " + std::string(head.path) +
                             (head.has_query ? "?" + std::string(head.query) : "") + " " + body_;
    answer(transaction_, 200, text);
    delete this;
  }
  void on_writable() override {}
  void on_aborted() override { delete this; }

 private:
  Transaction& transaction_;
  std::string body_;
};

inline std::string status_of(const std::string& text) {
  return text.size() < 12 ? "none" : text.substr(9, 3);
}

}  // namespace gw::http::testing
