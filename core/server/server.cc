// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "config/gateway_config.h"
#include "plugin_host/draw.h"
#include "plugin_host/generations.h"
#include "plugin_host/host_tables.h"
#include "plugin_host/workers.h"
#include "server/commands.h"
#include "server/core_metrics.h"
#include "server/descriptors.h"
#include "server/file_watch.h"
#include "server/http_settings.h"
#include "server/listeners.h"
#include "server/preflight.h"
#include "server/restart.h"
#include "server/service_manager.h"
#include "server/watchdog.h"
#include "server/worker.h"

namespace gw::server {

namespace {

using ConfigPointer = std::shared_ptr<const config::GatewayConfig>;

// While nobody watches for them they wait, in this thread and in those that it starts: the default of
// each is to end the process.
void hold_signals(int how, std::initializer_list<int> signals = {SIGHUP, SIGTERM, SIGINT}) {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : signals) sigaddset(&watched, signal);
  pthread_sigmask(how, &watched, nullptr);
}

class Server {
 public:
  Server(std::string path, ConfigPointer config, base::Log log, std::uint64_t descriptors)
      : path_(std::move(path)),
        config_(std::move(config)),
        log_(std::move(log)),
        descriptors_(descriptors) {}

  // Each step only if the one before it worked.
  ExitCode run() {
    check_descriptors();
    if (!open_listeners()) return kFailure;
    start_workers();
    watch_signals();
    main_.post([this] { activate_first(); });
    main_.run();
    stop_workers();
    log_.info("gateway", "ends");
    log_.flush();
    return failed_ ? kFailure : kSuccess;
  }

 private:
  void check_descriptors() {
    const std::string shortage =
        descriptor_shortage(descriptors_, config_->server.max_connections, config_->server.workers);
    if (!shortage.empty()) log_.warn("gateway", shortage);
  }

  bool open_listeners() {
    settings::Complaints complaints;
    opened_ = listeners_.prepare(*config_, complaints);
    if (complaints.empty()) return true;
    log_lines(complaints);
    log_.flush();
    return false;
  }

  void start_workers() {
    host_.main = &main_;
    host_.worker_count = config_->server.workers;
    host_.offload = std::make_unique<plugin_host::OffloadPool>(config_->server.offload_threads);
    const auto settings = shared_settings();
    for (std::uint32_t i = 0; i < host_.worker_count; ++i) {
      workers_.push_back(std::make_unique<Worker>(
          Worker::Environment{
              count_, log_,
              [this, i](std::string_view instance, std::string_view what) {
                count_misuse(registry_, i, instance, what);
              },
              [this, i](double seconds) { count_stream_move(registry_, i, seconds); }},
          *config_, settings, shares().upstream_per_worker));
      host_.seats.push_back(std::make_unique<plugin_host::Seat>());
      workers_.back()->take_seat(*host_.seats.back());
    }
    generations_.emplace(host_);
    for (auto& worker : workers_) worker->start();
    if (config_->server.watchdog_ms > 0)
      watchdog_.emplace(host_, config_->server.watchdog_ms,
                        [this](const gw_context* context, const pipeline::PartUse* use) {
                          generations_->held(context, use);
                        });
    metrics_.emplace(host_, *generations_, libraries_, workers_);
    metrics_->publish_lag_of(watchdog_ ? &*watchdog_ : nullptr);
  }

  DescriptorShares shares() const {
    return share_descriptors(descriptors_, config_->server.max_connections,
                             config_->server.workers);
  }

  std::shared_ptr<const http::ServerSettings> shared_settings() const {
    auto settings = std::make_shared<http::ServerSettings>(server_settings(config_));
    settings->limits.max_connections = shares().clients;
    return settings;
  }

  void watch_signals() {
    hangup_ = net::SignalWatch::create(main_, SIGHUP, [this] { reload(); });
    for (int signal : {SIGTERM, SIGINT})
      ends_.push_back(net::SignalWatch::create(main_, signal, [this] { end(); }));
    hold_signals(SIG_UNBLOCK);
  }

  void activate_first() {
    settings::Complaints complaints;
    auto blueprint = plugin_host::draw(host_, libraries_, config_, {}, complaints);
    if (!complaints.empty()) {
      log_lines(complaints);
      return fail("the configuration is not acceptable");
    }
    generations_->activate(std::move(blueprint), [this](base::Result<std::uint64_t> number) {
      if (!number) return fail(number.error());
      metrics_->reloaded(true);
      watch_files();
      listen();
    });
  }

  void fail(const std::string& why) {
    if (ending_ > 0) return;
    log_.error("gateway", "does not start: " + why);
    failed_ = true;
    ending_ = 1;
    begin_drain(0);
  }

