// SPDX-License-Identifier: Apache-2.0
//
// LogLimit: lets one line a second through, for what a broken neighbour causes with every request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace gw::base {

// One thread.
class LogLimit {
 public:
  // True when a line may be written now; false counts it as left out.
  bool allows(std::uint64_t now_ns) {
    if (next_ns_ > now_ns) {
      ++left_out_;
      return false;
    }
    next_ns_ = now_ns + kPauseNs;
    return true;
  }
  // Writes the line that was allowed, with how many were left out before it.
  void write(const Log& log, LogLevel level, std::string_view component, std::string line) {
    if (left_out_ > 0) line += " (and " + std::to_string(left_out_) + " more like it)";
    left_out_ = 0;
    log.write(level, component, line);
  }

 private:
  static constexpr std::uint64_t kPauseNs = 1000000000;
  std::uint64_t next_ns_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace gw::base
