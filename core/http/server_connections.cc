// SPDX-License-Identifier: Apache-2.0
#include "http/server_connections.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/prefetch.h"
#include "http/error_answer.h"
#include "http/server_connection.h"

namespace gw::http {

namespace {

constexpr std::size_t kSpareConnections = 1024;
constexpr std::size_t kSpareTransactions = 256;

// The lower half of each byte as a hexadecimal digit.
std::uint64_t hex_digits(std::uint64_t value) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  value &= 0x0f * kEach;
  const std::uint64_t letters = ((value + 6 * kEach) >> 4) & kEach;
  return value + '0' * kEach + letters * ('a' - '0' - 10);
}

// What one client can take many of: an IPv4 address, or an IPv6 network of the size that is given
// to one customer.
std::string peer_key(const net::Address& peer) {
  const bool ip4 = peer.kind == net::Address::Kind::kIp4;
  return {reinterpret_cast<const char*>(peer.bytes), ip4 ? 4U : 8U};
}

}  // namespace

bool ConnectionCount::take(std::uint32_t most) {
  if (total_.fetch_add(1, std::memory_order_relaxed) < most || most == 0) return true;
  give();
  return false;
}

bool ConnectionCount::take_peer(const net::Address& peer, std::uint32_t most) {
  if (peer.kind == net::Address::Kind::kUnix) return true;
  const std::lock_guard lock(mutex_);
  std::uint32_t& mine = peers_[peer_key(peer)];
  if (mine >= most) return false;
  ++mine;
  return true;
}

void ConnectionCount::give_peer(const net::Address& peer) {
  if (peer.kind == net::Address::Kind::kUnix) return;
  const std::lock_guard lock(mutex_);
  const auto at = peers_.find(peer_key(peer));
  if (at != peers_.end() && --at->second == 0) peers_.erase(at);
}

struct ServerConnections::Listener {
  ServerConnections& owner;
  std::shared_ptr<const ListenerInfo> info;
  std::unique_ptr<net::Acceptor> acceptor;

  static void accepted(void* self, int fd, const net::Address& peer) {
    auto& listener = *static_cast<Listener*>(self);
    listener.owner.accepted(fd, peer, listener.info);
  }
  static void out_of_descriptors(void* self, int error) {
    ServerConnections& owner = static_cast<Listener*>(self)->owner;
    owner.environment_.metrics.accept_pauses.add();
    owner.complain(owner.connection_log_, base::LogLevel::kError, [&] {
      return "cannot accept connections, will rest and try again: " +
             std::string(std::strerror(error));
    });
  }
  static constexpr net::Acceptor::Events kEvents = {accepted, out_of_descriptors};
  static constexpr ProxyEntrance::Events kEntranceEvents = {
      [](void* self, int fd, const ProxyHeader& header, const net::Address& peer,
         const Listening& its) {
        const bool told = header.source.kind != net::Address::Kind::kNone;
        static_cast<ServerConnections*>(self)->enter(fd, told ? header.source : peer,
                                                     header.destination.port, its);
      },
      [](void* self, int fd, const char* problem, const net::Address& peer, const Listening& its) {
        static_cast<ServerConnections*>(self)->turned_away(fd, peer, problem, its);
      }};
};

ServerConnections::ServerConnections(const Environment& environment,
                                     std::shared_ptr<const ServerSettings> settings)
    : environment_(environment),
      settings_(std::move(settings)),
      writer_(environment.clock),
      entrance_(environment.loop, Listener::kEntranceEvents, this),
      spare_connections_(kSpareConnections),
      spare_transactions_(kSpareTransactions),
      hook_(
          environment.loop,
          [](void* self) { static_cast<ServerConnections*>(self)->run_deferred(); }, this) {
  GW_CHECK(getrandom(random_, sizeof random_, 0) == sizeof random_);
}

ServerConnections::~ServerConnections() {
  drained_ = nullptr;
  listeners_.clear();
  entrance_.close_all();
  abort_all();
  // libuv lets go of the sockets later; the connections free themselves then.
  for (ServerConnection* connection = first_; connection != nullptr;) {
    ServerConnection* next = connection->next_;
    connection->orphan();
    connection = next;
  }
}

