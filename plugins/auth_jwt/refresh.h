// SPDX-License-Identifier: Apache-2.0
//
// When keys are fetched: a plan for the home worker, and a gate by which any worker may ask for a
// fetch out of turn. Plain state machines: time and randomness are handed in.
#pragma once

#include <atomic>
#include <cstdint>

namespace gw::auth {

struct RefreshTimes {
  std::uint32_t interval_ms = 300'000;
  std::uint32_t first_retry_ms = 1'000;
  std::uint32_t max_retry_ms = 60'000;
};

// The pause until the next fetch. For one thread.
class RefreshPlan {
 public:
  explicit RefreshPlan(RefreshTimes times) : times_(times) {}
  // `random`: any 32 bits. The interval, up to a tenth less: gateways started together drift apart.
  std::uint32_t after_success(std::uint32_t random);
  // Doubles from first_retry_ms to max_retry_ms, up to half less.
  std::uint32_t after_failure(std::uint32_t random);
  std::uint32_t failures() const { return failures_; }

 private:
  RefreshTimes times_;
  std::uint32_t failures_ = 0;
};

// Lets at most one fetch begin per cool-down, however many requests bring unknown keys on however
// many workers. Asked for during the cool-down, a fetch begins at its end: a key that was published
// meanwhile is found, whatever strangers have asked for before. Any thread.
class FetchGate {
 public:
  explicit FetchGate(std::uint32_t cool_down_ms)
      : cool_down_ns_(std::uint64_t{cool_down_ms} * 1'000'000) {}

  enum class Answer {
    kStart,  // the caller must tell the home worker that a fetch is wanted
    kWait,   // one is about to begin: its end will be told
    kJoin,   // one is under way: its end will be told, but it may be too old to know the newest key
    kRefuse,  // one failed a short while ago: no use in waiting
  };
  Answer ask(std::uint64_t now_ns);

  // What is left of the cool-down, rounded up.
  std::uint32_t remaining_ms(std::uint64_t now_ns) const;
  // A fetch begins.
  void begun(std::uint64_t now_ns);
  // It is over. Must be called before anyone is told so: who finds it under way is then told later.
  void ended(bool succeeded);
  bool last_failed() const { return last_failed_.load(std::memory_order_acquire); }

 private:
  const std::uint64_t cool_down_ns_;
  enum class State : std::uint8_t { kIdle, kWanted, kUnderWay };
  std::atomic<State> state_{State::kIdle};
  std::atomic<bool> last_failed_{false};
  std::atomic<std::uint64_t> not_before_ns_{0};
};

}  // namespace gw::auth
