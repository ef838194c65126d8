// SPDX-License-Identifier: Apache-2.0
//
// The largest value of the last two to three minutes, as the _max of Micrometer's timers. Written
// by all workers, read by any thread, without a lock: what a race between two minutes may lose is
// one observation of a maximum that decays anyway.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace gw::metrics {

class WindowMax {
 public:
  void record(std::uint64_t value, std::uint64_t now_ns) {
    std::uint64_t minute = now_ns / kMinuteNs;
    Slot& slot = slots_[minute % slots_.size()];
    if (slot.minute.load(std::memory_order_relaxed) != minute) {
      slot.value.store(0, std::memory_order_relaxed);
      slot.minute.store(minute, std::memory_order_relaxed);
    }
    std::uint64_t seen = slot.value.load(std::memory_order_relaxed);
    while (seen < value &&
           !slot.value.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }

  std::uint64_t value(std::uint64_t now_ns) const {
    std::uint64_t minute = now_ns / kMinuteNs, largest = 0;
    for (const Slot& slot : slots_) {
      std::uint64_t held = slot.value.load(std::memory_order_relaxed);
      if (slot.minute.load(std::memory_order_relaxed) + slots_.size() > minute && held > largest)
        largest = held;
    }
    return largest;
  }

 private:
  static constexpr std::uint64_t kMinuteNs = 60'000'000'000;
  struct Slot {
    std::atomic<std::uint64_t> minute{0};
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Slot, 3> slots_;
};

}  // namespace gw::metrics
