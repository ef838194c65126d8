// SPDX-License-Identifier: Apache-2.0
#include "timestamp.h"

#include <cstdio>
#include <ctime>

namespace gw::queue {

std::string iso_timestamp(std::int64_t wall_ms) {
  std::int64_t seconds = wall_ms / 1000, rest = wall_ms % 1000;
  if (rest < 0) rest += 1000, --seconds;
  std::time_t time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(rest));
  return text;
}

}  // namespace gw::queue
