// SPDX-License-Identifier: Apache-2.0
//
// ThreadTally: the threads that one plugin's code has started and that still run. Code must not be
// unmapped under them, and a crash on one of them should name the plugin.
//
// The program stands in front of pthread_create for this: a thread that is started while the
// starting thread's note (thread_note.h) names a tally is counted there, however it was started
// (std::thread, a C library's own), and so are the threads that it starts in turn. Sanitizers stand
// there themselves: under them nothing is counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace gw::base {

// Any thread. Each thread that is counted keeps it alive.
class ThreadTally : public std::enable_shared_from_this<ThreadTally> {
 public:
  // `label`: whose they are, for a crash.
  explicit ThreadTally(std::string label) : label_(std::move(label)) {}

  const std::string& label() const { return label_; }
  std::uint32_t running() const { return running_.load(); }
  // Waits until none runs any more, `limit_ms` at most.
  bool wait_for_none(std::uint32_t limit_ms) const;

  void add() { ++running_; }
  void remove() { --running_; }

 private:
  const std::string label_;
  std::atomic<std::uint32_t> running_{0};
};

}  // namespace gw::base
