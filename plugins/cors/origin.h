// SPDX-License-Identifier: Apache-2.0
//
// Origins (RFC 6454) as the header Origin names them, and patterns of them as in Spring's
// allowedOriginPatterns. Case does not count, as browsers send lower case.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::cors {

bool same_text(std::string_view a, std::string_view b);  // ASCII, any case

// scheme://host[:port], in views of the text. "null" is no such origin.
struct Origin {
  static constexpr std::size_t kMostBytes = 300;
  std::string_view scheme, host;  // an IPv6 host with its brackets
  std::string_view port;          // empty: none said
};
std::optional<Origin> parse_origin(std::string_view text);

// Does a request of this scheme and authority (Host) come from the origin itself?
bool is_same_origin(const Origin& origin, std::string_view scheme, std::string_view authority);

// https://*.shop.example, https://*.shop.example:[8080,8081], https://*.shop.example:[*], *
// '*' stands for any characters; ":[...]" for one of the ports, ":[*]" for any or none.
class OriginPattern {
 public:
  // What is wrong with it; empty: nothing.
  [[nodiscard]] std::string compile(std::string_view text);
  // `text` is an origin, or "null". At most |text| * |pattern| steps.
  bool match(std::string_view text) const;

 private:
  enum class Ports { kAsWritten, kAny, kListed };
  std::string base_;
  Ports ports_ = Ports::kAsWritten;
  std::vector<std::string> listed_;
};

}  // namespace gw::cors
