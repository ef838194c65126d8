// SPDX-License-Identifier: Apache-2.0
#include "server/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace gw::server {

namespace {

constexpr std::uint64_t kOwn = 64;        // of the process: log, signals, plugins' libraries
constexpr std::uint64_t kPerWorker = 64;  // listeners, loop, the plugins' own connections

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

std::uint32_t affordable_connections(std::uint64_t allowed, std::uint64_t workers) {
  const std::uint64_t fixed = kPerWorker * workers + kOwn;
  const std::uint64_t left = allowed > fixed ? (allowed - fixed) / 2 : 0;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(left, 1, std::numeric_limits<std::uint32_t>::max()));
}

std::string descriptor_shortage(std::uint64_t allowed, std::uint64_t max_connections,
                                std::uint64_t workers) {
  const std::uint64_t needed = 2 * max_connections + kPerWorker * workers + kOwn;
  if (allowed >= needed) return "";
  return "max_connections = " + std::to_string(max_connections) + " may need " +
         std::to_string(needed) + " descriptors, but only " + std::to_string(allowed) +
         " are allowed: no more than " + std::to_string(affordable_connections(allowed, workers)) +
         " connections are served; raise the limit (LimitNOFILE=, ulimit -n) or lower "
         "max_connections";
}

}  // namespace gw::server
