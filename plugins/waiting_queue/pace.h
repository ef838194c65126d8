// SPDX-License-Identifier: Apache-2.0
//
// Pace: how fast the line moves, and so how long who stands at some position will wait, about.
// Learnt from the admissions of the last minutes; what is not known is not guessed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace gw::queue {

class Pace {
 public:
  // [home worker] So many were admitted from the line / about once a second.
  void admitted(std::uint64_t users, std::uint64_t now_ns);
  void turn(std::uint64_t now_ns);

  struct Range {
    std::uint64_t min, max;  // seconds
    bool operator==(const Range&) const = default;
  };
  // [any worker] Nothing while fewer than kEnough admissions, or less than kSoonest, were seen.
  std::optional<Range> wait(std::uint64_t position) const;

  static constexpr std::uint64_t kEnough = 10;
  static constexpr std::uint64_t kSoonestNs = 30'000'000'000;

 private:
  static constexpr std::uint64_t kBucketNs = 60'000'000'000;  // five of them are remembered

  std::array<std::uint64_t, 5> buckets_{};
  std::size_t filled_ = 0;  // buckets before the current one, which is buckets_[0]
  std::uint64_t began_ns_ = 0;
  std::atomic<double> per_second_{0};
};

}  // namespace gw::queue
