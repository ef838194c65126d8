// SPDX-License-Identifier: Apache-2.0
//
// Clock: where time comes from, so that tests can move it.
#pragma once

#include <cstdint>

namespace gw::base {

// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds from an arbitrary start; never goes back.
  virtual std::uint64_t monotonic_ns() const = 0;
  // Milliseconds since 1970-01-01T00:00:00Z; may jump.
  virtual std::int64_t wall_ms() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  std::uint64_t monotonic_ns() const override;
  std::int64_t wall_ms() const override;
};

// "2025-01-15T10:30:00.123Z" into `out` (24 characters and a final zero). Years 1970 to 9999.
void format_timestamp(std::int64_t wall_ms, char (&out)[25]);

}  // namespace gw::base
