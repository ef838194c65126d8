// SPDX-License-Identifier: Apache-2.0
//
// What the core itself shows in the registries: generations, reloads, lag of the loops, the
// process, the workers' HTTP counters, and its own health.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "plugin_host/generations.h"
#include "plugin_host/host.h"
#include "plugin_host/library.h"
#include "server/watchdog.h"
#include "server/worker.h"

namespace gw::server {

// [worker `worker`] Rare, so that asking for the cell each time costs nothing that counts.
void count_misuse(base::MetricsRegistry& registry, std::uint32_t worker, std::string_view instance,
                  std::string_view what);
// [worker `worker`] Likewise: a stream was handed over, so long after the hand-over began there.
void count_stream_move(base::MetricsRegistry& registry, std::uint32_t worker, double seconds);

// [main] Publishes every second, as a writer of its own beside the workers.
class CoreMetrics {
 public:
  CoreMetrics(plugin_host::Host& host, const plugin_host::Generations& generations,
              const plugin_host::Libraries& libraries,
              const std::vector<std::unique_ptr<Worker>>& workers);
  ~CoreMetrics();
  CoreMetrics(const CoreMetrics&) = delete;
  CoreMetrics& operator=(const CoreMetrics&) = delete;

  void publish_lag_of(const Watchdog* watchdog) { watchdog_ = watchdog; }
  void reloaded(bool done);
  void draining();

 private:
  void publish();
  void publish_http();  // sums of the workers, like the next
  void publish_pipeline();
  template <class Metrics>
  struct Shown;
  template <class Metrics, class MetricsOf>
  void publish_sum(const Shown<Metrics>& shown, MetricsOf metrics_of);
  void publish_process();
  base::MetricCell* cell(base::MetricType type, const char* name, const char* help,
                         const char* label = nullptr, const char* value = nullptr);
  void gauge(const char* name, const char* help, double value, const char* label = nullptr,
             const char* label_value = nullptr);
  // Of a counter that is kept elsewhere: what it has grown since the last time.
  void total(const char* name, const char* help, double value, const char* label = nullptr,
             const char* label_value = nullptr);

  plugin_host::Host& host_;
  const plugin_host::Generations& generations_;
  const plugin_host::Libraries& libraries_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  const Watchdog* watchdog_ = nullptr;
  std::uint64_t health_owner_;
  std::map<std::string, base::MetricCell*> cells_;
  std::map<std::string, double> totals_;
  // Open for good: its number is then never one that a worker's connection had, whose close (a raw
  // system call of libuv's) ThreadSanitizer does not see.
  std::unique_ptr<DIR, int (*)(DIR*)> descriptors_{::opendir("/proc/self/fd"), ::closedir};
  net::Timer timer_;
};

}  // namespace gw::server
