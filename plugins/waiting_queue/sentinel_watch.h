// SPDX-License-Identifier: Apache-2.0
//
// Asks all sentinels again and again who the master is. A master that was replaced while it was paused,
// or cut off from the sentinels alone, goes on answering as a master for ten seconds or more: all
// that it takes then is lost when it is told. Sentinels hear of an election one after the other, so that
// the one that knows most counts. Worker thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <gateway/plugin.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis_connection.h"

namespace gw::queue {

class SentinelWatch {
 public:
  // `named` is called for the first master that is heard of, and whenever another one is named by the
  // sentinel that knows of the latest election, of those that have answered in the last ten seconds.
  using Named = std::function<void(const RedisHost& master)>;

  // `options.address` names sentinels.
  SentinelWatch(Context context, Worker worker, const RedisOptions& options, Named named);

  void start();

 private:
  // One sentinel. It is asked for the number of the last election and, right behind it, for the master:
  // its own record of the master tells of a fail-over that it leads only at the end of it.
  struct Sentinel {
    SentinelWatch* watch = nullptr;
    std::unique_ptr<RedisConnection> connection;
    int asking = 0;                       // replies awaited
    std::optional<std::uint64_t> number;  // the first of them
    std::uint64_t election = 0;
    RedisHost master;            // as of `election`, or newer
    std::uint64_t heard_ns = 0;  // when it named `master`; 0: not yet
  };

  void ask(Sentinel& sentinel);
  static void on_election(Sentinel& sentinel, const redisReply* reply);
  static void on_master(Sentinel& sentinel, const redisReply* reply);
  void choose();

  Context context_;
  Worker worker_;
  std::string master_;
  Named named_;
  RedisHost chosen_;
  Command election_command_, master_command_;
  Timer timer_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;  // last: the connections' ends run callbacks
};

}  // namespace gw::queue
