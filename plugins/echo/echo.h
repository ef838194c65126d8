// SPDX-License-Identifier: Apache-2.0
//
// What a service would have received, as JSON. Knows no ABI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::echo {

// A request's body as far as it is kept: up to kMostKept bytes, all of them counted.
class Body {
 public:
  static constexpr std::size_t kMostKept = 64 * 1024;

  void append(std::string_view data) {
    kept_.append(data.substr(0, kMostKept - kept_.size()));
    bytes_ += data.size();
  }
  const std::string& kept() const { return kept_; }
  std::uint64_t bytes() const { return bytes_; }
  bool truncated() const { return bytes_ > kept_.size(); }

 private:
  std::string kept_;
  std::uint64_t bytes_ = 0;
};

struct Request {
  std::string_view method, path, query, authority;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

// {"method","path","query","authority","headers":[[name,value]…],"body"|"bodyBase64","bodyBytes",
// "bodyTruncated"}. A body that is not UTF-8 goes as base64; one cut at the bound loses the
// character that the cut goes through.
std::string describe(const Request& request, const Body& body);

}  // namespace gw::echo
