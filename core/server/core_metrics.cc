// SPDX-License-Identifier: Apache-2.0
#include "server/core_metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Of the process; `folder` is /proc/self/fd. Linux 6.2 and later say how many entries it has; to read
// them costs a millisecond for every thousand or so, each time.
double open_descriptors(DIR* folder) {
  if (folder == nullptr) return 0;
  struct stat about {};
  if (::fstat(::dirfd(folder), &about) == 0 && about.st_size > 0)
    return static_cast<double>(about.st_size);
  double count = 0;
  ::rewinddir(folder);
  while (const dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.') ++count;
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

void count_misuse(base::MetricsRegistry& registry, std::uint32_t worker, std::string_view instance,
                  std::string_view what) {
  const base::MetricFamily family{base::MetricType::kCounter,
                                  "gateway_plugin_misuse_total",
                                  "Times that a plugin broke the ABI.",
                                  {"plugin", "what"},
                                  {}};
  const std::string_view values[] = {instance, what};
  if (base::MetricCell* cell = registry.cell(worker, family, values)) cell->add(1);
}

void count_stream_move(base::MetricsRegistry& registry, std::uint32_t worker, double seconds) {
  static const base::MetricFamily kFamily{
      base::MetricType::kHistogram,
      "gateway_stream_handover_seconds",
      "Of each stream that was handed over: from the start of the hand-over on its worker.",
      {},
      {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}};
  if (base::MetricCell* cell = registry.cell(worker, kFamily, {})) cell->observe(seconds);
}

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

void CoreMetrics::gauge(const char* name, const char* help, double value, const char* label,
                        const char* label_value) {
  if (base::MetricCell* at = cell(base::MetricType::kGauge, name, help, label, label_value))
    at->set(value);
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
  gauge("gateway_canary", "Whether a new generation serves some of the requests on trial.",
        generations_.trying() ? 1 : 0);
  for (std::size_t why = 0; why < std::size(plugin_host::kCanaryEnds); ++why)
    total(
        "gateway_canaries_failed_total", "New generations that were given up on trial.",
        static_cast<double>(generations_.canaries_failed(static_cast<plugin_host::CanaryEnd>(why))),
        "reason", plugin_host::kCanaryEnds[why]);
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
  publish_pipeline();
  host_.reports.publish("plugins", generations_.describe());
}

void CoreMetrics::publish_process() {
  gauge("process_resident_memory_bytes", "Resident memory.", resident_bytes());
  gauge("process_open_fds", "Open descriptors.", open_descriptors(descriptors_.get()));
  total("process_cpu_seconds_total", "Processor time used, in user and system mode.",
        cpu_seconds());
}

template <class Metrics>
struct CoreMetrics::Shown {
  http::Counter Metrics::*counter;
  bool gauge;
  const char* name;
  const char* help;
  const char* label = nullptr;
  const char* value = nullptr;
};

// One counter, summed over the workers.
template <class Metrics, class MetricsOf>
void CoreMetrics::publish_sum(const Shown<Metrics>& shown, MetricsOf metrics_of) {
  double sum = 0;
  for (const auto& worker : workers_)
    sum += static_cast<double>((metrics_of(*worker).*shown.counter).value());
  if (shown.gauge) {
    gauge(shown.name, shown.help, sum, shown.label, shown.value);
  } else {
    total(shown.name, shown.help, sum, shown.label, shown.value);
  }
}

void CoreMetrics::publish_http() {
  using http::HttpMetrics;
  static constexpr const char* kConnections = "Connections of clients that were refused.";
  static constexpr const char* kRequests = "Requests that the core ended itself.";
  static constexpr const char* kUpstream = "Connections to services, by what they do.";
  static constexpr Shown<HttpMetrics> kAll[] = {
      {&HttpMetrics::connections_open, true, "gateway_connections", "Open connections of clients."},
      {&HttpMetrics::connections_accepted, false, "gateway_connections_total",
       "Connections of clients that were accepted."},
      {&HttpMetrics::connections_refused_total, false, "gateway_connections_refused_total",
       kConnections, "reason", "max_connections"},
      {&HttpMetrics::connections_refused_peer, false, "gateway_connections_refused_total",
       kConnections, "reason", "max_connections_per_peer"},
      {&HttpMetrics::connections_refused_listener, false, "gateway_connections_refused_total",
       kConnections, "reason", "listener_max_connections"},
      {&HttpMetrics::connections_refused_proxy_header, false, "gateway_connections_refused_total",
       kConnections, "reason", "proxy_header"},
      {&HttpMetrics::connections_idle, false, "gateway_connections_idle_closed_total",
       "Connections that were closed because no request came."},
      {&HttpMetrics::accept_pauses, false, "gateway_accept_pauses_total",
       "Times that accepting rested because descriptors ran out."},
      {&HttpMetrics::requests, false, "gateway_requests_total", "Requests whose head was whole."},
      {&HttpMetrics::requests_malformed, false, "gateway_requests_ended_total", kRequests, "reason",
       "malformed"},
      {&HttpMetrics::requests_too_large, false, "gateway_requests_ended_total", kRequests, "reason",
       "too_large"},
      {&HttpMetrics::requests_timed_out, false, "gateway_requests_ended_total", kRequests, "reason",
       "timed_out"},
      {&HttpMetrics::requests_aborted, false, "gateway_requests_ended_total", kRequests, "reason",
       "aborted"},
      {&HttpMetrics::streams_open, true, "gateway_streams", "Open streams."},
      {&HttpMetrics::streams_too_slow, false, "gateway_streams_too_slow_total",
       "Streams that were closed because the client did not read."},
      {&HttpMetrics::streams_full, false, "gateway_streams_full_total",
       "Times that as many bytes waited for a stream's client as may."},
      {&HttpMetrics::tunnels_open, true, "gateway_websockets", "Open WebSocket connections."},
      {&HttpMetrics::tunnels, false, "gateway_websockets_total",
       "WebSocket connections that services accepted."},
      {&HttpMetrics::tunnels_timed_out, false, "gateway_websockets_timed_out_total",
       "WebSocket connections that were closed because nothing was said, or a side did not read."},
      {&HttpMetrics::bytes_received, false, "gateway_received_bytes_total",
       "Bytes received from clients."},
      {&HttpMetrics::bytes_sent, false, "gateway_sent_bytes_total", "Bytes sent to clients."},
      {&HttpMetrics::upstream_opened, false, "gateway_upstream_connections_opened_total",
       "Connections to services that were opened."},
      {&HttpMetrics::upstream_reused, false, "gateway_upstream_connections_reused_total",
       "Requests to services over a connection that was open already."},
      {&HttpMetrics::upstream_idle, true, "gateway_upstream_connections", kUpstream, "state",
       "idle"},
      {&HttpMetrics::upstream_busy, true, "gateway_upstream_connections", kUpstream, "state",
       "busy"},
      {&HttpMetrics::upstream_waiting, true, "gateway_upstream_waiting",
       "Requests that wait for a connection to a service."},
      {&HttpMetrics::upstream_failed, false, "gateway_upstream_failures_total",
       "Attempts at a service that failed."},
  };
  for (const auto& shown : kAll)
    publish_sum(
        shown, [](const Worker& worker) -> auto& { return worker.metrics(); });
}

void CoreMetrics::publish_pipeline() {
  using pipeline::PipelineMetrics;
  static constexpr const char* kHandOvers =
      "Open streams offered to the instance that took their owner's place.";
  static constexpr const char* kAttempts = "Repeated attempts at services, by why.";
  static constexpr Shown<PipelineMetrics> kAll[] = {
      {&PipelineMetrics::exchanges_open, true, "gateway_exchanges", "Requests being served."},
      {&PipelineMetrics::unmatched, false, "gateway_requests_unmatched_total",
       "Requests that no pipeline matched."},
      {&PipelineMetrics::pauses, false, "gateway_filter_pauses_total",
       "Times that a filter waited."},
      {&PipelineMetrics::pauses_expired, false, "gateway_filter_pauses_expired_total",
       "Waits of filters that ended at their deadline."},
      {&PipelineMetrics::attempts_repeated, false, "gateway_upstream_repeated_total", kAttempts,
       "reason", "failed"},
      {&PipelineMetrics::stale_repeated, false, "gateway_upstream_repeated_total", kAttempts,
       "reason", "stale_connection"},
      {&PipelineMetrics::answers_broken, false, "gateway_answers_broken_total",
       "Answers that could not be finished as announced."},
      {&PipelineMetrics::streams_moved, false, "gateway_streams_handed_over_total", kHandOvers,
       "result", "moved"},
      {&PipelineMetrics::streams_kept, false, "gateway_streams_handed_over_total", kHandOvers,
       "result", "kept"},
  };
  for (const auto& shown : kAll)
    publish_sum(
        shown, [](const Worker& worker) -> auto& { return worker.pipeline_metrics(); });
}

}  // namespace gw::server
