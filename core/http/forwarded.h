// SPDX-License-Identifier: Apache-2.0
//
// The Forwarded field (RFC 7239), taken apart.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace gw::http {

// The address of a node as proxies write it, there and in X-Forwarded-For: "192.0.2.1:80",
// "[2001:db8::1]:80", "2001:db8::1", without what is not the address. Empty: malformed. Names are
// taken for addresses: who needs one looks whether it is.
std::string_view node_address(std::string_view node);

// What one proxy said. Views into the field; empty where it said nothing.
struct ForwardedHop {
  std::string_view address;  // of `for`, without quotes, brackets and port; "unknown" and "_x" too
  std::string_view proto;
};

// The hops in order, the nearest last.
class ForwardedHops {
 public:
  static constexpr std::size_t kMost = 64;

  // False when `text` is malformed or has more than kMost hops.
  bool read(std::string_view text);
  std::size_t size() const { return size_; }
  const ForwardedHop& operator[](std::size_t i) const { return hops_[i]; }

 private:
  std::array<ForwardedHop, kMost> hops_;
  std::size_t size_ = 0;
};

}  // namespace gw::http
