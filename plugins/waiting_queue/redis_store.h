// SPDX-License-Identifier: Apache-2.0
//
// The queue's truth in Redis, as one worker sees it: every operation is a script over one
// connection.
//
//   - Line-ups of one turn of the loop travel as one script, and so do status and gated calls.
//   - A reply that was lost is asked for again, with the same operation ids, once the connection is
//     back and while the operation's time lasts: the script then repeats what it did.
//   - NOSCRIPT sends the script's text; READONLY, LOADING and their like give the connection up;
//     MOVED is followed.
//   - A store that refuses all changes (out of memory, too few replicas, a key of another type) is
//     down, with that reason. Nothing but a probe goes there until one succeeds; so it is after each
//     new connection.
//   - All that is pending is bounded; above it operations are refused as kOverloaded.
// Worker thread only. Calls still open when the store goes are dropped.
#pragma once

#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <vector>

#include "measures.h"
#include "redis_connection.h"
#include "scripts.h"
#include "store.h"

namespace gw::queue {

class RedisStore : public Store {
 public:
  struct Events {
    std::function<void(const std::string& server_version)> on_up;
    std::function<void(std::string_view reason)> on_down;
  };

  // `scripts` and `measures` must outlive the store.
  RedisStore(Context context, Worker worker, const Scripts& scripts, Measures& measures,
             const RedisOptions& options, Events events);
  ~RedisStore() override;

  void start() { connection_.start(); }
  bool available() const override { return proven_; }
  StoreError submit(Operation operation, std::string_view user, std::string_view operation_id,
                    Done done, void* user_data) override;
  StoreError look(std::span<const std::string_view> users, Looking looking, Looked looked) override;
  void away(std::span<const std::string_view> users) override;
  StoreError tick(Ticked ticked) override;
  void expect_master(const RedisHost& master) { connection_.expect_master(master); }
  // Home worker, when up: brings the settings of this gateway; of one that has been `running` only in
  // the place of none or older ones. `told` gets what is in force.
  void configure(bool running, std::function<void(const InForce&)> told);
  // What the server says of its replicas (INFO replication); never called when it may not be asked.
  void replication(std::function<void(std::string_view)> told);

 private:
  enum class Kind : std::uint8_t {
    kLineup,
    kLook,
    kLeave,
    kAway,
    kLock,
    kUnlock,
    kTick,
    kConfigure,
    kProbe,
    kReplication
  };
  struct Item {
    std::string user, id;
    Done done = nullptr;
    void* user_data = nullptr;
  };
  struct Call {
    RedisStore* store = nullptr;
    Kind kind = Kind::kLineup;
    Operation operation = Operation::kLeaveWaiting;  // of kLeave
    bool whole = false;                              // send the script's text
    bool running = false;
    std::vector<Item> items;  // the first `size` count; the others keep their memory
    std::size_t size = 0;
    std::string renew;  // of kLook, a digit for each item
    Looking looking = Looking::kWhole;
    Looked looked;
    Ticked ticked;
    std::function<void(const InForce&)> told;
    std::function<void(std::string_view)> told_text;
    std::uint64_t deadline_ns = 0, sent_ns = 0;
  };

  Call* make(Kind kind);
  Item& add(Call& call, std::string_view user);
  void release(Call* call);
  StoreError refuse(StoreError error);
  StoreError admissible();
  void flush();
  void flush(Call*& batch);
  void build(Call& call);
  bool send(Call* call);
  void settle(Call* call, const redisReply* reply);
  void handle_error(Call* call, std::string_view error);
  void deliver(Call* call, const redisReply* reply);
  void deliver_lineups(Call* call, const redisReply* reply);
  void deliver_text(Call* call, const redisReply* reply);
  void deliver_places(Call* call, const redisReply* reply);
  void answer(Call* call, std::size_t item, const Answer& answer);
  void try_again(Call* call);
  void fail(Call* call, StoreError error);
  void complain(std::string_view error);
  void resend();
  void expire_waiting();
  static std::size_t script_of(const Call& call);
  void unlock();
  void probe();
  void on_proven();
  void hold(std::string_view reason);
  void down(std::string_view reason);

  Context context_;
  Worker worker_;
  const Scripts& scripts_;
  Measures& measures_;
  RedisOptions options_;
  Events events_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  std::vector<Call*> again_;                    // lost, to be sent once the connection is back
  Call *lineups_ = nullptr, *looks_ = nullptr;  // batches that this turn fills
  std::size_t pending_ = 0;                     // items
  std::uint32_t locked_out_ = 0;  // ticks in a row that another gateway's lock forbade
  bool proven_ = false;           // a probe succeeded, and nothing failed since
  Command command_;               // these three: memory for `build`
  std::vector<Asked> asked_;
  std::vector<std::string_view> users_;
  std::uint64_t complained_ns_ = 0;
  std::string held_for_;  // why the server is not used although it answers
  Ticket turn_;
  Timer again_timer_, probe_timer_;
  RedisConnection connection_;  // last: its end runs callbacks
};

}  // namespace gw::queue
