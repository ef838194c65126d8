// SPDX-License-Identifier: Apache-2.0
//
// GatewayConfig: gateway.toml as immutable values. What belongs to a plugin stays raw, with
// positions, until the plugin's manifest is there to check it. docs/configuration.md is the manual.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "config/address.h"
#include "config/messages.h"
#include "settings/checked.h"
#include "settings/document.h"
#include "settings/placeholder.h"

namespace gw::config {

struct Listener {
  std::string name;
  ListenAddress address;
  bool proxy_protocol = false;        // each connection starts with a PROXY header, v1 or v2
  std::uint32_t max_connections = 0;  // 0: as many as the process
  unsigned mode = 0660;               // of a Unix socket's file
  settings::Position position;
};

// Fields added to an answer that has none of them yet, all or none.
struct HeaderGroup {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::uint16_t> skip_status;
  bool https_only = false;
};

enum class UnderscoreHeaders { kDrop, kRefuse };

struct ServerConfig {
  std::uint32_t workers = 1;  // never 0: the number of cores is put in
  std::vector<std::string> plugin_path;

  std::uint32_t header_timeout_ms = 0;
  std::uint32_t idle_timeout_ms = 0;  // keep-alive
  std::uint32_t body_idle_timeout_ms = 0;
  std::uint32_t write_timeout_ms = 0;        // a client that does not read; also of streams
  std::uint32_t half_closed_timeout_ms = 0;  // for the answer, once the client has ended its side
  std::uint32_t websocket_idle_timeout_ms = 0;
  std::uint32_t max_header_count = 0;
  std::uint64_t max_header_bytes = 0;
  std::uint64_t max_target_bytes = 0;
  std::uint64_t max_body_bytes = 0;
  std::uint32_t max_connections = 0;  // of the process; 0: as many as descriptors are enough for
  std::uint32_t max_connections_per_peer = 0;  // 0: not bounded
  std::uint64_t max_stream_unsent_bytes = 0;

  std::uint32_t connect_timeout_ms = 0;
  std::uint32_t response_timeout_ms = 0;
  std::uint32_t upstream_body_idle_timeout_ms = 0;
  std::uint32_t upstream_idle_timeout_ms = 0;               // of a pooled connection
  std::uint32_t max_upstream_connections_per_endpoint = 0;  // per worker
  std::uint32_t max_upstream_waiting_per_endpoint = 0;      // per worker
  std::uint64_t max_upstream_header_bytes = 0;
  std::uint32_t max_upstream_header_count = 0;
  std::uint32_t resolve_refresh_ms = 0;

  std::uint32_t start_timeout_ms = 0;  // of a generation
  std::uint32_t drain_timeout_ms = 0;
  std::uint32_t watchdog_ms = 0;
  std::uint32_t offload_threads = 0;
  std::uint32_t canary_percent = 0;  // 0: reloads become active at once
  std::uint32_t canary_time_ms = 0;
  std::uint32_t canary_max_errors_percent = 0;
  bool watch_files = false;  // reload when the configuration or a plugin's file changes

  NetworkSet trusted_proxies;
  UnderscoreHeaders underscore_headers = UnderscoreHeaders::kDrop;
  bool request_id = true;
  bool forwarded = true;
  base::LogLevel log_level = base::LogLevel::kInfo;
  std::uint32_t max_metric_series = 0;
  std::vector<HeaderGroup> response_headers;
};

struct PluginConfig {
  std::string name;  // of the instance
  std::string file;
  const settings::Node* config = nullptr;  // null: no [plugin.config]
  settings::Position position;
  std::string record;  // where exchanges are written down; empty: nowhere
  std::uint32_t record_exchanges = 0;
  // Equal when file, folder and configuration (placeholders replaced) are equal. Holds secrets:
  // compare it, never print it.
  std::string fingerprint;
};

// A request goes to the first pipeline that matches. Empty members match everything.
struct PipelineConfig {
  std::vector<std::string> paths;  // patterns as Spring's PathPattern; any of them
  std::string host;                // lower case; "*.example.com" matches below it
  std::string listener;
  std::vector<std::string> filters;  // names of instances, in the order of the request
  std::vector<settings::Position> filter_positions;
  settings::Position position;
};

// Immutable once loaded; any thread.
struct GatewayConfig {
  std::shared_ptr<const settings::Document> document;  // the nodes in `plugins` are its
  settings::Environment environment;
  ServerConfig server;
  std::vector<Listener> listeners;
  std::vector<PluginConfig> plugins;
  std::vector<PipelineConfig> pipelines;
  Messages messages;

  const PluginConfig* plugin(std::string_view name) const;

  // The [plugin.config] of an instance against its plugin's schema.
  std::unique_ptr<settings::Checked> check_plugin(const PluginConfig& plugin,
                                                  const settings::Schema& schema) const;
};

struct LoadOptions {
  settings::Environment environment;  // unset: the process's
  // Used when the file names none: the plugins folder beside the program.
  std::string default_plugin_path;
  std::uint32_t cores = 0;  // for workers = 0; 0: ask the system
};

// Null after complaints. Reads the file (and the message catalogues it names), nothing else.
std::shared_ptr<const GatewayConfig> load_file(const std::string& path, const LoadOptions& options,
                                               settings::Complaints& complaints);
// The same of a text; relative paths start in `folder` (empty: the current one).
std::shared_ptr<const GatewayConfig> load_text(std::string_view text, const std::string& file,
                                               const std::string& folder,
                                               const LoadOptions& options,
                                               settings::Complaints& complaints);

}  // namespace gw::config
