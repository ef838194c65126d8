// SPDX-License-Identifier: Apache-2.0
//
// From a parsed head to a RequestHead: every check of a strict proxy, what is taken out (framing,
// hop-by-hop and nominated fields), and what is put in (X-Forwarded-*, Via, X-Request-Id).
#pragma once

#include <cstdint>
#include <string_view>

#include "http/head_parser.h"
#include "http/message.h"
#include "http/server_settings.h"

namespace gw::http {

// For an Allow field.
inline constexpr std::string_view kServedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

// What the connection knows about the sender.
struct Sender {
  std::string_view address;          // of the socket's peer
  bool trusted = false;              // its X-Forwarded-* and X-Request-Id count
  std::uint16_t connected_port = 0;  // at the proxy in front; 0: not known
  std::string_view fresh_id;         // for a request without one; empty: no request ids
};

struct RequestFacts {
  std::uint16_t status = 0;  // of the refusal; 0: the request is acceptable
  std::string_view problem;  // why, for people
  bool keep_alive = false;
  bool last_recipient = false;      // OPTIONS for this gateway: of *, or with Max-Forwards: 0
  std::string_view client_address;  // believed: of the peer, or what trusted proxies said
  std::string_view scheme = "http";
};

// `text`: the head, which lives as long as `out`, whose views point into it (or its arena).
RequestFacts read_request(const HeadParser& parsed, const char* text,
                          const ServerSettings& settings, const Sender& sender, RequestHead& out);

}  // namespace gw::http
