// SPDX-License-Identifier: Apache-2.0
//
// Worker: one thread with its loop, its connections, its pipelines and its upstream pool. They meet
// nobody else's: a connection lives and dies on one worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "config/gateway_config.h"
#include "http/metrics.h"
#include "http/server_connections.h"
#include "http/upstream.h"
#include "net/call_out.h"
#include "net/loop.h"
#include "pipeline/dispatcher.h"
#include "pipeline/loop_scheduler.h"
#include "plugin_host/host.h"

namespace gw::server {

// Made and destroyed on [main]; what is marked [worker] is called through its loop.
class Worker {
 public:
  struct Environment {
    http::ConnectionCount& count;
    base::Log log;
    std::function<void(std::string_view instance, std::string_view what)> on_misuse = {};
    std::function<void(double seconds)> on_stream_moved = {};
  };
  Worker(const Environment& environment, const config::GatewayConfig& config,
         std::shared_ptr<const http::ServerSettings> settings,
         std::uint32_t max_upstream_connections);
  // The thread must have been joined.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  net::Loop& loop() { return loop_; }
  // [any]
  const http::HttpMetrics& metrics() const { return metrics_; }
  const pipeline::PipelineMetrics& pipeline_metrics() const { return dispatcher_.metrics(); }
  void take_seat(plugin_host::Seat& seat);

  void start();
  // Ends the loop and waits for its thread. Nothing may be under way.
  void join();

  // [worker] Owns the descriptor.
  base::Status listen(int fd, const http::ListenerInfo& listener);
  // [worker] Its connections stay.
  void stop_listening(std::uint32_t index);
  // [worker] For what comes after.
  void set_settings(std::shared_ptr<const http::ServerSettings> settings,
                    std::uint32_t max_upstream_connections, const config::GatewayConfig& config);
  // [worker] No new connections; `done` once, when none is left, at the latest a moment after the
  // deadline. May be asked again for another deadline, with no `done`.
  void drain(std::uint32_t deadline_ms, std::function<void()> done);

 private:
  http::HttpMetrics metrics_;
  net::Loop loop_;
  net::LoopClock clock_{loop_};
  net::CallOutClient calls_;
  std::unique_ptr<http::UpstreamPool> upstream_;
  pipeline::LoopScheduler scheduler_;
  pipeline::Dispatcher dispatcher_;
  http::ServerConnections connections_;
  std::function<void()> drained_;
  std::thread thread_;
};

}  // namespace gw::server
