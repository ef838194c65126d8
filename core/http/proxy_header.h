// SPDX-License-Identifier: Apache-2.0
//
// The header that a load balancer puts before a connection's first byte to say who the client is:
// PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2). Strict:
// what is malformed, reserved or too long is refused. Additions (TLVs) are passed over within their
// bounds; a checksum among them is checked.
#pragma once

#include <cstddef>
#include <string_view>

#include "net/address.h"

namespace gw::http {

struct ProxyHeader {
  static constexpr std::size_t kMostTextBytes = 107;     // version 1, with its line end
  static constexpr std::size_t kMostBinaryBytes = 4096;  // version 2, with its TLVs

  enum class Result { kMore, kDone, kBad };

  std::size_t size = 0;  // of the header; what follows is the client's
  // Who connected, and to what. kNone: what the socket says holds (LOCAL, UNKNOWN, UNSPEC, and
  // clients that came by a Unix socket or by datagrams).
  net::Address source;
  net::Address destination;
  const char* problem = nullptr;  // once kBad, for the log
};

// `text`: all that came so far. kMore: it is the beginning of a header. Any thread; no allocation.
ProxyHeader::Result read_proxy_header(std::string_view text, ProxyHeader& out);

}  // namespace gw::http
