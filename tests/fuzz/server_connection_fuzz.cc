// SPDX-License-Identifier: Apache-2.0
//
// All of a server connection, over a real socket: requests behind each other, bodies, what is
// refused. What the handler sees must be the same however the bytes are cut up; and a client that
// leaves at once does no harm. The first byte says which answers the handler gives.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "fuzz.h"
#include "http/server_connections.h"
#include "net/loop.h"

namespace {

using namespace gw::http;

constexpr std::size_t kMostTurns = 200;

// Reads the body and answers, or answers without reading.
class Handler final : public TransactionHandler {
 public:
  class Reading final : public TransactionSink {
   public:
    Reading(Handler& handler, Transaction& transaction)
        : handler_(handler), transaction_(transaction) {}
    void on_body(std::string_view data, bool last) override {
      body_ += data;
      if (!last) return;
      handler_.seen += "body " + body_ + "\n";
      handler_.answer(transaction_);
      delete this;
    }
    void on_writable() override {}
    void on_aborted() override { delete this; }

   private:
    Handler& handler_;
    Transaction& transaction_;
    std::string body_;
  };

  void on_request(Transaction& transaction) override {
    const RequestHead& head = transaction.request();
    seen += std::string(head.method) + " " + std::string(head.path) + "\n";
    for (const Field& field : head.fields) {
      if (!same_name(field.name, "X-Request-Id")) {
        seen += std::string(field.name) + ": " + std::string(field.value) + "\n";
      }
    }
    if (mode % 2 == 1) return answer(transaction);
    transaction.set_body_limit(1000);
    transaction.set_sink(new Reading(*this, transaction));
    transaction.read_body();
  }

  std::string seen;
  unsigned char mode = 0;

 private:
  void answer(Transaction& transaction) {
    ResponseHead head(transaction.arena());
    head.status = mode % 4 < 2 ? 200 : 204;
    head.framing = mode % 8 < 4 ? Framing::kLength : Framing::kChunked;
    head.content_length = 2;
    transaction.send_head(head);
    transaction.send_body("ok");
    transaction.finish();
  }
};

class Subject {
 public:
  Subject() : connections_({loop_, handler_, count_, metrics_, clock_, {}}, settings()) {
    // An abstract name of the system's choice.
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address_.sun_family = AF_UNIX;
    GW_CHECK(bind(fd, raw_address(), sizeof(sa_family_t)) == 0 && listen(fd, 16) == 0);
    address_size_ = sizeof address_;
    GW_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address_), &address_size_) == 0);
    ListenerInfo info;
    info.name = "main";
    info.unix_socket = true;
    GW_CHECK(connections_.add_listener(fd, info).ok());
  }

  // What the handler saw of `input`.
  std::string serve(std::string_view input, unsigned char mode, gw::fuzz::Cuts* cuts) {
    handler_.seen.clear();
    handler_.mode = mode;
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    GW_CHECK(connect(client, raw_address(), address_size_) == 0);
    while (!input.empty()) {
      const std::string_view piece =
          input.substr(0, cuts == nullptr ? input.size() : cuts->next(input.size() / 4 + 4));
      const ssize_t sent = ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) break;
      if (sent > 0) input.remove_prefix(static_cast<std::size_t>(sent));
      for (int i = 0; i < 4; ++i) loop_.turn(false);
      drop_answers(client);
    }
    ::shutdown(client, SHUT_WR);
    for (std::size_t i = 0; i < kMostTurns && connections_.open() > 0; ++i) {
      loop_.turn(false);
      drop_answers(client);
    }
    close(client);
    return handler_.seen;
  }

  // The client sends what the socket takes, and is gone before any of it is read.
  void abandon(std::string_view input, unsigned char mode) {
    handler_.mode = mode;
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    GW_CHECK(connect(client, raw_address(), address_size_) == 0);
    (void)!::send(client, input.data(), input.size(), MSG_NOSIGNAL);
    close(client);
  }

 private:
  void close(int client) {
    ::close(client);
    for (std::size_t i = 0; i < kMostTurns && (i < 2 || connections_.open() > 0); ++i)
      loop_.turn(false);
    GW_CHECK(connections_.open() == 0 && count_.total() == 0);
  }
  static std::shared_ptr<const ServerSettings> settings() {
    auto out = std::make_shared<ServerSettings>();
    out->limits.max_body_bytes = 1000;
    out->limits.max_drain_bytes = 100;
    return out;
  }
  static void drop_answers(int client) {
    char answers[4096];
    while (::recv(client, answers, sizeof answers, 0) > 0) {
    }
  }
  const sockaddr* raw_address() const { return reinterpret_cast<const sockaddr*>(&address_); }

  gw::net::Loop loop_;
  Handler handler_;
  ConnectionCount count_;
  HttpMetrics metrics_;
  gw::base::SystemClock clock_;
  ServerConnections connections_;
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Subject subject;
  if (size == 0) return 0;
  const std::string_view text = gw::fuzz::text_of(data + 1, size - 1);
  gw::fuzz::Cuts cuts(text);
  const std::string whole = subject.serve(text, data[0], nullptr);
  GW_CHECK(subject.serve(text, data[0], &cuts) == whole);
  subject.abandon(text, data[0]);
  return 0;
}
