// SPDX-License-Identifier: Apache-2.0
//
// What the pipeline needs of its worker's loop besides requests: deadlines, the end of a turn, and
// a way in from other threads. An interface, so that tests have their own time.
#pragma once

#include <cstdint>

namespace gw::pipeline {

class ScheduledWork {
 public:
  virtual ~ScheduledWork() = default;
  virtual void on_deadline(std::uint32_t slot) = 0;
  virtual void on_turn_end() = 0;
  virtual void on_posted() = 0;
};

// Worker's thread, except where said. Nothing is called back inside a call.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Before anything else; null: nothing is called any more, also of what is under way.
  virtual void set_work(ScheduledWork* work) = 0;
  // One deadline a slot; slots are small numbers in use again and again. Calls on_deadline(slot)
  // once, `delay_ms` from now, unless cancelled.
  virtual void start_deadline(std::uint32_t slot, std::uint32_t delay_ms) = 0;
  virtual void cancel_deadline(std::uint32_t slot) = 0;
  // on_turn_end once at the end of this turn.
  virtual void arm_turn_end() = 0;
  // [any thread] on_posted soon, once for each call.
  virtual void post() = 0;
};

}  // namespace gw::pipeline
