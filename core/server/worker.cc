// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <csignal>
#include <utility>

#include "server/crash_handler.h"
#include "server/http_settings.h"

namespace gw::server {

Worker::Worker(const Environment& environment, const config::GatewayConfig& config,
               std::shared_ptr<const http::ServerSettings> settings,
               std::uint32_t max_upstream_connections)
    : calls_(loop_),
      upstream_(http::make_upstream_pool(loop_, upstream_limits(config, max_upstream_connections),
                                         &metrics_)),
      scheduler_(loop_),
      dispatcher_({*upstream_, clock_, scheduler_, environment.log, environment.on_misuse,
                   environment.on_stream_moved},
                  dispatcher_options(config.server)),
      connections_({loop_, dispatcher_, environment.count, metrics_, clock_, environment.log},
                   std::move(settings)) {}

Worker::~Worker() {
  GW_CHECK(!thread_.joinable());
}

void Worker::take_seat(plugin_host::Seat& seat) {
  seat.loop = &loop_;
  seat.calls = &calls_;
  seat.dispatcher = &dispatcher_;
}

void Worker::start() {
  // Signals are the main thread's: a worker starts with all of them blocked but its own crashes,
  // for which the kernel would else ask no handler.
  sigset_t all, before;
  sigfillset(&all);
  for (int crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigdelset(&all, crash);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    const CrashStack stack;
    loop_.run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::join() {
  loop_.stop();
  thread_.join();
}

base::Status Worker::listen(int fd, const http::ListenerInfo& listener) {
  return connections_.add_listener(fd, listener);
}

void Worker::stop_listening(std::uint32_t index) {
  connections_.remove_listener(index);
}

void Worker::set_settings(std::shared_ptr<const http::ServerSettings> settings,
                          std::uint32_t max_upstream_connections,
                          const config::GatewayConfig& config) {
  dispatcher_.set_options(dispatcher_options(config.server));
  upstream_->set_limits(upstream_limits(config, max_upstream_connections));
  connections_.set_settings(std::move(settings));
}

void Worker::drain(std::uint32_t deadline_ms, std::function<void()> done) {
  if (done) drained_ = std::move(done);
  upstream_->close_idle();
  connections_.drain(deadline_ms, [this] {
    if (drained_) std::exchange(drained_, nullptr)();
  });
}

}  // namespace gw::server
