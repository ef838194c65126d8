// SPDX-License-Identifier: Apache-2.0
//
// The gateway as a client of Eureka: keeps the registry up to date, and keeps the gateway itself
// registered. One of each per process, on the home worker. A server that is away is no failure: the
// last registry stays in use, and it is asked again after a second, two, four, then every five.
#pragma once

#include <cstdint>
#include <functional>
#include <gateway/plugin.hpp>
#include <optional>
#include <string>

#include "eureka_protocol.h"
#include "registry.h"
#include "server_call.h"

namespace gw::router {

struct EurekaOptions {
  Servers servers;
  bool fetch = true;
  bool register_self = true;
  Self self;
  std::uint32_t fetch_interval_ms = 30000;
  std::uint32_t heartbeat_interval_ms = 30000;
  std::uint64_t max_registry_bytes = 8u << 20;
};

// When to try again.
class Backoff {
 public:
  std::uint32_t next_ms() {
    std::uint32_t now = delay_ms_;
    delay_ms_ = delay_ms_ * 2 > kMostMs ? kMostMs : delay_ms_ * 2;
    return now;
  }
  void reset() { delay_ms_ = kLeastMs; }

 private:
  static constexpr std::uint32_t kLeastMs = 1000, kMostMs = 5000;
  std::uint32_t delay_ms_ = kLeastMs;
};

// Fetches the registry: in full at first and whenever a delta does not fit, else by deltas.
class RegistryFetcher {
 public:
  // Called after a fetch that changed the registry.
  using Changed = std::function<void(const Registry&)>;
  // Called once, when the first fetch has succeeded or failed.
  using First = std::function<void()>;

  RegistryFetcher(Context context, Worker worker, EurekaOptions& options, Changed changed,
                  First first);

 private:
  void fetch();
  void fetch_full();
  void on_full(const ServerAnswer& answer);
  void on_delta(const ServerAnswer& answer);
  void succeeded();
  void failed(const std::string& why);
  void finish_round(std::uint32_t next_ms);
  void report(std::int32_t status, const std::string& description);
  void show_age();

  Context context_;
  Worker worker_;
  EurekaOptions& options_;
  Changed changed_;
  First first_;
  ServerCall call_;
  Timer timer_, age_timer_;
  Backoff backoff_;
  Registry registry_;
  bool complete_ = false;  // the registry is one that deltas can be applied to
  const std::uint64_t began_ns_;
  std::optional<std::uint64_t> last_success_ns_;
  std::string last_failure_;  // logged already
  gw_cell* instances_;
  gw_cell* age_;
  gw_cell* fetched_;
  gw_cell* fetch_failed_;
};

// Registers, sends heartbeats, and signs off.
class Registrar {
 public:
  Registrar(Context context, Worker worker, EurekaOptions& options);
  // Signs off unless a newer instance of this gateway (a reload) has registered in its place.
  void leave(std::function<void()> left);

 private:
  void sign_on();
  void beat();
  void retry(const ServerAnswer& answer, const char* what);
  void sign_off();

  Context context_;
  Worker worker_;
  EurekaOptions& options_;
  ServerCall call_;
  Timer timer_;
  Backoff backoff_;
  std::function<void()> left_;
  bool failing_ = false;
};

}  // namespace gw::router
