// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <chrono>
#include <cstring>
#include <ctime>

namespace gw::base {

std::uint64_t SystemClock::monotonic_ns() const {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

std::int64_t SystemClock::wall_ms() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);  // some milliseconds behind, and nearly free
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

void format_timestamp(std::int64_t wall_ms, char (&out)[25]) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(wall_ms)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  auto put = [&out](int at, int digits, std::int64_t value) {
    for (int i = at + digits - 1; i >= at; --i, value /= 10)
      out[i] = static_cast<char>('0' + value % 10);
  };
  std::memcpy(out, "0000-00-00T00:00:00.000Z", sizeof out);
  put(0, 4, static_cast<int>(date.year()));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 3, clock.subseconds().count());
}

}  // namespace gw::base
