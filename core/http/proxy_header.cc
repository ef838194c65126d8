// SPDX-License-Identifier: Apache-2.0
#include "http/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

namespace gw::http {

namespace {

using Result = ProxyHeader::Result;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kFirstWord = "PROXY ";
constexpr std::size_t kFixedBytes = 16;  // of version 2: signature, command, family, length
constexpr std::uint8_t kChecksumType = 3;

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}
std::uint16_t number_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8 | byte_at(text, at + 1));
}

Result bad(ProxyHeader& out, const char* problem) {
  out.problem = problem;
  return Result::kBad;
}

// The next word of a version 1 header: one space stands between two of them.
std::string_view take_word(std::string_view& rest) {
  const std::size_t space = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, space);
  rest.remove_prefix(std::min(space + 1, rest.size()));
  return word;
}

bool read_port(std::string_view word, std::uint16_t& out) {
  if (word.empty() || (word.size() > 1 && word[0] == '0')) return false;
  const char* end = word.data() + word.size();
  const auto [at, error] = std::from_chars(word.data(), end, out);
  return error == std::errc() && at == end;
}

// An IPv4 address in its IPv6 form counts as the IPv4 address, as it does where sockets tell it.
net::Address plain(const net::Address& address) {
  sockaddr_storage storage{};
  const socklen_t size = address.to_socket(storage);
  return net::Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size);
}

// "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
Result read_text(std::string_view text, ProxyHeader& out) {
  const std::string_view most = text.substr(0, ProxyHeader::kMostTextBytes);
  const std::size_t line = most.find("\r\n");
  if (line == std::string_view::npos) {
    return most.size() < ProxyHeader::kMostTextBytes ? Result::kMore
                                                     : bad(out, "a version 1 header without end");
  }
  out.size = line + 2;
  std::string_view rest = most.substr(kFirstWord.size(), line - kFirstWord.size());
  const std::string_view protocol = take_word(rest);
  if (protocol == "UNKNOWN") return Result::kDone;
  if (protocol != "TCP4" && protocol != "TCP6") return bad(out, "an unknown protocol");
  const auto kind = protocol == "TCP4" ? net::Address::Kind::kIp4 : net::Address::Kind::kIp6;
  const std::string_view source = take_word(rest);
  const std::string_view destination = take_word(rest);
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  if (!read_port(take_word(rest), source_port) || !read_port(rest, destination_port)) {
    return bad(out, "a malformed port");
  }
  const net::Address from = net::Address::from_ip(source, source_port);
  const net::Address to = net::Address::from_ip(destination, destination_port);
  if (from.kind != kind || to.kind != kind || source.find('%') != std::string_view::npos ||
      destination.find('%') != std::string_view::npos) {
    return bad(out, "a malformed address");
  }
  out.source = plain(from);
  out.destination = plain(to);
  return Result::kDone;
}

std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    crc ^= byte_at(bytes, i);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
  }
  return crc;
}

// The header's checksum, with the checksum's own four bytes as zeros.
bool checksum_holds(std::string_view header, std::size_t at) {
  std::uint32_t crc = crc32c(0xffffffffU, header.substr(0, at));
  crc = crc32c(crc, std::string_view("\0\0\0\0", 4));
  crc = ~crc32c(crc, header.substr(at + 4));
  return crc == (std::uint32_t{number_at(header, at)} << 16 | number_at(header, at + 2));
}

Result read_additions(std::string_view header, std::size_t at, ProxyHeader& out) {
  bool checked = false;
  while (at < header.size()) {
    if (header.size() - at < 3) return bad(out, "a TLV that is cut off");
    const std::size_t size = number_at(header, at + 1);
    const std::size_t value = at + 3;
    if (header.size() - value < size) return bad(out, "a TLV that passes the header's end");
    if (byte_at(header, at) == kChecksumType) {
      if (size != 4 || std::exchange(checked, true)) return bad(out, "a malformed checksum");
      if (!checksum_holds(header, value)) return bad(out, "a checksum that does not hold");
    }
    at = value + size;
  }
  return Result::kDone;
}

net::Address ip_at(std::string_view header, std::size_t at, std::size_t port_at, bool ip6) {
  net::Address address;
  address.kind = ip6 ? net::Address::Kind::kIp6 : net::Address::Kind::kIp4;
  std::memcpy(address.bytes, header.data() + at, ip6 ? 16 : 4);
  address.port = number_at(header, port_at);
  return plain(address);
}

Result read_binary(std::string_view text, ProxyHeader& out) {
  if (text.size() < kFixedBytes) return Result::kMore;
  const std::uint8_t command = byte_at(text, 12);
  const std::uint8_t family = byte_at(text, 13) >> 4;
  const std::uint8_t transport = byte_at(text, 13) & 15;
  out.size = kFixedBytes + number_at(text, 14);
  if (command >> 4 != 2) return bad(out, "an unknown version");
  if ((command & 15) > 1) return bad(out, "an unknown command");
  const bool local = (command & 15) == 0;  // all that follows is to be ignored
  if (!local && (family > 3 || transport > 2)) return bad(out, "an unknown protocol");
  if (out.size > ProxyHeader::kMostBinaryBytes) return bad(out, "too long a header");
  if (text.size() < out.size) return Result::kMore;
  if (local) return Result::kDone;
  constexpr std::size_t kAddressBytes[] = {0, 12, 36, 216};
  const std::string_view header = text.substr(0, out.size);
  const std::size_t additions = kFixedBytes + kAddressBytes[family];
  if (header.size() < additions) return bad(out, "too short an address");
  constexpr std::uint8_t kStream = 1;
  if (transport == kStream && (family == 1 || family == 2)) {
    const std::size_t bytes = family == 1 ? 4 : 16;
    const std::size_t ports = kFixedBytes + 2 * bytes;
    out.source = ip_at(header, kFixedBytes, ports, family == 2);
    out.destination = ip_at(header, kFixedBytes + bytes, ports + 2, family == 2);
  }
  return read_additions(header, additions, out);
}

bool begins_with(std::string_view text, std::string_view whole) {
  const std::size_t size = std::min(text.size(), whole.size());
  return text.substr(0, size) == whole.substr(0, size);
}

}  // namespace

Result read_proxy_header(std::string_view text, ProxyHeader& out) {
  out = {};
  if (begins_with(text, kSignature)) {
    return text.size() < kSignature.size() ? Result::kMore : read_binary(text, out);
  }
  if (!begins_with(text, kFirstWord)) return bad(out, "no PROXY header");
  return text.size() < kFirstWord.size() ? Result::kMore : read_text(text, out);
}

}  // namespace gw::http
