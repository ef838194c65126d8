// SPDX-License-Identifier: Apache-2.0
#include "config/server_schema.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>

namespace gw::config {

namespace {

using settings::empty_array;
using settings::empty_table;
using settings::Key;
using settings::Node;
using settings::node;
using settings::Schema;
using settings::Type;

constexpr long double kMaxWorkers = 256;
// The longest that a timer takes.
constexpr long double kLongestMs = 24.0L * 3600 * 1000;

Key key(std::string name, Type type, std::optional<Node> fallback) {
  Key out;
  out.name = std::move(name);
  out.type = type;
  out.fallback = std::move(fallback);
  return out;
}

Key bounded(std::string name, Type type, Node fallback, long double minimum, long double maximum) {
  Key out = key(std::move(name), type, std::move(fallback));
  out.minimum = minimum;
  out.maximum = maximum;
  return out;
}

Key one_of(std::string name, const char* fallback, std::vector<std::string> values) {
  Key out = key(std::move(name), Type::kString, node(fallback));
  out.one_of = std::move(values);
  return out;
}

Key with_keys(Key out, Schema keys) {
  out.keys = std::move(keys);
  out.free = false;
  return out;
}

Key duration(std::string name, const char* fallback, long double minimum = 1) {
  return bounded(std::move(name), Type::kDuration, node(fallback), minimum, kLongestMs);
}

Schema header_group_schema() {
  Key status = key("skip_status", Type::kIntegers, empty_array());
  status.minimum = 200;
  status.maximum = 599;
  return {{key("set", Type::kTable, std::nullopt), std::move(status),
           key("https_only", Type::kBoolean, node(false))}};
}

// Spring Security's, as every service behind the original expects its clients to see them.
Node default_response_headers() {
  struct Field {
    const char* name;
    const char* value;
  };
  struct Group {
    std::vector<Field> fields;
    bool skip_304;
    bool https_only;
  };
  const Group groups[] = {
      {{{"Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"},
        {"Pragma", "no-cache"},
        {"Expires", "0"}},
       true,
       false},
      {{{"X-Content-Type-Options", "nosniff"}}, false, false},
      {{{"X-Frame-Options", "DENY"}}, false, false},
      {{{"X-XSS-Protection", "0"}}, false, false},
      {{{"Referrer-Policy", "no-referrer"}}, false, false},
      {{{"Strict-Transport-Security", "max-age=31536000 ; includeSubDomains"}}, false, true},
  };
  Node all = empty_array();
  for (const Group& group : groups) {
    Node set = empty_table();
    for (const Field& field : group.fields)
      set.entries.push_back({field.name, {}, node(field.value)});
    Node out = empty_table();
    out.entries.push_back({"set", {}, std::move(set)});
    out.entries.push_back({"https_only", {}, node(group.https_only)});
    Node skip = empty_array();
    if (group.skip_304) skip.elements.push_back(node(304));
    out.entries.push_back({"skip_status", {}, std::move(skip)});
    all.elements.push_back(std::move(out));
  }
  return all;
}

void add_client_keys(Schema& out) {
  auto& keys = out.keys;
  keys.push_back(key("listen", Type::kStrings, empty_array()));
  keys.push_back(duration("header_timeout", "10s"));
  keys.push_back(duration("idle_timeout", "75s"));
  keys.push_back(duration("body_idle_timeout", "30s"));
  keys.push_back(duration("write_timeout", "30s"));
  keys.push_back(duration("half_closed_timeout", "60s"));
  keys.push_back(duration("websocket_idle_timeout", "10m"));
  keys.push_back(bounded("max_header_count", Type::kInteger, node(100), 8, 1000));
  keys.push_back(bounded("max_header_bytes", Type::kSize, node("16KiB"), 1024, 1 << 20));
  keys.push_back(bounded("max_target_bytes", Type::kSize, node("8KiB"), 64, 64 << 10));
  keys.push_back(
      bounded("max_body_bytes", Type::kSize, node("10MiB"), 0, 1024.0L * 1024 * 1024 * 1024));
  keys.push_back(bounded("max_connections", Type::kInteger, node(0), 0, 10000000));
  keys.push_back(bounded("max_connections_per_peer", Type::kInteger, node(0), 0, 10000000));
  keys.push_back(bounded("max_stream_unsent_bytes", Type::kSize, node("64KiB"), 4 << 10, 64 << 20));
  keys.push_back(key("trusted_proxies", Type::kStrings, empty_array()));
  keys.push_back(one_of("underscore_headers", "drop", {"drop", "refuse"}));
  keys.push_back(key("request_id", Type::kBoolean, node(true)));
  keys.push_back(key("forwarded", Type::kBoolean, node(true)));
  keys.push_back(key("languages", Type::kStrings, node(std::vector<std::string>{"ko"})));
  keys.push_back(key("messages", Type::kPath, node("")));
  keys.push_back(with_keys(key("response_headers", Type::kTables, default_response_headers()),
                           header_group_schema()));
}

void add_upstream_keys(Schema& out) {
  auto& keys = out.keys;
  keys.push_back(duration("connect_timeout", "5s"));
  keys.push_back(duration("response_timeout", "60s"));
  keys.push_back(duration("upstream_body_idle_timeout", "60s"));
  keys.push_back(duration("upstream_idle_timeout", "30s"));
  keys.push_back(
      bounded("max_upstream_connections_per_endpoint", Type::kInteger, node(256), 1, 100000));
  keys.push_back(
      bounded("max_upstream_waiting_per_endpoint", Type::kInteger, node(1024), 0, 1000000));
  keys.push_back(bounded("max_upstream_header_bytes", Type::kSize, node("32KiB"), 1024, 1 << 20));
  keys.push_back(bounded("max_upstream_header_count", Type::kInteger, node(200), 8, 1000));
  keys.push_back(duration("resolve_refresh", "30s", 1000));
}

void add_process_keys(Schema& out) {
  auto& keys = out.keys;
  keys.push_back(bounded("workers", Type::kInteger, node(0), 0, kMaxWorkers));
  keys.push_back(key("plugin_path", Type::kStrings, empty_array()));
  keys.push_back(duration("start_timeout", "30s"));
  keys.push_back(duration("drain_timeout", "30s", 0));
  keys.push_back(bounded("canary_percent", Type::kInteger, node(0), 0, 50));
  keys.push_back(duration("canary_time", "60s"));
  keys.push_back(bounded("canary_max_errors_percent", Type::kInteger, node(5), 0, 100));
  keys.push_back(bounded("offload_threads", Type::kInteger, node(2), 1, 64));
  keys.push_back(bounded("watchdog_ms", Type::kInteger, node(100), 1, 60000));
  keys.push_back(key("watch_files", Type::kBoolean, node(false)));
  keys.push_back(one_of("log_level", "info", {"debug", "info", "warn", "error"}));
  keys.push_back(bounded("max_metric_series", Type::kInteger, node(10000), 100, 1000000));
}

Schema listener_schema() {
  return {{key("name", Type::kString, std::nullopt), key("address", Type::kString, std::nullopt),
           key("proxy_protocol", Type::kBoolean, node(false)),
           bounded("max_connections", Type::kInteger, node(0), 0, 10000000),
           key("mode", Type::kString, node("0660"))}};
}

Schema plugin_schema() {
  return {{key("name", Type::kString, std::nullopt), key("file", Type::kString, std::nullopt),
           key("record", Type::kPath, node("")),
           bounded("record_exchanges", Type::kInteger, node(10), 1, 10000)}};
}

Schema pipeline_schema() {
  Schema match{{key("path", Type::kString, node("")), key("paths", Type::kStrings, empty_array()),
                key("host", Type::kString, node("")), key("listener", Type::kString, node(""))}};
  return {{with_keys(key("match", Type::kTable, empty_table()), std::move(match)),
           key("filters", Type::kStrings, std::nullopt)}};
}

// RFC 9110 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte < 0x7f) || c == '\t';
  });
}

