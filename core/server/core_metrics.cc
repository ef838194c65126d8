// SPDX-License-Identifier: Apache-2.0
#include "server/core_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string_view>

namespace gw::server {

namespace {

constexpr std::uint32_t kIntervalMs = 1000;
constexpr const char* kComponent = "gateway";

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code failed;
  double count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failed), end; !failed && at != end;
       at.increment(failed))
    ++count;
  return count;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

CoreMetrics::CoreMetrics(plugin_host::Host& host, const plugin_host::Generations& generations,
                         const plugin_host::Libraries& libraries,
                         const std::vector<std::unique_ptr<Worker>>& workers)
    : host_(host),
      generations_(generations),
      libraries_(libraries),
      workers_(workers),
      health_owner_(host.health.new_owner()) {
  gauge("process_start_time_seconds", "When the process started, since 1970.",
        static_cast<double>(host.clock.wall_ms()) / 1000);
  host_.health.report(health_owner_, kComponent, base::HealthStatus::kUp, {});
  publish();
  timer_.start(
      *host_.main, kIntervalMs, kIntervalMs,
      [](void* self) { static_cast<CoreMetrics*>(self)->publish(); }, this);
}

CoreMetrics::~CoreMetrics() {
  host_.health.remove(health_owner_);
}

base::MetricCell* CoreMetrics::cell(base::MetricType type, const char* name, const char* help,
                                    const char* label, const char* value) {
  std::string key = name;
  if (label != nullptr) key += std::string("\n") + value;
  const auto [at, fresh] = cells_.try_emplace(key, nullptr);
  if (fresh) {
    base::MetricFamily family{type, name, help, {}, {}};
    std::vector<std::string_view> values;
    if (label != nullptr) {
      family.labels.emplace_back(label);
      values.emplace_back(value);
    }
    at->second = host_.metrics.cell(host_.worker_count, family, values);
  }
  return at->second;
}

void CoreMetrics::gauge(const char* name, const char* help, double value) {
  if (base::MetricCell* at = cell(base::MetricType::kGauge, name, help)) at->set(value);
}

void CoreMetrics::total(const char* name, const char* help, double value, const char* label,
                        const char* label_value) {
  std::string key = name;
  if (label != nullptr) key += std::string("\n") + label_value;
  double& before = totals_[key];
  if (base::MetricCell* at = cell(base::MetricType::kCounter, name, help, label, label_value))
    at->add(value - before);
  before = value;
}

void CoreMetrics::reloaded(bool done) {
  if (base::MetricCell* at =
          cell(base::MetricType::kCounter, "gateway_reloads_total",
               "Configurations that were to become active.", "result", done ? "done" : "refused"))
    at->add(1);
  publish();
}

void CoreMetrics::draining() {
  host_.health.report(health_owner_, kComponent, base::HealthStatus::kOutOfService,
                      R"({"reason":"draining"})");
}

void CoreMetrics::publish() {
  gauge("gateway_generation", "Number of the active generation.",
        static_cast<double>(generations_.active()));
  gauge("gateway_generations_retiring", "Old generations that exchanges still hold.",
        static_cast<double>(generations_.retiring()));
  gauge("gateway_instances_ending", "Instances that no generation uses and that are not gone yet.",
        static_cast<double>(generations_.ending()));
  gauge("gateway_libraries_stuck", "Unloaded plugins whose code stayed mapped.",
        static_cast<double>(libraries_.stuck()));
  if (watchdog_ != nullptr)
    gauge("gateway_loop_lag_seconds", "How long the slowest worker took to answer.",
          watchdog_->lag_seconds());
  publish_process();
  publish_http();
}

void CoreMetrics::publish_process() {
  gauge("process_resident_memory_bytes", "Resident memory.", resident_bytes());
  gauge("process_open_fds", "Open descriptors.", open_descriptors());
  total("process_cpu_seconds_total", "Processor time used, in user and system mode.",
        cpu_seconds());
}

void CoreMetrics::publish_http() {}

}  // namespace gw::server
