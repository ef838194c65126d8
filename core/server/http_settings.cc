// SPDX-License-Identifier: Apache-2.0
#include "server/http_settings.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace gw::server {

namespace {

std::uint32_t narrow(std::uint64_t value) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

http::ServerSettings server_settings(std::shared_ptr<const config::GatewayConfig> config) {
  const config::ServerConfig& from = config->server;
  http::ServerSettings to;
  to.limits.header_timeout_ms = from.header_timeout_ms;
  to.limits.idle_timeout_ms = from.idle_timeout_ms;
  to.limits.body_idle_timeout_ms = from.body_idle_timeout_ms;
  to.limits.write_timeout_ms = from.write_timeout_ms;
  to.limits.half_closed_timeout_ms = from.half_closed_timeout_ms;
  to.limits.tunnel_idle_timeout_ms = from.websocket_idle_timeout_ms;
  to.limits.max_fields = from.max_header_count;
  to.limits.max_header_bytes = from.max_header_bytes;
  to.limits.max_target_bytes = from.max_target_bytes;
  // A head that comes in pieces takes up to four times its size (head_text.h).
  to.limits.max_arena_bytes +=
      4 * (from.max_header_bytes + from.max_target_bytes + from.max_upstream_header_bytes);
  to.limits.max_body_bytes = from.max_body_bytes;
  to.limits.max_stream_unsent_bytes = from.max_stream_unsent_bytes;
  to.limits.max_connections_per_peer = from.max_connections_per_peer;
  to.limits.refuse_underscores = from.underscore_headers == config::UnderscoreHeaders::kRefuse;
  for (const config::HeaderGroup& group : from.response_headers)
    to.response_headers.push_back({group.set, group.skip_status, group.https_only});
  to.request_id = from.request_id;
  to.forwarded = from.forwarded;
  to.text = [config](std::string_view code, std::string_view accept_language) {
    return config->messages.text(code, config->messages.choose(accept_language), {});
  };
  if (!from.trusted_proxies.empty()) {
    to.trusted = [config](std::string_view address) {
      return config->server.trusted_proxies.contains(address);
    };
  }
  return to;
}

http::UpstreamLimits upstream_limits(const config::GatewayConfig& from,
                                     std::uint32_t max_connections) {
  const config::ServerConfig& config = from.server;
  http::UpstreamLimits limits;
  limits.unix_folder = from.document->folder;
  limits.max_connections = max_connections;
  limits.max_connections_per_endpoint = config.max_upstream_connections_per_endpoint;
  limits.max_waiting_per_endpoint = config.max_upstream_waiting_per_endpoint;
  limits.idle_timeout_ms = config.upstream_idle_timeout_ms;
  limits.resolve_refresh_ms = config.resolve_refresh_ms;
  limits.max_head_bytes = narrow(config.max_upstream_header_bytes);
  limits.max_fields = config.max_upstream_header_count;
  return limits;
}

pipeline::DispatcherOptions dispatcher_options(const config::ServerConfig& config) {
  pipeline::DispatcherOptions options;
  options.connect_timeout_ms = config.connect_timeout_ms;
  options.response_timeout_ms = config.response_timeout_ms;
  options.idle_timeout_ms = config.upstream_body_idle_timeout_ms;
  options.body_limit = config.max_body_bytes;
  options.stream_unsent_bytes = narrow(config.max_stream_unsent_bytes);
  return options;
}

}  // namespace gw::server