bool is_own_field(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const char* own : {"connection", "content-length", "transfer-encoding", "date", "keep-alive",
                          "upgrade", "te", "trailer"})
    if (name == own) return true;
  return false;
}

HeaderGroup read_group(const settings::CheckedTable& from) {
  HeaderGroup out;
  out.https_only = from.boolean("https_only");
  for (std::int64_t status : from.integers("skip_status"))
    out.skip_status.push_back(static_cast<std::uint16_t>(status));
  const settings::CheckedTable* set = from.table("set");
  if (set == nullptr) return out;
  if (set->entries().empty()) from.complain("set", "names no header");
  for (const auto& [name, value] : set->entries()) {
    if (value.type != Type::kString)
      set->complain(name, "must be a string");
    else if (!is_token(name) || !is_field_value(value.text))
      set->complain(name, "is not a header name with a printable value");
    else if (is_own_field(name))
      set->complain(name, "is written by the gateway itself");
    else
      out.set.emplace_back(name, value.text);
  }
  return out;
}

NetworkSet read_networks(const settings::CheckedTable& server) {
  std::vector<Cidr> networks;
  bool unix_peers = false;
  for (const std::string& text : server.strings("trusted_proxies")) {
    if (text == "unix") {
      unix_peers = true;
    } else if (auto cidr = parse_cidr(text)) {
      networks.push_back(*cidr);
    } else {
      server.complain("trusted_proxies", cidr.error());
    }
  }
  return NetworkSet(std::move(networks), unix_peers);
}

