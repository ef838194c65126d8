// SPDX-License-Identifier: Apache-2.0
#include "refresh.h"

#include <algorithm>

namespace gw::auth {
namespace {

// `value` less a random part of `share`.
std::uint32_t jittered(std::uint32_t value, std::uint32_t share, std::uint32_t random) {
  return share == 0 ? value : value - random % share;
}

}  // namespace

std::uint32_t RefreshPlan::after_success(std::uint32_t random) {
  failures_ = 0;
  return jittered(times_.interval_ms, times_.interval_ms / 10, random);
}

std::uint32_t RefreshPlan::after_failure(std::uint32_t random) {
  constexpr std::uint32_t kMaxDoublings = 20;
  std::uint64_t wait = std::uint64_t{times_.first_retry_ms} << std::min(failures_, kMaxDoublings);
  ++failures_;
  auto bounded = static_cast<std::uint32_t>(std::min<std::uint64_t>(wait, times_.max_retry_ms));
  return jittered(bounded, bounded / 2, random);
}

FetchGate::Answer FetchGate::ask(std::uint64_t now_ns) {
  if (state_.load(std::memory_order_acquire) == State::kIdle && last_failed() &&
      remaining_ms(now_ns) > 0)
    return Answer::kRefuse;
  State seen = State::kIdle;
  if (state_.compare_exchange_strong(seen, State::kWanted)) return Answer::kStart;
  return seen == State::kWanted ? Answer::kWait : Answer::kJoin;
}

std::uint32_t FetchGate::remaining_ms(std::uint64_t now_ns) const {
  std::uint64_t not_before = not_before_ns_.load(std::memory_order_acquire);
  if (now_ns >= not_before) return 0;
  return static_cast<std::uint32_t>((not_before - now_ns + 999'999) / 1'000'000);
}

void FetchGate::begun(std::uint64_t now_ns) {
  not_before_ns_.store(now_ns + cool_down_ns_, std::memory_order_release);
  state_.store(State::kUnderWay, std::memory_order_release);
}

void FetchGate::ended(bool succeeded) {
  last_failed_.store(!succeeded, std::memory_order_release);
  state_.store(State::kIdle, std::memory_order_release);
}

}  // namespace gw::auth
