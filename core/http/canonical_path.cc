// SPDX-License-Identifier: Apache-2.0
#include "http/canonical_path.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "net/address.h"

namespace gw::http {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What a byte may be part of.
enum Kind : std::uint8_t { kUnreserved = 1, kPath = 2, kQuery = 4, kHost = 8, kDot = 16 };
constexpr std::array<std::uint8_t, 256> kKinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  const auto add = [&kinds](std::string_view bytes, int kind) {
    for (const char c : bytes) kinds[static_cast<unsigned char>(c)] |= kind;
  };
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._",
      kUnreserved | kPath | kQuery | kHost);
  add("~", kUnreserved | kPath | kQuery);
  add("!$&'()*+,=:@/", kPath | kQuery);  // no ';', which starts path parameters
  add(";?[]", kQuery);
  add(".", kDot);
  return kinds;
}();
bool is(char c, Kind kind) {
  return (kKinds[static_cast<unsigned char>(c)] & kind) != 0;
}

// The value of the escape at `at`, or -1.
int escape_at(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = hex_digit(text[at + 1]);
  const int low = hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Strict UTF-8 (RFC 3629), byte by byte.
class Utf8Check {
 public:
  bool take(unsigned char byte) {
    if (need_ > 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xbf;
      --need_;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    need_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
  }
  bool complete() const { return need_ == 0; }

 private:
  int need_ = 0;
  unsigned char low_ = 0x80;
  unsigned char high_ = 0xbf;
};

const char* escape_problem(int value) {
  if (value < 0) return "a percent sign without two hexadecimal digits";
  if (value < 0x20 || value == 0x7f) return "an escaped control character";
  if (std::string_view("/\\.%;").find(static_cast<char>(value)) != std::string_view::npos)
    return "an ambiguous escape";
  return nullptr;
}

const char* character_problem(char c) {
  if (c == ';') return "path parameters";
  if (c == '\\') return "a backslash";
  if (c == '#') return "a fragment";
  return "a character that must be escaped";
}

const char* segment_problem(std::string_view path) {
  std::size_t begin = 1;
  while (begin <= path.size()) {
    std::size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment == "." || segment == "..") return "a dot segment";
    if (segment.empty() && end < path.size()) return "an empty segment";
    begin = end + 1;
  }
  return nullptr;
}

// Checks every byte; `rewrite` is set when the text is not canonical yet.
const char* path_problem(std::string_view raw, bool& rewrite) {
  Utf8Check utf8;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      if (!utf8.complete()) return "an escape that is not UTF-8";
      if (!is(raw[i], kPath)) return character_problem(raw[i]);
      continue;
    }
    const int value = escape_at(raw, i);
    if (const char* problem = escape_problem(value)) return problem;
    if (!utf8.take(static_cast<unsigned char>(value))) return "an escape that is not UTF-8";
    const bool lower_case = raw[i + 1] >= 'a' || raw[i + 2] >= 'a';
    if (lower_case || is(static_cast<char>(value), kUnreserved)) rewrite = true;
    i += 2;
  }
  return utf8.complete() ? nullptr : "an escape that is not UTF-8";
}

std::string_view rewritten(std::string_view raw, base::Arena& arena) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  char* out = static_cast<char*>(arena.try_allocate(raw.size()));
  if (out == nullptr) return {};
  std::size_t size = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out[size++] = raw[i];
      continue;
    }
    const int value = escape_at(raw, i);
    if (is(static_cast<char>(value), kUnreserved)) {
      out[size++] = static_cast<char>(value);
    } else {
      out[size++] = '%';
      out[size++] = kDigits[value >> 4];
      out[size++] = kDigits[value & 15];
    }
    i += 2;
  }
  return {out, size};
}

bool starts_with_scheme(std::string_view raw, std::string_view scheme) {
  if (raw.size() < scheme.size()) return false;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = raw[i] >= 'A' && raw[i] <= 'Z' ? static_cast<char>(raw[i] + 32) : raw[i];
    if (c != scheme[i]) return false;
  }
  return true;
}

}  // namespace

CanonicalPath make_canonical_path(std::string_view raw, base::Arena& arena) {
  if (raw.empty() || raw[0] != '/') return {{}, "not an absolute path"};
  bool rewrite = false;
  if (const char* problem = path_problem(raw, rewrite)) return {{}, problem};
  const std::string_view path = rewrite ? rewritten(raw, arena) : raw;
  if (path.empty()) return {{}, "out of memory"};
  if (const char* problem = segment_problem(path)) return {{}, problem};
  return {path, nullptr};
}

const char* query_problem(std::string_view query) {
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (query[i] == '%') {
      if (escape_at(query, i) < 0) return "a percent sign without two hexadecimal digits";
      i += 2;
    } else if (!is(query[i], kQuery)) {
      return character_problem(query[i]);
    }
  }
  return nullptr;
}

Target parse_target(std::string_view raw, std::string_view method, base::Arena& arena) {
  Target target;
  if (raw == "*") {
    if (method != "OPTIONS") target.problem = "an asterisk that is not for OPTIONS";
    target.path = raw;
    return target;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_scheme(raw, scheme)) continue;
    target.absolute_form = true;
    raw.remove_prefix(scheme.size());
    const std::size_t end = raw.find_first_of("/?");
    target.authority = raw.substr(0, end);
    raw.remove_prefix(target.authority.size());
    if (!is_authority(target.authority)) {
      target.problem = "a malformed authority";
      return target;
    }
    break;
  }
  const std::size_t question = raw.find('?');
  std::string_view path = raw.substr(0, question);
  if (question != std::string_view::npos) {
    target.has_query = true;
    target.query = raw.substr(question + 1);
    target.problem = query_problem(target.query);
    if (target.problem != nullptr) return target;
  }
  if (path.empty() && target.absolute_form) {
    if (method == "OPTIONS" && !target.has_query) {  // RFC 9112 3.2.4
      target.path = "*";
      return target;
    }
    path = "/";
  }
  const CanonicalPath canonical = make_canonical_path(path, arena);
  target.path = canonical.path;
  target.problem = canonical.problem;
  return target;
}

bool is_authority(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view literal = text.substr(1, close - 1);
    if (literal.find('%') != std::string_view::npos ||
        net::Address::from_ip(literal).kind != net::Address::Kind::kIp6) {
      return false;
    }
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') return false;
  } else {
    const std::size_t size = std::min(text.find(':'), text.size());
    if (size == 0 || size > 255) return false;
    unsigned all = kHost;
    unsigned both = 0;  // of any two in a row; a dot is thought in front
    unsigned before = kDot;
    for (const char c : text.substr(0, size)) {
      const unsigned kinds = kKinds[static_cast<unsigned char>(c)];
      all &= kinds;
      both |= kinds & before;
      before = kinds;
    }
    if (all == 0 || (both & kDot) != 0) return false;
    port = text.substr(size);
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  if (port.empty() || port.size() > 5) return false;
  std::uint32_t number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number > 0 && number <= 65535;
}

}  // namespace gw::http
