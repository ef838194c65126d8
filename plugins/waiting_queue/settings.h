// SPDX-License-Identifier: Apache-2.0
//
// The plugin's configuration, decoded and checked. Immutable after `read`.
#pragma once

#include <cstdint>
#include <gateway/path_pattern.hpp>
#include <gateway/plugin.hpp>
#include <optional>
#include <string>
#include <vector>

#include "redis_connection.h"
#include "store.h"

namespace gw::queue {

struct GateRule {
  std::string method;  // empty: any
  PathPattern path;
};

struct Settings {
  static constexpr std::size_t kMostNoticeBytes = 1000;

  // Throws ConfigError after complaining.
  static Settings read(const Config& config);

  bool gated(std::string_view method, std::string_view path) const;

  bool in_memory = false;
  RedisOptions redis;
  std::string key_prefix;
  Rules rules;
  bool renew_on_any = false;
  std::uint32_t missing_token_status = 404;
  std::vector<GateRule> gate;
  std::string lineup_path, status_path, stream_path, admission_path, waiting_path;
  std::uint32_t status_interval_ms = 10'000;
  bool skip_unchanged = false;  // no STATUS_UPDATE to a stream for a position that it was told last
  std::uint32_t heartbeat_ms = 30'000;
  std::uint32_t reconnect_ms = 3'000;  // what `retry:` tells clients, about
  std::string notice;                  // data of the event NOTICE to all streams; empty: none
  std::size_t max_streams = 50'000;    // per worker
  std::size_t max_streams_per_user = 8;
  std::size_t max_users = 1'000'000;      // memory store
  std::uint32_t store_down_admit_ms = 0;  // 0: refuse
};

// "redis://[user:password@]host[:port][/db]", "redis+sentinel://[user:password@]host[:port],host.../
// master[?db=n]", "redis+cluster://[user:password@]host[:port],host...", each also with "rediss" for
// TLS, or "unix:/path[?db=n]"; nothing when it is none.
std::optional<RedisAddress> parse_store(std::string_view text);

}  // namespace gw::queue
