// SPDX-License-Identifier: Apache-2.0
//
// Time for tests of the pipeline: a clock that they move, and the deadlines, turns and posts of a worker.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "pipeline/scheduler.h"

namespace gw::pipeline::testing {

class FakeClock final : public base::Clock {
 public:
  std::uint64_t monotonic_ns() const override { return now_ms * 1000000; }
  std::int64_t wall_ms() const override {
    return 1767225600000 + static_cast<std::int64_t>(now_ms);
  }
  std::uint64_t now_ms = 1000;
};

class FakeScheduler final : public Scheduler {
 public:
  explicit FakeScheduler(FakeClock& clock) : clock_(clock) {}
  void set_work(ScheduledWork* work) override { work_ = work; }
  void start_deadline(std::uint32_t slot, std::uint32_t delay_ms) override {
    due_[slot] = clock_.now_ms + delay_ms;
  }
  void cancel_deadline(std::uint32_t slot) override { due_.erase(slot); }
  void arm_turn_end() override { armed_ = true; }
  void post() override {
    std::lock_guard lock(mutex_);
    ++posts_;
    posted_.notify_all();
  }

  // Ends turns until nothing is left to do.
  void run() {
    while (take_post() || std::exchange(armed_, false)) work_->on_turn_end();
  }
  void advance(std::uint64_t milliseconds) {
    for (std::uint64_t end = clock_.now_ms + milliseconds; clock_.now_ms < end;) {
      ++clock_.now_ms;
      for (auto it = due_.begin(); it != due_.end();) {
        const auto [slot, due] = *it;
        if (due > clock_.now_ms) {
          ++it;
          continue;
        }
        due_.erase(it);
        work_->on_deadline(slot);
        it = due_.begin();
      }
      run();
    }
  }
  // Another thread posts: waits for it.
  void wait_for_post() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(posted_.wait_for(lock, std::chrono::seconds(60), [&] { return posts_ > 0; }));
  }
  std::size_t deadlines() const { return due_.size(); }
  int total_posts() {
    std::lock_guard lock(mutex_);
    return total_posts_;
  }

 private:
  bool take_post() {
    {
      std::lock_guard lock(mutex_);
      if (posts_ == 0) return false;
      --posts_;
      ++total_posts_;
    }
    work_->on_posted();
    return true;
  }
  FakeClock& clock_;
  ScheduledWork* work_ = nullptr;
  std::map<std::uint32_t, std::uint64_t> due_;
  bool armed_ = false;
  std::mutex mutex_;
  std::condition_variable posted_;
  int posts_ = 0;
  int total_posts_ = 0;
};

}  // namespace gw::pipeline::testing
