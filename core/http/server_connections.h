// SPDX-License-Identifier: Apache-2.0
//
// ServerConnections: the server side of one worker. Accepts on the worker's listening descriptors,
// keeps the connections, hands whole requests to the TransactionHandler.
//
// What an idle connection costs is ServerConnection (server_connection.h): a socket's handle, a
// timer and a few words. What a request needs on top (parser, arena, Transaction) comes from a free
// list and goes back when its answer is out.
#pragma once

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
#include "base/result.h"
#include "http/head_writer.h"
#include "http/metrics.h"
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
  enum class Verdict { kTaken, kTotal, kPeer };
  // Bounds of 0 do not bound. IPv6 peers count by /64; Unix peers only in the total.
  Verdict take(const net::Address& peer, std::uint32_t max_total, std::uint32_t max_per_peer);
  // `per_peer`: as it was taken.
  void give(const net::Address& peer, bool per_peer);
  std::uint64_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> total_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> peers_;  // guarded by mutex_
};

// As Transaction::peer() tells it.
struct ListenerInfo {
  std::string name;
  std::uint32_t index = 0;
  bool unix_socket = false;
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
  void remove_listener(std::string_view name);
  // For what comes after; running requests may see a mixture of the old and the new limits.
  void set_settings(std::shared_ptr<const ServerSettings> settings);

  // Stops accepting, closes idle connections, lets requests finish (Connection: close) and asks
  // streams to end; what is left after `deadline_ms` is aborted. `done` runs once, later, when no
  // connection is left.
  void drain(std::uint32_t deadline_ms, std::function<void()> done);
  std::uint64_t open() const { return open_; }

 private:
  friend class ServerConnection;
  friend class ServerTransaction;
  struct Listener;

  void accepted(int fd, const net::Address& peer, const std::shared_ptr<const ListenerInfo>& info);
  void refuse(int fd);
  void defer(ServerConnection& connection);
  void run_deferred();
  void closed(ServerConnection& connection);
  void drain_done();
  void abort_all();
  std::string_view fresh_request_id(char (&out)[32]);

  Environment environment_;
  std::shared_ptr<const ServerSettings> settings_;
  HeadWriter writer_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  net::FreeList<ServerConnection> spare_connections_;
  net::FreeList<ServerTransaction> spare_transactions_;
  ServerConnection* first_ = nullptr;     // all connections
  ServerConnection* deferred_ = nullptr;  // with something to do at the end of the turn
  net::TurnHook hook_;
  net::Timer drain_timer_;
  std::function<void()> drained_;
  std::uint64_t open_ = 0;
  std::uint64_t random_[2];
  bool draining_ = false;
};

}  // namespace gw::http