base::Status ServerConnections::add_listener(int fd, const ListenerInfo& info) {
  auto listener = std::make_unique<Listener>(
      Listener{*this, std::make_shared<const ListenerInfo>(info), nullptr});
  listener->acceptor =
      net::Acceptor::create(environment_.loop, fd, Listener::kEvents, listener.get());
  if (listener->acceptor == nullptr) {
    return base::Error{"cannot watch the listening socket of " + info.name};
  }
  listeners_.push_back(std::move(listener));
  return base::Nothing{};
}

void ServerConnections::remove_listener(std::uint32_t index) {
  for (const auto& listener : listeners_)
    if (listener->info->index == index) listener->acceptor->accept_waiting();
  std::erase_if(listeners_,
                [index](const auto& listener) { return listener->info->index == index; });
}

void ServerConnections::set_settings(std::shared_ptr<const ServerSettings> settings) {
  settings_ = std::move(settings);
}

void ServerConnections::accepted(int fd, const net::Address& peer, const Listening& info) {
  if (!environment_.count.take(settings_->limits.max_connections)) {
    environment_.metrics.connections_refused_total.add();
    return refuse(fd, peer, *info, "max_connections");
  }
  if (!info->share->count.take(info->share->max_connections.load(std::memory_order_relaxed))) {
    environment_.count.give();
    environment_.metrics.connections_refused_listener.add();
    return refuse(fd, peer, *info, "the listener's max_connections");
  }
  if (info->proxy_protocol) {
    entrance_.admit(fd, peer, info, settings_->limits.header_timeout_ms);
  } else {
    enter(fd, peer, 0, info);
  }
}

void ServerConnections::enter(int fd, const net::Address& client, std::uint16_t port,
                              const Listening& info) {
  const std::uint32_t most = settings_->limits.max_connections_per_peer;
  if (most != 0 && !environment_.count.take_peer(client, most)) {
    give_back(*info);
    environment_.metrics.connections_refused_peer.add();
    return refuse(fd, client, *info, "max_connections_per_peer");
  }
  environment_.metrics.connections_accepted.add();
  environment_.metrics.connections_open.add();
  ++open_;
  ServerConnection* connection = spare_connections_.make(*this, fd, client, port, info, most != 0);
  connection->next_ = first_;
  if (first_ != nullptr) first_->previous_ = connection;
  first_ = connection;
}

void ServerConnections::turned_away(int fd, const net::Address& peer, const char* problem,
                                    const Listening& info) {
  give_back(*info);
  ::close(fd);
  if (problem == nullptr) return;
  environment_.metrics.connections_refused_proxy_header.add();
  char address[net::Address::kTextBytes];
  complain(connection_log_, base::LogLevel::kWarn, [&] {
    return "closed a connection from " + std::string(peer.host_text(address)) + " to listener " +
           info->name + ": " + problem;
  });
}

void ServerConnections::give_back(const ListenerInfo& info) {
  environment_.count.give();
  info.share->count.give();
}

// 503 in one attempt: a connection too many is not worth a buffer.
void ServerConnections::refuse(int fd, const net::Address& peer, const ListenerInfo& info,
                               const char* limit) {
  char address[net::Address::kTextBytes];
  complain(connection_log_, base::LogLevel::kWarn, [&] {
    return "refused a connection from " + std::string(peer.host_text(address)) + " to listener " +
           info.name + ": " + limit + " is reached";
  });
  base::Arena arena(environment_.loop.chunks());
  ResponseHead head(arena);
  head.status = 503;
  ErrorAnswer error{503, usual_error_code(503), {}, {}, {}, environment_.clock.wall_ms()};
  if (settings_->text) error.message = settings_->text(error.code, {});
  const std::string_view body = error_body(error, arena);
  (void)(head.fields.add("Content-Type", kErrorContentType) && head.fields.add("Retry-After", "1"));
  AnswerFrame frame;
  frame.framing = OutFraming::kLength;
  frame.say_length = true;
  frame.content_length = body.size();
  frame.keep_alive = false;
  std::string answer(writer_.final_answer(head, frame, *settings_));
  answer += body;
  (void)!::send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  // Unread bytes would turn the close into a reset, which overtakes the answer.
  char unread[4096];
  (void)!::recv(fd, unread, sizeof unread, MSG_DONTWAIT);
  ::close(fd);
}