  void listen() {
    if (ending_ > 0) return;
    activate_listeners(std::move(opened_));
    if (ending_ > 0) return;
    serving_ = true;
    log_.info("gateway", "serving");
    tell_service_manager(kReady);
    reload_if_asked();
  }

  void activate_listeners(Listeners::Set next) {
    listeners_.activate(
        std::move(next), [this](const Listeners::One& one) { listen_on(one); },
        [this](const Listeners::One& one) {
          for (auto& worker : workers_)
            worker->loop().post(
                [&worker, index = one.info.index] { worker->stop_listening(index); });
          log_.info("gateway", "no longer listening on " + one.shown());
        });
  }

  void listen_on(const Listeners::One& one) {
    for (auto& worker : workers_) {
      auto fd = one.socket->for_worker();
      if (!fd) return cannot_listen(fd.error());
      worker->loop().post([this, &worker, fd = *fd, info = one.info] {
        if (auto listens = worker->listen(fd, info); !listens)
          main_.post([this, why = listens.error()] { cannot_listen(why); });
      });
    }
    log_.info("gateway", "listening on " + one.shown());
  }

  void cannot_listen(const std::string& why) {
    if (!serving_) return fail(why);
    log_.error("gateway", why);
  }

  std::vector<std::filesystem::path> files_of(const config::GatewayConfig& config) const {
    std::vector<std::filesystem::path> files = {path_};
    for (const config::PluginConfig& plugin : config.plugins)
      if (auto file = plugin_host::plugin_file(config, plugin.file))
        files.push_back(std::move(*file));
    return files;
  }

  // The files of the active configuration, if it wants that.
  void watch_files() {
    if (!config_->server.watch_files) return file_watch_.reset();
    std::vector<std::filesystem::path> files = files_of(*config_);
    // The same watch goes on: it knows of changes that came while the reload was under way.
    if (file_watch_ && file_watch_->files() == files) return;
    auto watch = FileWatch::start(main_, std::move(files), [this] {
      log_.info("gateway", "files have changed");
      reload();
    });
    file_watch_.reset();
    if (!watch) return log_.warn("gateway", "files are not watched: " + watch.error());
    file_watch_ = std::move(*watch);
  }

  // One reload at a time; asked for during one, or during the start, another follows it.
  void reload() {
    if (ending_ > 0) return;
    if (generations_->active() == 0 || reloading_) {
      reload_again_ = true;
      generations_->give_canary_up(plugin_host::CanaryEnd::kReload, "another reload was asked for");
      return;
    }
    log_.info("gateway", "reloading " + path_);
    tell_service_manager_of_reload();
    reload_again_ = false;
    settings::Complaints complaints;
    tried_ = stamps_of({path_});
    ConfigPointer next = config::load_file(path_, load_options(), complaints);
    if (next != nullptr) complain_about_restart(*config_, *next, complaints);
    if (!complaints.empty()) return refuse(complaints);
    tried_.merge(stamps_of(files_of(*next)));
    reloading_ = true;
    const auto candidates = Preflight::candidates(*next, generations_->running());
    if (candidates.empty()) return draw(next);
    auto flight = Preflight::start(
        main_, path_, candidates, next->server.start_timeout_ms,
        [this, next](const std::optional<Preflight::Failure>& failure) { landed(next, failure); });
    if (!flight) return landed(next, Preflight::Failure{"", "was not possible: " + flight.error()});
    preflight_ = std::move(*flight);
  }

  // The preflight is over.
  void landed(const ConfigPointer& next, const std::optional<Preflight::Failure>& failure) {
    main_.post([flight = std::shared_ptr(std::move(preflight_))] {});  // it may be the caller
    const bool same = stamps_of(files_of(*next)) == tried_;
    if (!failure && same) return draw(next);
    settings::Complaints complaints;
    if (failure) {
      Preflight::complain(*failure, *next, complaints);
    } else {
      complaints.add(next->document->file, {},
                     "this file or a plugin's was changed while the new code was tried");
    }
    refuse(complaints);
  }

  void draw(const ConfigPointer& next) {
    if (ending_ > 0) return;
    settings::Complaints complaints;
    auto blueprint =
        plugin_host::draw(host_, libraries_, next, generations_->running(), complaints);
    Listeners::Set listening;
    if (complaints.empty()) listening = listeners_.prepare(*next, complaints);
    if (!complaints.empty()) return refuse(complaints);
    opened_ = std::move(listening);
    generations_->activate(std::move(blueprint), [this, next](base::Result<std::uint64_t> number) {
      reloading_ = false;
      Listeners::Set opened = std::exchange(opened_, {});
      if (!number) return reloaded(Reason{number.error()});
      config_ = next;
      log_.set_level(config_->server.log_level);
      watch_files();
      for (auto& worker : workers_)
        worker->loop().post([&worker, settings = shared_settings(),
                             upstream = shares().upstream_per_worker,
                             next] { worker->set_settings(settings, upstream, *next); });
      if (ending_ == 0) activate_listeners(std::move(opened));
      reloaded(std::nullopt);
    });
  }

