// SPDX-License-Identifier: Apache-2.0
//
// The scheduler of a real worker: timers, turn hook and posts of its loop.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "net/loop.h"
#include "pipeline/scheduler.h"

namespace gw::pipeline {

// The loop must outlive it.
class LoopScheduler final : public Scheduler {
 public:
  explicit LoopScheduler(net::Loop& loop);
  ~LoopScheduler() override;

  void set_work(ScheduledWork* work) override;
  void start_deadline(std::uint32_t slot, std::uint32_t delay_ms) override;
  void cancel_deadline(std::uint32_t slot) override;
  void arm_turn_end() override;
  void post() override;

 private:
  struct Deadline {
    LoopScheduler* scheduler;
    std::uint32_t slot;
    net::Timer timer;
  };
  // Outlives the scheduler in posts that are still under way; `work` is touched on the worker's
  // thread only.
  struct Target {
    ScheduledWork* work = nullptr;
  };

  net::Loop& loop_;
  std::shared_ptr<Target> target_ = std::make_shared<Target>();
  net::TurnHook turn_;
  std::vector<std::unique_ptr<Deadline>> deadlines_;  // by slot, made at first use
};

}  // namespace gw::pipeline