base::LogLevel level_of(const std::string& name) {
  if (name == "debug") return base::LogLevel::kDebug;
  if (name == "warn") return base::LogLevel::kWarn;
  if (name == "error") return base::LogLevel::kError;
  return base::LogLevel::kInfo;
}

std::uint32_t worker_count(std::int64_t asked, std::uint32_t cores) {
  if (asked > 0) return static_cast<std::uint32_t>(asked);
  if (cores == 0) cores = std::thread::hardware_concurrency();
  return std::clamp<std::uint32_t>(cores, 1, static_cast<std::uint32_t>(kMaxWorkers));
}

}  // namespace

settings::Schema gateway_schema() {
  Schema server;
  add_process_keys(server);
  add_client_keys(server);
  add_upstream_keys(server);
  return {{with_keys(key("server", Type::kTable, empty_table()), std::move(server)),
           with_keys(key("listener", Type::kTables, empty_array()), listener_schema()),
           with_keys(key("plugin", Type::kTables, empty_array()), plugin_schema()),
           with_keys(key("pipeline", Type::kTables, empty_array()), pipeline_schema())}};
}

ServerConfig read_server(const settings::CheckedTable& server, const LoadOptions& options) {
  ServerConfig out;
  auto number = [&](const char* name) { return static_cast<std::uint32_t>(server.integer(name)); };
  auto bytes = [&](const char* name) { return static_cast<std::uint64_t>(server.integer(name)); };
  out.workers = worker_count(server.integer("workers"), options.cores);
  out.header_timeout_ms = number("header_timeout");
  out.idle_timeout_ms = number("idle_timeout");
  out.body_idle_timeout_ms = number("body_idle_timeout");
  out.write_timeout_ms = number("write_timeout");
  out.half_closed_timeout_ms = number("half_closed_timeout");
  out.websocket_idle_timeout_ms = number("websocket_idle_timeout");
  out.max_header_count = number("max_header_count");
  out.max_header_bytes = bytes("max_header_bytes");
  out.max_target_bytes = bytes("max_target_bytes");
  out.max_body_bytes = bytes("max_body_bytes");
  out.max_connections = number("max_connections");
  out.max_connections_per_peer = number("max_connections_per_peer");
  out.max_stream_unsent_bytes = bytes("max_stream_unsent_bytes");
  out.connect_timeout_ms = number("connect_timeout");
  out.response_timeout_ms = number("response_timeout");
  out.upstream_body_idle_timeout_ms = number("upstream_body_idle_timeout");
  out.upstream_idle_timeout_ms = number("upstream_idle_timeout");
  out.max_upstream_connections_per_endpoint = number("max_upstream_connections_per_endpoint");
  out.max_upstream_waiting_per_endpoint = number("max_upstream_waiting_per_endpoint");
  out.max_upstream_header_bytes = bytes("max_upstream_header_bytes");
  out.max_upstream_header_count = number("max_upstream_header_count");
  out.resolve_refresh_ms = number("resolve_refresh");
  out.start_timeout_ms = number("start_timeout");
  out.drain_timeout_ms = number("drain_timeout");
  out.canary_percent = number("canary_percent");
  out.canary_time_ms = number("canary_time");
  out.canary_max_errors_percent = number("canary_max_errors_percent");
  out.offload_threads = number("offload_threads");
  out.watchdog_ms = number("watchdog_ms");
  out.watch_files = server.boolean("watch_files");
  out.max_metric_series = number("max_metric_series");
  out.trusted_proxies = read_networks(server);
  out.underscore_headers = server.string("underscore_headers") == "refuse"
                               ? UnderscoreHeaders::kRefuse
                               : UnderscoreHeaders::kDrop;
  out.request_id = server.boolean("request_id");
  out.forwarded = server.boolean("forwarded");
  out.log_level = level_of(server.string("log_level"));
  for (const settings::CheckedTable* group : server.tables("response_headers"))
    out.response_headers.push_back(read_group(*group));
  if (out.max_target_bytes > out.max_header_bytes)
    server.complain("max_target_bytes", "must not be above max_header_bytes");
  return out;
}

}  // namespace gw::config