  void refuse(const settings::Complaints& complaints) {
    reloading_ = false;
    log_lines(complaints);
    reloaded(Reason{"the configuration is not acceptable"});
  }

  using Reason = std::optional<std::string>;
  void reloaded(const Reason& refused) {
    metrics_->reloaded(!refused);
    tell_service_manager(kReady);
    if (refused) {
      log_.error("gateway", "reload refused: " + *refused + "; generation " +
                                std::to_string(generations_->active()) + " goes on");
    } else {
      log_.info("gateway", "reload done: generation " + std::to_string(generations_->active()));
    }
    reload_if_asked();
  }

  void reload_if_asked() {
    if (reload_again_) main_.post([this] { reload(); });
  }

  void end() {
    ++ending_;
    if (ending_ > 2) ::_exit(kFailure);
    if (ending_ == 2) {
      log_.warn("gateway", "asked to end again: cutting what is under way");
      generations_->hurry();
      for (auto& worker : workers_) worker->loop().post([&worker] { worker->drain(0, nullptr); });
      return;
    }
    log_.info("gateway",
              "draining for at most " + std::to_string(config_->server.drain_timeout_ms) + " ms");
    metrics_->draining();
    begin_drain(config_->server.drain_timeout_ms);
  }

  // Ends with end_generations, when no worker has a connection any more.
  void begin_drain(std::uint32_t deadline_ms) {
    tell_service_manager(kStopping);
    connections_left_ = workers_.size();
    for (auto& worker : workers_) {
      worker->loop().post([this, &worker, deadline_ms] {
        worker->drain(deadline_ms, [this] {
          main_.post([this] {
            if (--connections_left_ == 0) end_generations();
          });
        });
      });
    }
  }

  void end_generations() {
    generations_->shut_down([this] { main_.stop(); });
  }

  // The loops end last: until then everything could still be posted to them.
  void stop_workers() {
    watchdog_.reset();
    metrics_.reset();
    preflight_.reset();
    file_watch_.reset();
    hold_signals(SIG_BLOCK);
    hangup_.reset();
    ends_.clear();
    for (auto& worker : workers_) worker->join();
  }

  void log_lines(const settings::Complaints& complaints) {
    for (const std::string& line : complaints.lines()) log_.error("config", line);
  }

  const std::string path_;
  ConfigPointer config_;
  base::Log log_;
  const std::uint64_t descriptors_;  // that the process may open
  base::SystemClock clock_;
  base::MetricsRegistry registry_{config_->server.max_metric_series};
  base::HealthRegistry health_;
  http::ConnectionCount count_;
  net::Loop main_;
  Listeners listeners_;
  Listeners::Set opened_;  // not yet listened on
  plugin_host::Host host_{log_, clock_, registry_, health_};
  plugin_host::Libraries libraries_{log_, plugin_host::host_tables()};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<plugin_host::Generations> generations_;
  std::optional<Watchdog> watchdog_;
  std::optional<CoreMetrics> metrics_;
  std::unique_ptr<Preflight> preflight_;
  FileStamps tried_;  // what the reload under way has read
  std::unique_ptr<FileWatch> file_watch_;
  std::unique_ptr<net::SignalWatch> hangup_;
  std::vector<std::unique_ptr<net::SignalWatch>> ends_;
  std::size_t connections_left_ = 0;
  int ending_ = 0;  // how often it was asked for
  bool serving_ = false;
  bool reloading_ = false;
  bool reload_again_ = false;
  bool failed_ = false;
};

}  // namespace

ExitCode serve(const std::string& config_path) {
  hold_signals(SIG_BLOCK, {SIGHUP});  // a start that takes long can be stopped, not hung up
  // A reload reads whole libraries. Left to itself, glibc would keep that memory for later, or not,
  // as the heap happens to lie.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  const std::uint64_t descriptors = raise_descriptor_limit();
  settings::Complaints complaints;
  ConfigPointer config = config::load_file(config_path, load_options(), complaints);
  if (complaints.empty()) {
    const std::string missing = descriptors_missing(descriptors, config->server.workers);
    if (!missing.empty()) {
      std::cerr << "gateway: " << missing << "\n";
      return kFailure;
    }
    if (const auto failure = Preflight::try_all(config_path, *config))
      Preflight::complain(*failure, *config, complaints);
  }
  if (!complaints.empty()) {
    std::cerr << complaints.text();
    return kFailure;
  }
  hold_signals(SIG_BLOCK);
  base::Log log = base::Log::to_stderr(config->server.log_level);
  return Server(config_path, std::move(config), std::move(log), descriptors).run();
}

}  // namespace gw::server
