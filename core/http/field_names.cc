// SPDX-License-Identifier: Apache-2.0
#include "http/field_names.h"

#include <array>
#include <cstddef>
#include <iterator>

namespace gw::http {

namespace {

struct Name {
  std::string_view text;
  Known known;
};

// In order of length, spelt as most spell them: equal letters are compared fastest.
constexpr Name kNames[] = {
    {"TE", Known::kHopByHop},
    {"Via", Known::kOther},
    {"Host", Known::kHost},
    {"Date", Known::kDate},
    // CGI's rules make the environment's HTTP_PROXY of it; nobody means anything else by it.
    {"Proxy", Known::kHopByHop},
    {"Expect", Known::kExpect},
    {"Trailer", Known::kHopByHop},
    {"Upgrade", Known::kUpgrade},
    {"Forwarded", Known::kForwarded},
    {"X-Real-IP", Known::kXRealIp},
    {"Connection", Known::kConnection},
    {"Keep-Alive", Known::kHopByHop},
    {"Content-Type", Known::kContentType},
    {"Max-Forwards", Known::kMaxForwards},
    {"X-Request-Id", Known::kXRequestId},
    {"Content-Length", Known::kContentLength},
    {"X-Forwarded-For", Known::kXForwardedFor},
    {"X-Forwarded-Host", Known::kXForwardedHost},
    {"X-Forwarded-Port", Known::kXForwardedPort},
    {"Proxy-Connection", Known::kHopByHop},
    {"X-Forwarded-Proto", Known::kXForwardedProto},
    {"Transfer-Encoding", Known::kTransferEncoding},
    {"Proxy-Authenticate", Known::kHopByHop},
    {"Proxy-Authorization", Known::kHopByHop},
    // Spring Cloud Gateway's RemoveHopByHopHeadersFilter.
    {"X-Application-Context", Known::kHopByHop},
};
constexpr std::size_t kLongestName = std::end(kNames)[-1].text.size();
// The first name of each length; a name's candidates end where those of the next length begin.
constexpr std::array<std::uint8_t, kLongestName + 2> kFirstOfLength = [] {
  std::array<std::uint8_t, kLongestName + 2> first{};
  for (std::size_t length = 0; length < first.size(); ++length) {
    while (first[length] < std::size(kNames) && kNames[first[length]].text.size() < length)
      ++first[length];
  }
  return first;
}();
constexpr std::string_view kForwardedPrefix = "X-Forwarded-";

bool is_of_proxies(Known known) {
  switch (known) {
    case Known::kXForwarded:
    case Known::kXForwardedFor:
    case Known::kXForwardedProto:
    case Known::kXForwardedHost:
    case Known::kXForwardedPort:
    case Known::kXRealIp:
      return true;
    default:
      return false;
  }
}

}  // namespace

Known known_field(std::string_view name) {
  if (name.empty()) return Known::kOther;
  if (name.size() <= kLongestName) {
    const Name* end = kNames + kFirstOfLength[name.size() + 1];
    for (const Name* each = kNames + kFirstOfLength[name.size()]; each != end; ++each) {
      if (same_name(each->text, name)) return each->known;
    }
  }
  if (name.size() >= kForwardedPrefix.size() &&
      same_name(name.substr(0, kForwardedPrefix.size()), kForwardedPrefix)) {
    return Known::kXForwarded;
  }
  return Known::kOther;
}

std::string_view trim_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

void ConnectionTokens::take(std::string_view value) {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view token = trim_blanks(value.substr(0, comma));
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    if (token.empty()) continue;
    if (!is_field_name(token)) {
      ok_ = false;
    } else if (same_name(token, "close")) {
      close_ = true;
    } else if (same_name(token, "keep-alive")) {
      keep_alive_ = true;
    } else if (same_name(token, "upgrade")) {
      upgrade_ = true;
    } else if (count_ < kMost) {
      names_[count_++] = {token.data(), token.size()};
    } else {
      ok_ = false;
    }
  }
}

void ConnectionTokens::strip(FieldList& fields) const {
  for (std::uint32_t i = 0; i < count_; ++i) {
    const std::string_view name(names_[i].text, names_[i].size);
    if (!is_of_proxies(known_field(name))) fields.remove(name);
  }
}

bool parse_length(std::string_view text, std::uint64_t& out) {
  constexpr std::size_t kMostDigits = 18;
  if (text.empty() || text.size() > kMostDigits) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  out = value;
  return true;
}

}  // namespace gw::http
