// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstring>

namespace gw::net {

namespace {
constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::string_view kUnixPrefix = "unix:";

struct Decimal {
  char digits[3];
  std::uint8_t size;
};
constexpr std::array<Decimal, 256> kDecimals = [] {
  std::array<Decimal, 256> all{};
  for (unsigned byte = 0; byte < all.size(); ++byte) {
    Decimal& its = all[byte];
    if (byte >= 100) its.digits[its.size++] = static_cast<char>('0' + byte / 100);
    if (byte >= 10) its.digits[its.size++] = static_cast<char>('0' + byte / 10 % 10);
    its.digits[its.size++] = static_cast<char>('0' + byte % 10);
  }
  return all;
}();

}  // namespace

Address Address::from_socket(const sockaddr* address, std::size_t size) {
  Address out;
  if (size < sizeof(sa_family_t)) return out;
  if (address->sa_family == AF_UNIX) {
    out.kind = Kind::kUnix;
  } else if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    out.kind = Kind::kIp4;
    std::memcpy(out.bytes, &in.sin_addr, 4);
    out.port = ntohs(in.sin_port);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    out.port = ntohs(in.sin6_port);
    if (std::memcmp(&in.sin6_addr, kMappedPrefix, sizeof kMappedPrefix) == 0) {
      out.kind = Kind::kIp4;
      std::memcpy(out.bytes, reinterpret_cast<const char*>(&in.sin6_addr) + 12, 4);
    } else {
      out.kind = Kind::kIp6;
      std::memcpy(out.bytes, &in.sin6_addr, 16);
      out.scope = in.sin6_scope_id;
    }
  }
  return out;
}

Address Address::from_ip(std::string_view text, std::uint16_t port) {
  Address out;
  char name[kTextBytes];
  const std::size_t percent = text.find('%');
  const std::string_view address = text.substr(0, percent);
  if (address.empty() || address.size() >= sizeof name) return out;
  if (address.find('\0') != std::string_view::npos) return out;  // inet_pton would end there
  std::memcpy(name, address.data(), address.size());
  name[address.size()] = 0;
  out.port = port;
  if (percent == std::string_view::npos && inet_pton(AF_INET, name, out.bytes) == 1) {
    out.kind = Kind::kIp4;
  } else if (inet_pton(AF_INET6, name, out.bytes) == 1) {
    out.kind = Kind::kIp6;
    if (percent != std::string_view::npos) {
      const std::string_view scope = text.substr(percent + 1);
      const char* end = scope.data() + scope.size();
      const auto [at, error] = std::from_chars(scope.data(), end, out.scope);
      if (error != std::errc() || at != end) return {};
    }
  } else {
    return {};
  }
  return out;
}

socklen_t Address::to_socket(sockaddr_storage& out) const {
  if (kind == Kind::kIp4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, bytes, 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  if (kind == Kind::kIp6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_scope_id = scope;
    std::memcpy(&in.sin6_addr, bytes, 16);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  return 0;
}

std::string_view Address::host_text(char (&out)[kTextBytes]) const {
  if (kind == Kind::kUnix) return "unix";
  if (kind == Kind::kNone) return "";
  if (kind == Kind::kIp4) {  // inet_ntop prints through the whole of printf
    char* at = out;
    for (int i = 0; i < 4; ++i) {
      const Decimal& part = kDecimals[bytes[i]];
      std::memcpy(at, part.digits, sizeof part.digits);
      at += part.size;
      *at++ = '.';
    }
    return {out, static_cast<std::size_t>(at - out - 1)};
  }
  return inet_ntop(AF_INET6, bytes, out, sizeof out) != nullptr ? std::string_view(out) : "";
}

std::string_view Address::text(char (&out)[kTextBytes]) const {
  char host[kTextBytes];
  const std::string_view name = host_text(host);
  if (kind != Kind::kIp4 && kind != Kind::kIp6) return name;
  std::size_t used = 0;
  if (kind == Kind::kIp6) out[used++] = '[';
  std::memcpy(out + used, name.data(), name.size());
  used += name.size();
  if (kind == Kind::kIp6) out[used++] = ']';
  out[used++] = ':';
  const auto result = std::to_chars(out + used, out + sizeof out, port);
  return {out, static_cast<std::size_t>(result.ptr - out)};
}

AddressParts split_address(std::string_view text) {
  AddressParts parts;
  if (text.starts_with(kUnixPrefix)) {
    parts.host = text.substr(kUnixPrefix.size());
    parts.unix_socket = true;
    // A path that does not fit would be cut off silently by the system's address structure.
    parts.ok = !parts.host.empty() && parts.host.size() < sizeof(sockaddr_un::sun_path) &&
               parts.host.find('\0') == std::string_view::npos;
    return parts;
  }
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return parts;
  const std::string_view port = text.substr(colon + 1);
  const char* end = port.data() + port.size();
  const auto [at, error] = std::from_chars(port.data(), end, parts.port);
  if (error != std::errc() || at != end) return parts;
  parts.host = text.substr(0, colon);
  if (parts.host.starts_with('[')) {
    if (!parts.host.ends_with(']')) return parts;
    parts.host = parts.host.substr(1, parts.host.size() - 2);
    parts.ok = Address::from_ip(parts.host).kind == Address::Kind::kIp6;
  } else {
    parts.ok = !parts.host.empty() && parts.host.find(':') == std::string_view::npos;
  }
  return parts;
}

}  // namespace gw::net
