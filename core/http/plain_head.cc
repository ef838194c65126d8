// SPDX-License-Identifier: Apache-2.0
//
// HeadParser's short cut: the heads that nearly everybody sends, read in one pass, many bytes at a
// time. It takes only what leaves nothing to judge: a whole HTTP/1.1 head in one piece, names of
// letters, digits and '-', values of printable ASCII, at most one field that frames a body. All else
// is llhttp's, errors among it: the short cut never refuses. tests/fuzz holds both to one result.
#include <llhttp.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "http/field_names.h"
#include "http/head_parser.h"

namespace gw::http {

namespace {

constexpr std::array<bool, 256> kNameByte = [] {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  table['-'] = true;
  return table;
}();

struct Method {
  std::string_view text;  // with the space behind it
  llhttp_method_t method;
};
constexpr Method kMethods[] = {{"GET ", HTTP_GET},         {"POST ", HTTP_POST},
                               {"PUT ", HTTP_PUT},         {"DELETE ", HTTP_DELETE},
                               {"OPTIONS ", HTTP_OPTIONS}, {"HEAD ", HTTP_HEAD},
                               {"PATCH ", HTTP_PATCH}};

bool is_plain(char c) {
  return c >= 0x20 && c < 0x7f;
}

#ifdef __SSE2__
__m128i bytes_at(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
__m128i all(int byte) {
  return _mm_set1_epi8(static_cast<char>(byte));
}
// Of each byte: is it one of `count` from `first` on? Signed numbers are compared, so that `first`
// is moved to the least of them.
__m128i among(__m128i bytes, int first, int count) {
  return _mm_cmplt_epi8(_mm_add_epi8(bytes, all(-128 - first)), all(-128 + count));
}
unsigned which(__m128i bytes) {
  return static_cast<unsigned>(_mm_movemask_epi8(bytes));
}
constexpr unsigned kAll = 0xffff;
#endif

// The first byte that is no letter, digit or '-', or `end`.
const char* skip_name(const char* at, const char* end) {
#ifdef __SSE2__
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = bytes_at(at);
    const unsigned found = which(_mm_or_si128(
        _mm_or_si128(among(_mm_or_si128(bytes, all(0x20)), 'a', 26), among(bytes, '0', 10)),
        _mm_cmpeq_epi8(bytes, all('-'))));
    if (found != kAll) return at + std::countr_one(found);
  }
#endif
  while (at != end && kNameByte[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// The first byte that is not printable ASCII or a space, or `end`.
const char* skip_plain(const char* at, const char* end) {
#ifdef __SSE2__
  constexpr int kPlain = 0x7f - 0x20;
  for (; end - at >= 32; at += 32) {
    const __m128i first = among(bytes_at(at), 0x20, kPlain);
    const __m128i second = among(bytes_at(at + 16), 0x20, kPlain);
    if (which(_mm_and_si128(first, second)) == kAll) continue;
    return at + std::countr_one(which(first) | which(second) << 16);
  }
  for (; end - at >= 16; at += 16) {
    const unsigned found = which(among(bytes_at(at), 0x20, kPlain));
    if (found != kAll) return at + std::countr_one(found);
  }
#endif
  constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;
  for (; end - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    // A byte's highest bit is set if it is under 0x20, over 0x7f or 0x7f; right for the lowest.
    const std::uint64_t odd = ((word - kOnes * 0x20) | word | (word + kOnes)) & kOnes * 0x80;
    if (odd == 0) continue;
    if constexpr (std::endian::native == std::endian::little) {
      return at + std::countr_zero(odd) / 8;
    }
    break;
  }
  while (at != end && is_plain(*at)) ++at;
  return at;
}

HeadParser::Span span(const char* text, const char* from, const char* to) {
  return {static_cast<std::uint32_t>(from - text), static_cast<std::uint32_t>(to - from)};
}

bool is_at(const char* at, const char* end, std::string_view text) {
  return static_cast<std::size_t>(end - at) >= text.size() &&
         std::memcmp(at, text.data(), text.size()) == 0;
}

}  // namespace

// What follows the first line; null if it is not plain.
const char* HeadParser::plain_request_line(const char* text, const char* end) {
  const Method* method = kMethods;
  while (!is_at(text, end, method->text)) {
    if (++method == std::end(kMethods)) return nullptr;
  }
  parser_.method = static_cast<std::uint8_t>(method->method);
  const char* target = text + method->text.size();
  if (target == end || *target != '/') return nullptr;
  const char* line_end = skip_plain(target, end);
  constexpr std::string_view kVersion = " HTTP/1.1";
  constexpr std::string_view kLineEnd = "\r\n";
  const auto left = static_cast<std::size_t>(line_end - target);
  if (left <= kVersion.size() || !is_at(line_end, end, kLineEnd) ||
      !std::string_view(target, left).ends_with(kVersion)) {
    return nullptr;
  }
  const std::size_t size = left - kVersion.size();
  if (std::memchr(target, ' ', size) != nullptr) return nullptr;
  target_ = span(text, target, target + size);
  return line_end + kLineEnd.size();
}

const char* HeadParser::plain_status_line(const char* text, const char* end) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (!is_at(text, end, kVersion)) return nullptr;
  const char* at = text + kVersion.size();
  if (end - at < 4 || at[3] != ' ') return nullptr;
  std::uint16_t status = 0;
  for (int i = 0; i < 3; ++i) {
    if (at[i] < '0' || at[i] > '9') return nullptr;
    status = static_cast<std::uint16_t>(status * 10 + (at[i] - '0'));
  }
  const char* line_end = skip_plain(at + 4, end);
  if (!is_at(line_end, end, "\r\n")) return nullptr;
  parser_.status_code = status;
  reason_ = span(text, at + 4, line_end);
  return line_end + 2;
}

bool begins_request(std::string_view text) {
  constexpr std::size_t kMost = 40;
  constexpr std::string_view kLineEnd = "\r\n";
  if (text.size() > kMost) return false;
  if (text.starts_with(kLineEnd)) text.remove_prefix(kLineEnd.size());  // an empty line
  if (kLineEnd.starts_with(text)) return true;
  for (const Method& method : kMethods) {
    const std::size_t size = std::min(text.size(), method.text.size());
    if (text.substr(0, size) != method.text.substr(0, size)) continue;
    const char* end = text.data() + text.size();
    const std::string_view line(text.data(), skip_plain(text.data() + size, end));
    const std::string_view rest = text.substr(line.size());
    const std::string_view version = line.substr(std::min(line.find(' ', size), line.size()));
    return rest.empty() ||
           (kLineEnd.starts_with(rest) && (version == " HTTP/1.1" || version == " HTTP/1.0"));
  }
  return false;
}

bool HeadParser::plain_lines(const char* text, const char* at, const char* end) {
  int framing = 0;
  while (!is_at(at, end, "\r\n")) {
    const char* name = at;
    at = skip_name(name, end);
    if (at == name || at == end || *at != ':' || !add_line()) return false;
    Line& line = lines_[line_count_ - 1];
    line.name = span(text, name, at);
    do ++at;
    while (at != end && *at == ' ');
    const char* value = at;
    at = skip_plain(value, end);
    if (!is_at(at, end, "\r\n")) return false;
    const char* value_end = at;
    while (value_end != value && value_end[-1] == ' ') --value_end;
    line.value = span(text, value, value_end);
    at += 2;
    line.known = known_field(line.name.in(text));
    framing += line.known == Known::kContentLength || line.known == Known::kTransferEncoding;
    if (framing > 1) return false;
  }
  head_bytes_ = seen_ = static_cast<std::size_t>(at + 2 - text);
  return true;
}

bool HeadParser::read_plain(const char* text, std::size_t size) {
  const char* end = text + size;
  const char* at = request_ ? plain_request_line(text, end) : plain_status_line(text, end);
  if (at != nullptr && plain_lines(text, at, end)) {
    parser_.http_major = parser_.http_minor = 1;
    return past_first_line_ = plain_ = true;
  }
  line_count_ = 0;
  target_ = reason_ = {};
  too_many_ = false;
  return false;
}

}  // namespace gw::http
