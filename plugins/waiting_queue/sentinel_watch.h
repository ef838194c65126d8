// SPDX-License-Identifier: Apache-2.0
//
// Asks a sentinel again and again who the master is. A master that was replaced while it was paused,
// or cut off from the sentinels alone, goes on answering as a master for ten seconds or more: all
// that it takes then is lost when it is told. Worker thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <gateway/plugin.hpp>
#include <string>
#include <utility>

#include "redis_connection.h"

namespace gw::queue {

class SentinelWatch {
 public:
  // `named` is called for the first master that is heard of, and whenever the sentinels have made
  // another one; never for what a sentinel says that missed an election which another one told of.
  using Named = std::function<void(const RedisHost& master)>;

  // `options.address` names sentinels.
  SentinelWatch(Context context, Worker worker, const RedisOptions& options, Named named);

  void start();

 private:
  void ask();
  void on_answer(const redisReply* reply);

  Worker worker_;
  std::string master_;
  Named named_;
  std::uint64_t election_ = 0;  // the latest heard of
  std::string master_address_, earlier_address_;
  bool asking_ = false;
  Command command_;
  Timer timer_;
  RedisConnection connection_;  // last: its end runs callbacks
};

}  // namespace gw::queue
