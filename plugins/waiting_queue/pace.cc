// SPDX-License-Identifier: Apache-2.0
#include "pace.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gw::queue {

namespace {

constexpr double kSooner = 0.7, kLater = 1.5;  // people leave early, or stay

// Whole minutes far away, less when it is near: nobody should trust the last digit.
double step_of(double seconds) {
  return seconds < 60 ? 5 : seconds < 600 ? 30 : 60;
}

}  // namespace

void Pace::admitted(std::uint64_t users, std::uint64_t now_ns) {
  turn(now_ns);
  buckets_[0] += users;
}

void Pace::turn(std::uint64_t now_ns) {
  if (began_ns_ == 0 || now_ns - began_ns_ > buckets_.size() * kBucketNs) {
    buckets_.fill(0);
    filled_ = 0;
    began_ns_ = now_ns;
  }
  for (; now_ns - began_ns_ >= kBucketNs; began_ns_ += kBucketNs) {
    std::copy_backward(buckets_.begin(), buckets_.end() - 1, buckets_.end());
    buckets_[0] = 0;
    filled_ = std::min(filled_ + 1, buckets_.size() - 1);
  }
  const std::uint64_t seen = std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
  const std::uint64_t time_ns = filled_ * kBucketNs + now_ns - began_ns_;
  const bool known = seen >= kEnough && time_ns >= kSoonestNs;
  per_second_.store(known ? static_cast<double>(seen) * 1e9 / static_cast<double>(time_ns) : 0,
                    std::memory_order_relaxed);
}

std::optional<Pace::Range> Pace::wait(std::uint64_t position) const {
  const double rate = per_second_.load(std::memory_order_relaxed);
  if (rate == 0 || position == 0) return std::nullopt;
  const double seconds = static_cast<double>(position) / rate;
  const double step = step_of(seconds);
  const auto rounded = [step](double value) { return static_cast<std::uint64_t>(value * step); };
  return Range{rounded(std::floor(seconds * kSooner / step)),
               rounded(std::ceil(seconds * kLater / step))};
}

}  // namespace gw::queue
