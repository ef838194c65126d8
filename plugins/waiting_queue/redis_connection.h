// SPDX-License-Identifier: Apache-2.0
//
// One connection to Redis on a worker's loop, kept alive for ever: hiredis' asynchronous context
// with all that it lacks.
//
//   [ask a sentinel ->] connect [-> TLS] -> HELLO/AUTH -> SELECT -> ROLE -> ready
//   lost -> back-off -> again; the back-off begins anew only once the user said that it is `proven`
//
//   - What is sent in one turn of the loop leaves in one write at its end (gw.turn/1).
//   - A reply that does not come in time closes the connection: replies come in order, so that all
//     behind it would be late too. Each command's callback runs exactly once, with null when the
//     reply was lost.
//   - A server that is no master, or is still loading, counts as lost.
//   - Of several sentinels or servers of a cluster the next is tried after each failure; who is the
//     master is asked anew for every connection.
// Worker thread only.
#pragma once

#include <hiredis/async.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <gateway/plugin.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis_tls.h"
#include "scripts.h"

namespace gw::queue {

struct RedisOptions {
  RedisAddress address;
  std::uint32_t connect_timeout_ms = 2000;
  std::uint32_t command_timeout_ms = 1000;
  std::uint32_t reconnect_min_ms = 50;
  std::uint32_t reconnect_max_ms = 2000;
  std::size_t max_pending = 10'000;  // commands sent and not answered
  bool to_sentinel = false;          // the connection is to a sentinel, not to the master it names
};

// Of a string, a status or an error; else empty.
std::string_view text_of(const redisReply* reply);

// Why Redis Cluster is refused: for the operator.
inline constexpr std::string_view kNeedsHashTag =
    "this is a Redis Cluster, and the queue's keys are in several of its slots: key_prefix needs a "
    "hash tag, as in {concert-42}:";

class RedisConnection {
 public:
  // `reply` lives until the callback returns; null: lost.
  using Replied = void (*)(void* user_data, const redisReply* reply);
  struct Events {
    std::function<void()> on_ready;
    std::function<void(std::string_view reason)> on_lost;  // also when an attempt to connect failed
    std::function<void(std::string_view payload)> on_message;
    std::function<void()> on_subscribed;  // from now on messages come
  };

  RedisConnection(Context context, Worker worker, const RedisOptions& options, Events events);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  void start();
  bool ready() const { return state_ == State::kReady; }
  bool full() const { return pending_.size() >= options_.max_pending; }
  const std::string& server_version() const { return version_; }
  // False, and no callback, when not ready or full. Copies the words.
  bool send(const Command& command, Replied replied, void* user_data);
  // Once per connection, when ready; messages then come to on_message.
  bool subscribe(std::string_view channel);
  // Gives the connection up, for the reason, and tries again.
  void drop(std::string_view reason);
  // The master is there from now on: a connection to another server is given up, and the next ones go
  // there, whatever the sentinel says that is asked first.
  void expect_master(const RedisHost& master);
  // The server does what it should: a next failure is a first one.
  void proven() { failures_ = hops_ = 0; }
  // Goes to the server named in "MOVED <slot> <host>:<port>"; a few times in a row, then it counts
  // as lost.
  void follow(std::string_view moved);

 private:
  enum class State : std::uint8_t { kIdle, kConnecting, kGreeting, kReady, kClosing, kWaiting };
  enum class Step : std::uint8_t { kSentinelAuth, kSentinel, kHello, kAuth, kSelect, kRole };
  static constexpr std::uint32_t kMaxHops = 5;
  struct Pending {
    RedisConnection* connection;
    Replied replied;
    void* user_data;
    std::uint64_t sent_ns;
  };

  void resolve();
  bool asks_sentinel() const { return !options_.address.master.empty() && !next_; }
  void connect(const std::string& address);
  // Why the connection ended; a certificate that was refused is not in hiredis' own words.
  std::string reason_of(const redisAsyncContext* redis) const;
  void attach();
  void hop(RedisHost host);
  void on_master(const redisReply* reply);
  void greet(Step step);
  void on_greeting(Step step, const redisReply* reply);
  void on_role(const redisReply* reply);
  void become_ready();
  void lost(std::string_view reason);
  void retry_later();
  void check_time();
  bool transmit(int count, const char** words, const std::size_t* sizes, Replied replied,
                void* user_data);
  void want(std::uint32_t events);
  void on_events(std::uint32_t events);
  void write_now();
  void write();
  static void on_connected(const redisAsyncContext* context, int status);
  static void on_disconnected(const redisAsyncContext* context, int status);
  static void on_reply(redisAsyncContext* context, void* reply, void* pending);
  static void on_push(redisAsyncContext* context, void* reply, void* connection);

  Context context_;
  Worker worker_;
  RedisOptions options_;
  Events events_;
  State state_ = State::kIdle;
  Step step_ = Step::kHello;
  redisAsyncContext* redis_ = nullptr;
  std::deque<Pending> pending_;  // hiredis holds addresses of its elements
  std::string text_;             // memory for `transmit`
  std::string version_;
  std::string reason_;                 // why we gave the connection up
  std::string host_;                   // that we connect to, or are connected to
  std::optional<RedisHost> next_;      // where a sentinel or a server of the cluster sent us
  std::optional<RedisHost> expected_;  // where the master is, if more than one sentinel was asked
  std::uint32_t hops_ = 0;
  bool hopping_ = false;
  RedisTls tls_;
  std::uint64_t connecting_since_ns_ = 0;
  std::uint32_t failures_ = 0;
  std::uint32_t watched_ = 0;
  bool writing_ = false;
  Ticket watch_, turn_, resolution_;
  Timer retry_, clock_;
};

}  // namespace gw::queue
