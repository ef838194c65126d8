// SPDX-License-Identifier: Apache-2.0
//
// Addresses as the configuration writes them: where to listen, and networks of peers to trust.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::config {

// Where to listen.
struct ListenAddress {
  bool is_unix = false;
  std::string inherited;   // "systemd:name": that name; all the rest is then the system's business
  std::string host;        // numeric, without brackets; TCP only
  std::uint16_t port = 0;  // 0: the system's choice
  std::string path;        // Unix socket; absolute
  std::string text;        // normal form: "127.0.0.1:8080", "*:8080", "unix:/run/x.sock"
  bool loopback = false;   // only this machine reaches it (127/8, ::1, Unix socket)
};

// "host:port" with a numeric host, "localhost" (127.0.0.1) or "*" (IPv6 and IPv4); "[::1]:8080";
// "unix:path", relative to `folder`; "systemd:name", as in a socket unit's FileDescriptorName.
base::Result<ListenAddress> parse_listen_address(std::string_view text, const std::string& folder);

// An IPv4 or IPv6 address in network order; IPv4 as IPv4-mapped, so that both compare alike.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
  bool is_loopback() const;
};

// Strict numeric forms only ("10.0.0.7", "::1", "::ffff:10.0.0.7"; no zone). False: not an address.
// No allocation.
bool parse_ip(std::string_view text, IpAddress& out);

// A network: "10.0.0.0/8", "::1/128", or one address.
struct Cidr {
  IpAddress address;
  std::uint8_t prefix = 128;  // of the 128 bits
  bool contains(const IpAddress& other) const;
};
base::Result<Cidr> parse_cidr(std::string_view text);

// Any thread; no allocation in the calls.
class NetworkSet {
 public:
  NetworkSet() = default;
  explicit NetworkSet(std::vector<Cidr> networks, bool unix_peers = false)
      : networks_(std::move(networks)), unix_peers_(unix_peers) {}
  bool contains(const IpAddress& address) const;
  // An address as text; "unix" is a peer behind a Unix socket. What is not an address is not
  // contained.
  bool contains(std::string_view address) const;
  bool empty() const { return networks_.empty() && !unix_peers_; }

 private:
  std::vector<Cidr> networks_;
  bool unix_peers_ = false;
};

}  // namespace gw::config
