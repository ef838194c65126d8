// SPDX-License-Identifier: Apache-2.0
//
// ServerConnections: the server side of one worker. Accepts on the worker's listening descriptors,
// keeps the connections, hands whole requests to the TransactionHandler.
//
// What an idle connection costs is ServerConnection (server_connection.h): a socket's handle, a
// timer and a few words. What a request needs on top (parser, arena, Transaction) comes from a free
// list and goes back when its answer is out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/result.h"
#include "http/head_parser.h"
#include "http/head_writer.h"
#include "http/metrics.h"
#include "http/proxy_entrance.h"
#include "http/server_settings.h"
#include "http/transaction.h"
#include "net/acceptor.h"
#include "net/address.h"
#include "net/free_list.h"

namespace gw::http {

class ServerConnection;
class ServerTransaction;

// How many connections the whole process has; shared by its workers. [any thread]
class ConnectionCount {
 public:
  // False: there are `most` already (0: no bound). What was taken must be given back.
  bool take(std::uint32_t most);
  void give() { total_.fetch_sub(1, std::memory_order_relaxed); }
  // The same for one peer. IPv6 peers count by /64, Unix peers not at all.
  bool take_peer(const net::Address& peer, std::uint32_t most);
  void give_peer(const net::Address& peer);
  std::uint64_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> total_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t>
      peers_;  // guarded by mutex_; of the open ones only
};

// A listener's connections on all workers. [any thread]
struct ListenerShare {
  std::atomic<std::uint32_t> max_connections{0};  // 0: no bound
  ConnectionCount count;
};

// While the process ends: for requests that are on their way to who was not told.
inline constexpr std::uint32_t kDrainGraceMs = 100;

struct ListenerInfo {
  std::string name;         // as Transaction::peer() tells it
  std::uint32_t index = 0;  // likewise; unique among those of a process
  bool unix_socket = false;
  bool proxy_protocol = false;  // every connection starts with a PROXY header
  std::shared_ptr<ListenerShare> share = std::make_shared<ListenerShare>();
};

// One per worker, on its loop's thread. What it is given must outlive it.
class ServerConnections {
 public:
  struct Environment {
    net::Loop& loop;
    TransactionHandler& handler;
    ConnectionCount& count;
    HttpMetrics& metrics;
    const base::Clock& clock;
    base::Log log;
  };
  ServerConnections(const Environment& environment, std::shared_ptr<const ServerSettings> settings);
  // Aborts what is left.
  ~ServerConnections();
  ServerConnections(const ServerConnections&) = delete;
  ServerConnections& operator=(const ServerConnections&) = delete;

  // Owns the descriptor (net::ListenSocket::for_worker), also when it fails.
  base::Status add_listener(int fd, const ListenerInfo& info);
  // Stops accepting there; its connections stay.
  void remove_listener(std::uint32_t index);
  // For what comes after; running requests may see a mixture of the old and the new limits.
  void set_settings(std::shared_ptr<const ServerSettings> settings);

  // Stops accepting, lets requests finish (Connection: close) and asks streams to end; closes idle
  // connections when a request that was on its way has come. What is left after `deadline_ms` is
  // aborted. `done` runs once, later, when no connection is left.
  void drain(std::uint32_t deadline_ms, std::function<void()> done);
  std::uint64_t open() const { return open_; }

 private:
  friend class ServerConnection;
  friend class ServerTransaction;
  struct Listener;

  using Listening = std::shared_ptr<const ListenerInfo>;

  void accepted(int fd, const net::Address& peer, const Listening& info);
  // The client is known: from the socket, or from its PROXY header.
  void enter(int fd, const net::Address& client, std::uint16_t port, const Listening& info);
  void turned_away(int fd, const net::Address& peer, const char* problem, const Listening& info);
  void refuse(int fd, const net::Address& peer, const ListenerInfo& info, const char* limit);
  // A line of the log, unless there was one of its kind in this second: who floods the gateway must
  // not flood the log. `words` makes it.
  template <class Words>
  void complain(base::LogLimit& limit, base::LogLevel level, Words words) {
    if (limit.allows(environment_.loop.now_ms() * 1000000))
      limit.write(environment_.log, level, "http", words());
  }
  void give_back(const ListenerInfo& info);
  void defer(ServerConnection& connection);
  void run_deferred();
  void closed(ServerConnection& connection);
  void drain_done();
  void log_what_is_cut();
  void abort_all();
  std::string_view fresh_request_id(char (&out)[32]);

  Environment environment_;
  std::shared_ptr<const ServerSettings> settings_;
  HeadWriter writer_;
  SharedHeadParser parser_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  ProxyEntrance entrance_;
  net::FreeList<ServerConnection> spare_connections_;
  net::FreeList<ServerTransaction> spare_transactions_;
  ServerConnection* first_ = nullptr;            // all connections
  std::vector<ServerConnection*> deferred_;      // with something to do at the end of the turn
  std::vector<ServerConnection*> deferred_now_;  // whose turn it is
  net::TurnHook hook_;
  net::Timer drain_timer_;
  net::Timer grace_timer_;
  std::function<void()> drained_;
  std::uint64_t open_ = 0;
  base::LogLimit connection_log_;
  base::LogLimit request_log_;
  base::LogLimit stream_log_;
  base::LogLimit tunnel_log_;
  base::LogLimit idle_log_;
  std::uint64_t random_[2];
  bool draining_ = false;
};

}  // namespace gw::http
