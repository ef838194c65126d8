// SPDX-License-Identifier: Apache-2.0
//
// BodyPipe: one direction's body on its way through the filters that asked for it. Filters do not
// change bytes, they only say how many may go on, so one buffer with one mark per filter serves all
// of them; bytes that every filter lets pass at once are never copied.
#pragma once

#include <gateway/abi/filter.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::pipeline {

// What a filter's answer came to, after it was checked.
enum class Verdict : std::uint8_t { kContinue, kPause, kReplied, kMisuse };

class BodyPipe {
 public:
  // Unconsumed bytes at which nothing more should be pushed.
  static constexpr std::size_t kHighWater = 64 * 1024;

  // Neither call may destroy or reset the pipe.
  class Filters {
   public:
    virtual ~Filters() = default;
    virtual Verdict deliver(std::uint32_t step, std::string_view data, bool last,
                            std::uint64_t& consumed) = 0;
    virtual void emit(std::string_view data, bool last) = 0;
  };

  enum class State : std::uint8_t {
    kOpen,     // goes on with push
    kPaused,   // goes on with resume; push only stores
    kReplied,  // the filter `step()` answered
    kMisused,  // the filter `step()` broke the rules: `misuse()`, or null when deliver said so
    kDone      // the end has been emitted
  };

  // Forgets everything; then one add for each filter, in the order in which bytes meet them.
  void reset();
  void add(std::uint32_t step) { stages_.push_back(Stage{step}); }
  bool empty() const { return stages_.empty(); }

  State push(Filters& filters, std::string_view data, bool last);
  // The paused filter lets go on.
  State resume(Filters& filters);

  State state() const { return state_; }
  std::uint32_t step() const { return stages_[at_].step; }
  const char* misuse() const { return misuse_; }
  bool full() const { return held_.size() >= kHighWater; }

 private:
  struct Stage {
    std::uint32_t step;
    std::size_t passed = 0;   // bytes of the window that this filter let go on
    std::size_t seen = 0;     // end of the window when it was called last
    std::size_t waiting = 0;  // consumed in the call that paused: pass when it resumes
    bool seen_last = false;
    bool again = false;  // resumed: to be called with what it left
    bool done = false;   // the end went past it
  };

  State run(Filters& filters, std::string_view window);
  State offer(Filters& filters, Stage& stage, std::string_view window, std::size_t end, bool last);
  void keep(std::string_view window, std::size_t emitted);
  State misused(const char* why);

  std::vector<Stage> stages_;
  std::string held_;  // the window between calls: not yet emitted
  std::size_t at_ = 0;
  State state_ = State::kOpen;
  bool last_ = false;
  const char* misuse_ = nullptr;
};

// A pipe of an exchange, most of which have no filters of bodies: a pointer until one is added.
class SeldomPipe {
 public:
  void add(std::uint32_t step) {
    if (pipe_ == nullptr) pipe_ = std::make_unique<BodyPipe>();
    pipe_->add(step);
  }
  void reset() {
    if (pipe_ != nullptr) pipe_->reset();
  }
  bool empty() const { return pipe_ == nullptr || pipe_->empty(); }
  bool full() const { return pipe_ != nullptr && pipe_->full(); }
  BodyPipe* operator->() { return pipe_.get(); }  // while it is not empty

 private:
  std::unique_ptr<BodyPipe> pipe_;
};

}  // namespace gw::pipeline
