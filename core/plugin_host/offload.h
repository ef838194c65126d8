// SPDX-License-Identifier: Apache-2.0
//
// Work that plugins lend to threads which all of them share (gw.offload/1). An instance is
// unloaded only after the last of its work has returned.
#pragma once

#include <gateway/plugin.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gw::plugin_host {

// Threads are made when there is work for them.
class OffloadPool {
 public:
  static constexpr std::size_t kMostWaiting = 4096;

  explicit OffloadPool(std::uint32_t threads) : most_(threads) {}
  // Ends the threads when what waits is done.
  ~OffloadPool();

  // [any] False: too much waits already, or no thread can be made.
  bool run(std::function<void()> work);

 private:
  void serve();

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::size_t idle_ = 0;
  bool over_ = false;
  std::vector<std::thread> threads_;
};

// What of one instance has not returned from the pool.
class Lent {
 public:
  void add();
  void remove();
  // Calls `done` once, on any thread, when nothing is out; true: at once.
  bool when_none(std::function<void()> done);

 private:
  std::mutex mutex_;
  std::size_t count_ = 0;
  std::function<void()> none_;
};

const gw_offload_api* offload_api();

}  // namespace gw::plugin_host
