// SPDX-License-Identifier: Apache-2.0
//
// The field names that this room treats by itself, found with one look at length and letters; and
// the fields that a Connection field nominates.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/message.h"

namespace gw::http {

enum class Known : std::uint8_t {
  kOther,
  kHost,
  kConnection,
  kContentLength,
  kTransferEncoding,
  kContentType,
  kExpect,
  kUpgrade,
  kHopByHop,  // removed without a look
  kForwarded,
  kXForwarded,  // X-Forwarded-* that is none of those below
  kXForwardedFor,
  kXForwardedProto,
  kXForwardedHost,
  kXForwardedPort,
  kXRealIp,
  kXRequestId,
  kMaxForwards,
  kDate
};
Known known_field(std::string_view name);

// Members of Connection fields. Bounded; further ones make `ok` false, as does what is no token.
class ConnectionTokens {
 public:
  static constexpr std::uint32_t kMost = 32;
  void take(std::string_view value);
  bool ok() const { return ok_; }
  bool close() const { return close_; }
  bool keep_alive() const { return keep_alive_; }
  bool upgrade() const { return upgrade_; }
  // Removes what was nominated, but for what proxies say of their client: it is not for the client
  // to take out.
  void strip(FieldList& fields) const;

 private:
  struct Name {
    const char* text;
    std::size_t size;
  };
  Name names_[kMost];  // the first count_ are set
  std::uint32_t count_ = 0;
  bool ok_ = true;
  bool close_ = false;
  bool keep_alive_ = false;
  bool upgrade_ = false;
};

// RFC 9110 7.6.3, of a message that came in HTTP/1.`minor`.
constexpr std::string_view own_via(std::uint8_t minor) {
  return minor == 0 ? std::string_view("1.0 gateway") : std::string_view("1.1 gateway");
}
// "123" without sign, spaces or more than 18 digits. False: not that.
bool parse_length(std::string_view text, std::uint64_t& out);
std::string_view trim_blanks(std::string_view text);

}  // namespace gw::http