void ServerConnections::defer(ServerConnection& connection) {
  deferred_.push_back(&connection);
  hook_.arm();
}

void ServerConnections::run_deferred() {
  deferred_now_.swap(deferred_);  // those deferred meanwhile have their turn in the next pass
  const std::size_t count = deferred_now_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 2 < count) base::prefetch(*deferred_now_[i + 2]);
    if (i + 1 < count)
      base::prefetch(deferred_now_[i + 1]->transaction_, sizeof(ServerTransaction));
    deferred_now_[i]->run_deferred();
  }
  deferred_now_.clear();
}

void ServerConnections::closed(ServerConnection& connection) {
  give_back(*connection.listener_);
  if (connection.counted_per_peer_) environment_.count.give_peer(connection.peer_);
  environment_.metrics.connections_open.subtract();
  if (connection.deferred_) std::erase(deferred_, &connection);
  (connection.previous_ == nullptr ? first_ : connection.previous_->next_) = connection.next_;
  if (connection.next_ != nullptr) connection.next_->previous_ = connection.previous_;
  spare_connections_.destroy(&connection);
  --open_;
  if (open_ == 0 && draining_ && entrance_.empty()) drain_done();
}

void ServerConnections::drain(std::uint32_t deadline_ms, std::function<void()> done) {
  draining_ = true;
  drained_ = std::move(done);
  for (const auto& listener : listeners_) listener->acceptor->accept_waiting();
  listeners_.clear();
  // A connection leaves the list only when its socket is closed, which is never inside this walk.
  for (ServerConnection* at = first_; at != nullptr; at = at->next_) at->drain();
  if (open_ == 0 && entrance_.empty()) deadline_ms = 0;
  grace_timer_.start(
      environment_.loop, std::min(kDrainGraceMs, deadline_ms), 0,
      [](void* self) {
        auto& connections = *static_cast<ServerConnections*>(self);
        connections.entrance_.close_all();
        if (connections.open_ == 0) connections.drain_done();
      },
      this);
  drain_timer_.start(
      environment_.loop, deadline_ms, 0,
      [](void* self) {
        auto& connections = *static_cast<ServerConnections*>(self);
        connections.log_what_is_cut();
        connections.abort_all();
        if (connections.open_ == 0) connections.drain_done();
      },
      this);
}

void ServerConnections::drain_done() {
  grace_timer_.cancel();
  drain_timer_.cancel();
  if (drained_) std::exchange(drained_, nullptr)();
}

void ServerConnections::log_what_is_cut() {
  if (open_ == 0) return;
  complain(connection_log_, base::LogLevel::kWarn,
           [&] { return "the time to drain is over; connections cut: " + std::to_string(open_); });
}

void ServerConnections::abort_all() {
  for (ServerConnection* at = first_; at != nullptr; at = at->next_) at->abort(kStreamServerStop);
}

// xoroshiro128+; the ids must differ, not be secret.
std::string_view ServerConnections::fresh_request_id(char (&out)[32]) {
  const auto rotate = [](std::uint64_t x, int k) { return x << k | x >> (64 - k); };
  for (int half = 0; half < 2; ++half) {
    const std::uint64_t value = random_[0] + random_[1];
    random_[1] ^= random_[0];
    random_[0] = rotate(random_[0], 24) ^ random_[1] ^ random_[1] << 16;
    random_[1] = rotate(random_[1], 37);
    const std::uint64_t digits[] = {hex_digits(value), hex_digits(value >> 4)};
    std::memcpy(out + half * 16, digits, sizeof digits);
  }
  return {out, sizeof out};
}

}  // namespace gw::http
