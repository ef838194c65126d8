// SPDX-License-Identifier: Apache-2.0
//
// What the server side is told: limits, and what answers carry. Plain values, so that this room
// does not depend on how they are configured.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::http {

struct ServerLimits {
  std::uint32_t header_timeout_ms = 10000;     // for a whole head, from its first byte (absolute)
  std::uint32_t idle_timeout_ms = 75000;       // of a connection between two requests
  std::uint32_t body_idle_timeout_ms = 30000;  // between two pieces of a request's body
  std::uint32_t write_timeout_ms = 30000;      // of a client that reads nothing; also of streams
  std::uint32_t max_fields = 100;
  std::uint64_t max_header_bytes = 16 * 1024;  // of all header lines of a request
  std::uint64_t max_target_bytes = 8 * 1024;
  std::uint64_t max_arena_bytes = 1 << 20;        // of an exchange: heads, and what is made of them
  std::uint64_t max_body_bytes = 10 << 20;        // until set_body_limit says otherwise
  std::uint32_t tunnel_idle_timeout_ms = 600000;  // of a WebSocket connection
  // How long a client that ended its side is believed to wait for an answer that has not begun.
  std::uint32_t half_closed_timeout_ms = 60000;
  std::uint64_t max_drain_bytes = 64 * 1024;  // of an unwanted body, read to save the connection
  std::uint64_t max_stream_unsent_bytes = 64 * 1024;
  std::uint32_t max_connections = 8192;        // of the process
  std::uint32_t max_connections_per_peer = 0;  // of the process; 0: no bound
  bool refuse_underscores = false;  // and other signs in field names: refuse (400), else drop
};

// Fields added to a final answer that has none of their names; all or none.
struct HeaderGroup {
  HeaderGroup(std::vector<std::pair<std::string, std::string>> its_fields,
              std::vector<std::uint16_t> skip, bool https = false)
      : fields(std::move(its_fields)), skip_statuses(std::move(skip)), https_only(https) {
    for (const auto& [name, value] : fields)
      lines.append(name).append(": ").append(value).append("\r\n");
  }

  std::vector<std::pair<std::string, std::string>> fields;
  std::string lines;  // as they leave
  std::vector<std::uint16_t> skip_statuses;
  bool https_only;  // only for clients that came by https
};

// Immutable while in use; shared by all workers. The functions are called on any of them.
struct ServerSettings {
  ServerLimits limits;
  std::vector<HeaderGroup> response_headers;
  // The text for an error's code in the language that an Accept-Language asks for; as long as the
  // settings.
  std::function<std::string_view(std::string_view code, std::string_view accept_language)> text;
  // May the peer at this address ("10.0.0.7", "unix") say who it speaks for?
  std::function<bool(std::string_view address)> trusted;
  bool request_id = true;
  bool forwarded = true;  // write Forwarded (RFC 7239) beside X-Forwarded-*
};

}  // namespace gw::http
