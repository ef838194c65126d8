// SPDX-License-Identifier: Apache-2.0
#include "echo.h"

#include <gateway/json.hpp>

namespace gw::echo {
namespace {

std::string base64(std::string_view data) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k)
      block = block << 8 | (i + k < data.size() ? static_cast<unsigned char>(data[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= data.size() ? kDigits[block >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// Strict: no overlong form, no surrogate, nothing above U+10FFFF. How many bytes from the start are
// whole, valid characters.
std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    unsigned char lead = byte(0);
    std::size_t size = lead < 0x80                   ? 1
                       : lead >= 0xC2 && lead < 0xE0 ? 2
                       : (lead & 0xF0) == 0xE0       ? 3
                       : lead >= 0xF0 && lead < 0xF5 ? 4
                                                     : 0;
    if (size == 0 || i + size > text.size()) break;
    bool good = true;
    for (std::size_t k = 1; k < size; ++k) good = good && (byte(k) & 0xC0) == 0x80;
    if (size == 3)
      good = good && !(lead == 0xE0 && byte(1) < 0xA0) && !(lead == 0xED && byte(1) > 0x9F);
    if (size == 4)
      good = good && !(lead == 0xF0 && byte(1) < 0x90) && !(lead == 0xF4 && byte(1) > 0x8F);
    if (!good) break;
    i += size;
  }
  return i;
}

}  // namespace

std::string describe(const Request& request, const Body& body) {
  nlohmann::ordered_json answer;
  answer["method"] = request.method;
  answer["path"] = request.path;
  answer["query"] = request.query;
  answer["authority"] = request.authority;
  auto& headers = answer["headers"] = nlohmann::ordered_json::array();
  for (const auto& [name, value] : request.headers) headers.push_back({name, value});
  std::string_view kept = body.kept();
  std::size_t valid = valid_utf8_prefix(kept);
  bool cut_character = body.truncated() && kept.size() - valid < 4;
  if (valid == kept.size() || cut_character) {
    answer["body"] = kept.substr(0, valid);
  } else {
    answer["bodyBase64"] = base64(kept);
  }
  answer["bodyBytes"] = body.bytes();
  answer["bodyTruncated"] = body.truncated();
  return answer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace gw::echo
