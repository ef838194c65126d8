// SPDX-License-Identifier: Apache-2.0
#include "server/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace gw::server {

namespace {

constexpr std::uint64_t kOwn = 64;        // of the process: log, signals, plugins' libraries
constexpr std::uint64_t kPerWorker = 64;  // listeners, loop, the plugins' own connections
constexpr std::uint64_t kForServices = 1024;
constexpr std::uint64_t kMostByDefault = 65536;
constexpr std::uint32_t kFewByDefault = 256;
constexpr const char* kHowToRaise = "raise the limit (LimitNOFILE=, ulimit -n)";

std::uint64_t fixed(std::uint32_t workers) {
  return kPerWorker * workers + kOwn;
}

}  // namespace

void open_standard_descriptors() {
  int last = 0;
  do {
    last = ::open("/dev/null", O_RDWR);
  } while (last >= 0 && last <= STDERR_FILENO);
  if (last >= 0) ::close(last);
}

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

DescriptorShares share_descriptors(std::uint64_t allowed, std::uint32_t max_connections,
                                   std::uint32_t workers) {
  const std::uint64_t left = allowed > fixed(workers) ? allowed - fixed(workers) : 0;
  const std::uint64_t kept = std::max(left / 8, std::min(left / 2, kForServices));
  const std::uint64_t asked = max_connections != 0 ? max_connections : kMostByDefault;
  const std::uint64_t clients = std::clamp<std::uint64_t>(left - kept, 1, asked);
  const std::uint64_t services = (left - std::min(left, clients)) / workers;
  return {static_cast<std::uint32_t>(clients),
          static_cast<std::uint32_t>(
              std::clamp<std::uint64_t>(services, 1, std::numeric_limits<std::uint32_t>::max()))};
}

std::string descriptors_missing(std::uint64_t allowed, std::uint32_t workers) {
  const std::uint64_t needed = fixed(workers) + 2;  // one client and its service
  if (allowed >= needed) return "";
  return "only " + std::to_string(allowed) +
         " descriptors are allowed, and workers = " + std::to_string(workers) + " needs at least " +
         std::to_string(needed) + ": " + kHowToRaise;
}

std::string descriptor_shortage(std::uint64_t allowed, std::uint32_t max_connections,
                                std::uint32_t workers) {
  const DescriptorShares shares = share_descriptors(allowed, max_connections, workers);
  if (shares.clients >= (max_connections != 0 ? max_connections : kFewByDefault)) return "";
  const std::string asked =
      max_connections != 0 ? "max_connections = " + std::to_string(max_connections) + ", but " : "";
  return asked + "only " + std::to_string(allowed) + " descriptors are allowed: no more than " +
         std::to_string(shares.clients) + " connections are served; " + kHowToRaise +
         (max_connections != 0 ? " or lower max_connections" : "");
}

}  // namespace gw::server
