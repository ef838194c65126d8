// SPDX-License-Identifier: Apache-2.0
//
// Address: an IP address and port, or a Unix socket, small enough to sit in every connection.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace gw::net {

struct Address {
  enum class Kind : std::uint8_t { kNone, kIp4, kIp6, kUnix };
  static constexpr std::size_t kTextBytes = 64;  // room that `text` and `host_text` need

  Kind kind = Kind::kNone;
  std::uint8_t bytes[16] = {};  // network order; of an IPv4 address the first four
  std::uint16_t port = 0;
  std::uint32_t scope = 0;  // of a link-local IPv6 address

  // An IPv4 address mapped into IPv6 becomes the IPv4 address.
  static Address from_socket(const sockaddr* address, std::size_t size);
  // A literal without port: "10.0.0.7", "fe80::1%2". kNone when it is none.
  static Address from_ip(std::string_view text, std::uint16_t port = 0);

  // Size of the filled part; 0 unless IP.
  socklen_t to_socket(sockaddr_storage& out) const;
  // "10.0.0.7", "fe80::1", "unix": into `out`.
  std::string_view host_text(char (&out)[kTextBytes]) const;
  // "10.0.0.7:8080", "[::1]:8080", "unix".
  std::string_view text(char (&out)[kTextBytes]) const;

  // The bytes at once: the compiler's own would compare one after the other.
  friend bool operator==(const Address& a, const Address& b) {
    return a.kind == b.kind && a.port == b.port && a.scope == b.scope &&
           std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
  }
};

// "host:port", "[v6]:port" or "unix:path" taken apart. `ok` false: none of these, or a port above
// 65535.
struct AddressParts {
  bool ok = false;
  bool unix_socket = false;
  std::string_view host;  // without brackets, or the path of a Unix socket
  std::uint16_t port = 0;
};
AddressParts split_address(std::string_view text);

}  // namespace gw::net
