// SPDX-License-Identifier: Apache-2.0
//
// A PROXY header: decided at its last byte, and never before or after.
#include "fuzz.h"
#include "http/proxy_header.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using gw::http::ProxyHeader;
  const std::string_view text = gw::fuzz::text_of(data, size);
  ProxyHeader header;
  const auto result = gw::http::read_proxy_header(text, header);
  if (result == ProxyHeader::Result::kMore) {
    GW_CHECK(size < ProxyHeader::kMostBinaryBytes);
    return 0;
  }
  GW_CHECK((result == ProxyHeader::Result::kBad) == (header.problem != nullptr));
  if (result == ProxyHeader::Result::kBad) return 0;
  GW_CHECK(header.size > 0 && header.size <= size);
  GW_CHECK(header.source.kind == gw::net::Address::Kind::kNone ||
           header.destination.kind != gw::net::Address::Kind::kNone);
  ProxyHeader again;
  GW_CHECK(read_proxy_header(text.substr(0, header.size), again) == result);
  GW_CHECK(again.source == header.source && again.size == header.size);
  GW_CHECK(read_proxy_header(text.substr(0, header.size - 1), again) != result);
  return 0;
}
