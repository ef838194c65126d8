// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

namespace gw::config {

namespace {

constexpr std::string_view kInherited = "systemd:";
constexpr const char* kForms =
    "write \"127.0.0.1:8080\", \"[::1]:8080\", \"*:8080\" (all addresses), \"unix:PATH\" or "
    "\"systemd:NAME\"";
constexpr std::size_t kMaxIpText = INET6_ADDRSTRLEN;

template <class T>
std::optional<T> parse_unsigned(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

base::Error error(std::string_view text, std::string_view why) {
  return {"\"" + std::string(text) + "\" " + std::string(why)};
}

bool is_v4(const IpAddress& address) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address.bytes.data(), kMapped, sizeof kMapped) == 0;
}

base::Result<ListenAddress> parse_unix(std::string_view text, const std::string& folder) {
  std::string_view path = text.substr(5);
  if (path.empty()) return error(text, "names no socket file");
  if (path.find('\0') != std::string_view::npos) return error(text, "holds a NUL byte");
  ListenAddress out;
  out.is_unix = true;
  out.loopback = true;
  out.path = (std::filesystem::path(folder) / path).lexically_normal().string();
  if (out.path.size() >= sizeof(sockaddr_un::sun_path))
    return error(text, "is too long for a Unix socket (107 bytes, with the folder)");
  out.text = "unix:" + out.path;
  return out;
}

base::Result<ListenAddress> parse_inherited(std::string_view text) {
  ListenAddress out;
  out.inherited = text.substr(kInherited.size());
  const bool printable = std::all_of(out.inherited.begin(), out.inherited.end(),
                                     [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
  if (out.inherited.empty() || out.inherited.size() > 255 || !printable)
    return error(text, "names no inherited socket");
  out.text = text;
  return out;
}

}  // namespace

bool IpAddress::is_loopback() const {
  if (is_v4(*this)) return bytes[12] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; }) &&
         bytes[15] == 1;
}

bool parse_ip(std::string_view text, IpAddress& out) {
  if (text.empty() || text.size() >= kMaxIpText || text.find('\0') != std::string_view::npos)
    return false;
  char buffer[kMaxIpText];
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (text.find(':') != std::string_view::npos)
    return inet_pton(AF_INET6, buffer, out.bytes.data()) == 1;
  out.bytes = {};
  out.bytes[10] = out.bytes[11] = 0xff;
  return inet_pton(AF_INET, buffer, out.bytes.data() + 12) == 1;
}

base::Result<ListenAddress> parse_listen_address(std::string_view text, const std::string& folder) {
  if (text.starts_with("unix:")) return parse_unix(text, folder);
  if (text.starts_with(kInherited)) return parse_inherited(text);
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return error(text, std::string("has no port: ") + kForms);
  std::string_view host = text.substr(0, colon);
  auto port = parse_unsigned<std::uint16_t>(text.substr(colon + 1));
  if (!port) return error(text, "has no port from 0 to 65535");
  bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (host == "*") {
    ListenAddress out;
    out.host = host;
    out.port = *port;
    out.text = "*:" + std::to_string(*port);
    return out;
  }
  IpAddress ip;
  bool v6 = host.find(':') != std::string_view::npos;
  if (host.empty()) return error(text, std::string("names no address before the port: ") + kForms);
  if (!parse_ip(host, ip))
    return error(text, std::string("is not a numeric address with a port: ") + kForms);
  if (v6 != brackets) return error(text, "needs brackets around IPv6, and only there: [::1]:8080");
  ListenAddress out;
  out.host = host;
  out.port = *port;
  out.loopback = ip.is_loopback();
  out.text = (v6 ? "[" + out.host + "]" : out.host) + ":" + std::to_string(*port);
  return out;
}

bool Cidr::contains(const IpAddress& other) const {
  std::size_t whole = prefix / 8, rest = prefix % 8;
  if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0) return false;
  if (rest == 0) return true;
  auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((address.bytes[whole] ^ other.bytes[whole]) & mask) == 0;
}

base::Result<Cidr> parse_cidr(std::string_view text) {
  std::size_t slash = text.find('/');
  Cidr out;
  if (!parse_ip(text.substr(0, slash), out.address))
    return error(text, "is not a network such as 10.0.0.0/8 or ::1/128");
  if (slash == std::string_view::npos) return out;
  auto prefix = parse_unsigned<std::uint8_t>(text.substr(slash + 1));
  bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  if (!prefix || *prefix > (v4 ? 32 : 128)) return error(text, "has no such prefix length");
  out.prefix = static_cast<std::uint8_t>(*prefix + (v4 ? 96 : 0));
  Cidr base = out;
  for (std::size_t bit = out.prefix; bit < 128; ++bit)
    base.address.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
  if (!(base.address == out.address))
    return error(text, "has bits set behind its prefix: is a longer prefix meant?");
  return out;
}

bool NetworkSet::contains(const IpAddress& address) const {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const Cidr& network) { return network.contains(address); });
}

bool NetworkSet::contains(std::string_view address) const {
  if (address == "unix") return unix_peers_;
  IpAddress ip;
  return parse_ip(address, ip) && contains(ip);
}

}  // namespace gw::config
