// SPDX-License-Identifier: Apache-2.0
#include "http/request_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "base/append.h"
#include "http/canonical_path.h"
#include "http/field_names.h"
#include "http/forwarded.h"
#include "net/address.h"

namespace gw::http {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                         "PATCH", "DELETE", "OPTIONS"};
// RTSP's and ICE's, which llhttp knows: not HTTP at all.
constexpr std::string_view kMediaMethods[] = {
    "DESCRIBE", "ANNOUNCE",      "SETUP",         "PLAY",     "PAUSE", "TEARDOWN",
    "RECORD",   "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "FLUSH", "SOURCE"};
constexpr std::size_t kMostRequestIdBytes = 128;
constexpr std::size_t kMostForwardedHops = 64;

bool is_alphanumeric_or_hyphen(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

bool is_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kMostRequestIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return is_alphanumeric_or_hyphen(c) || c == '_' || c == '.' || c == ':';
         });
}

bool is_ip(std::string_view text) {
  return net::Address::from_ip(text).kind != net::Address::Kind::kNone;
}

// The entry at the client's place of a list, `hop` from the right: what stands before it clients may
// have written. Of a shorter list the first: proxies on the way handed on what they were told.
std::string_view entry_of_client(std::string_view list, std::size_t hop) {
  while (true) {
    const std::size_t comma = list.rfind(',');
    const std::string_view entry = trim_blanks(list.substr(comma + 1));  // npos + 1: all
    if (comma == std::string_view::npos || hop-- == 0) return entry;
    list = list.substr(0, comma);
  }
}

// One request, read once: collects what the lines say, then judges.
class Reader {
 public:
  Reader(const HeadParser& parsed, const char* text, const ServerSettings& settings,
         const Sender& sender, RequestHead& out)
      : parsed_(parsed), text_(text), settings_(settings), sender_(sender), out_(out) {}

  RequestFacts run();

 private:
  bool refuse(std::uint16_t status, std::string_view problem) {
    facts_.status = status;
    facts_.problem = problem;
    return false;
  }
  bool read_request_line();
  bool check_request_line();
  bool read_target();
  bool read_lines();
  bool read_line(Known known, std::string_view name, std::string_view value);
  bool settle_max_forwards(std::string_view value);
  bool settle_framing();
  bool settle_host();
  bool settle_expect();
  void settle_upgrade();  // of what is left when nominated fields are gone
  bool put_in_own_fields();
  bool add_forwarded_for();
  bool add_proto_host_port();
  void believe_proxies();
  void believe_hops(const ForwardedHops& hops);
  void settle_what_proxies_said();
  bool believe(std::string_view address, std::size_t hop);
  bool add_forwarded();
  bool add(std::string_view name, std::string_view value) {
    return out_.fields.add(name, value) || refuse(431, "too many header lines");
  }
  std::string_view text_of(std::initializer_list<std::string_view> parts);
  // Several fields of a name are one list (RFC 9110 5.3).
  void join(std::string_view& list, std::string_view value) {
    if (!value.empty()) list = list.empty() ? value : text_of({list, ", ", value});
  }

  const HeadParser& parsed_;
  const char* text_;
  const ServerSettings& settings_;
  const Sender& sender_;
  RequestHead& out_;
  RequestFacts facts_;
  ConnectionTokens connection_;
  std::string_view host_;
  std::string_view length_;
  std::string_view coding_;
  std::string_view expect_;
  std::string_view upgrade_;
  std::string_view forwarded_;
  std::string_view forwarded_for_;
  std::string_view forwarded_proto_;
  std::string_view forwarded_host_;
  std::string_view forwarded_port_;
  std::string_view real_ip_;
  std::string_view request_id_;
  std::size_t believed_hop_ = 0;  // the client's place in what proxies list, from the right
  std::uint32_t hosts_ = 0;
  std::uint32_t lengths_ = 0;
  std::uint32_t codings_ = 0;
  std::uint32_t types_ = 0;
  std::uint32_t expects_ = 0;
  std::uint32_t upgrades_ = 0;
  std::uint32_t max_forwards_ = 0;
};

RequestFacts Reader::run() {
  facts_.client_address = sender_.address;
  if (!read_request_line() || !read_lines() || !settle_framing() || !settle_host() ||
      !settle_expect()) {
    return facts_;
  }
  if (!connection_.ok()) {
    refuse(400, "a malformed Connection field");
    return facts_;
  }
  facts_.keep_alive = !connection_.close() && (out_.minor >= 1 || connection_.keep_alive());
  connection_.strip(out_.fields);
  settle_upgrade();
  put_in_own_fields();
  return facts_;
}

bool Reader::read_request_line() {
  out_.method = parsed_.method();
  if (!parsed_.plain() && !check_request_line()) return false;
  return read_target();
}

// llhttp is lenient here: exactly `method SP target SP HTTP/1.x CRLF` passes.
bool Reader::check_request_line() {
  const std::size_t method_size = out_.method.size();
  const HeadParser::Span target = parsed_.target();
  const std::size_t head = parsed_.head_bytes();
  const std::size_t end = target.offset + target.size;
  constexpr std::string_view kVersionLine = " HTTP/1.x\r\n";
  if (target.offset != method_size + 1 || end + kVersionLine.size() > head ||
      std::memcmp(text_, out_.method.data(), method_size) != 0 || text_[method_size] != ' ' ||
      std::memcmp(text_ + end, kVersionLine.data(), kVersionLine.size() - 3) != 0 ||
      text_[end + kVersionLine.size() - 2] != '\r') {
    return refuse(400, "a malformed request line");
  }
  const char minor = text_[end + kVersionLine.size() - 3];
  if (minor != '0' && minor != '1') return refuse(400, "a version that is not HTTP/1.0 or 1.1");
  out_.minor = minor == '1' ? 1 : 0;
  if (std::find(std::begin(kMethods), std::end(kMethods), out_.method) == std::end(kMethods)) {
    const bool of_media = std::find(std::begin(kMediaMethods), std::end(kMediaMethods),
                                    out_.method) != std::end(kMediaMethods);
    return refuse(of_media ? 400 : 501, "a method that is not served");
  }
  return true;
}

bool Reader::read_target() {
  const std::string_view raw = parsed_.target().in(text_);
  if (raw.size() > settings_.limits.max_target_bytes) return refuse(414, "too long a target");
  const Target parts = parse_target(raw, out_.method, out_.fields.arena());
  out_.path = parts.path;
  out_.query = parts.query;
  out_.has_query = parts.has_query;
  if (parts.absolute_form) out_.authority = parts.authority;
  if (parts.problem != nullptr) return refuse(400, parts.problem);
  facts_.last_recipient = out_.path == "*";
  return true;
}

bool Reader::read_lines() {
  constexpr std::uint32_t kOwnFields = 8;  // one more than put_in_own_fields adds at most
  out_.fields.reserve(parsed_.line_count() + kOwnFields);
  for (std::uint32_t i = 0; i < parsed_.line_count(); ++i) {
    const HeadParser::Line& line = parsed_.line(i);
    const std::string_view name = line.name.in(text_);
    const std::string_view value = line.value.in(text_);
    if (!parsed_.plain()) {
      if (!is_field_name(name)) return refuse(400, "a malformed field name");
      if (!is_received_value(value)) return refuse(400, "a control character in a field");
      // Services that turn signs into '_' would take it for another name.
      if (!std::all_of(name.begin(), name.end(), is_alphanumeric_or_hyphen)) {
        if (settings_.limits.refuse_underscores) return refuse(400, "a sign in a field name");
        continue;
      }
    }
    if (!read_line(line.known, name, value)) return false;
  }
  return true;
}

bool Reader::read_line(Known known, std::string_view name, std::string_view value) {
  switch (known) {
    case Known::kHost:
      ++hosts_;
      host_ = value;
      return true;
    case Known::kConnection:
      connection_.take(value);
      return true;
    case Known::kContentLength:
      ++lengths_;
      length_ = value;
      return true;
    case Known::kTransferEncoding:
      ++codings_;
      coding_ = value;
      return true;
    case Known::kExpect:
      ++expects_;
      expect_ = value;
      return true;
    case Known::kUpgrade:
      // Of several protocols none is passed on.
      upgrade_ = upgrades_++ == 0 ? value : std::string_view();
      return true;
    case Known::kHopByHop:
      return true;
    case Known::kForwarded:
      if (sender_.trusted && settings_.forwarded) join(forwarded_, value);
      return true;
    case Known::kXForwardedFor:
      if (sender_.trusted) join(forwarded_for_, value);
      return true;
    case Known::kXForwardedProto:
      if (sender_.trusted) join(forwarded_proto_, value);
      return true;
    case Known::kXForwardedHost:
      if (sender_.trusted) join(forwarded_host_, value);
      return true;
    case Known::kXForwardedPort:
      if (sender_.trusted) join(forwarded_port_, value);
      return true;
    case Known::kXRealIp:
      if (sender_.trusted) real_ip_ = value;
      return true;
    case Known::kXForwarded:
      return sender_.trusted ? add(name, value) : true;
    case Known::kContentType:  // a reader of the first and one of the last would differ
      return types_++ == 0 ? add(name, value) : refuse(400, "more than one Content-Type");
    case Known::kMaxForwards:
      return out_.method == "OPTIONS" ? settle_max_forwards(value) : add(name, value);
    case Known::kXRequestId:
      if (!settings_.request_id) return add(name, value);
      if (sender_.trusted && is_request_id(value)) request_id_ = value;
      return true;
    case Known::kDate:
    case Known::kOther:
      break;
  }
  return add(name, value);
}

// RFC 9110 7.6.2, where it counts: OPTIONS, as TRACE is not served.
bool Reader::settle_max_forwards(std::string_view value) {
  std::uint64_t left = 0;
  if (max_forwards_++ > 0 || !parse_length(value, left)) {
    return refuse(400, "a malformed Max-Forwards");
  }
  if (left == 0) facts_.last_recipient = true;
  if (left == 0) return true;
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, left - 1).ptr;
  const std::string_view fewer =
      out_.fields.arena().copy({digits, static_cast<std::size_t>(end - digits)});
  return fewer.empty() ? refuse(431, "too many header lines") : add("Max-Forwards", fewer);
}

bool Reader::settle_framing() {
  if (codings_ > 0) {
    if (out_.minor == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (lengths_ > 0) return refuse(400, "Transfer-Encoding beside Content-Length");
    if (codings_ > 1 || !same_name(coding_, "chunked")) {
      return refuse(400, "a transfer coding that is not chunked alone");
    }
    out_.framing = Framing::kChunked;
    return true;
  }
  if (lengths_ == 0) return true;
  if (lengths_ > 1 || !parse_length(length_, out_.content_length)) {
    return refuse(400, "a malformed Content-Length");
  }
  // "Content-Length: 0" has no body to forward, but is repeated to the upstream as it was said.
  out_.framing = Framing::kLength;
  return true;
}

bool Reader::settle_host() {
  if (hosts_ > 1) return refuse(400, "more than one Host");
  if (hosts_ == 0) return out_.minor == 0 || refuse(400, "no Host");
  if (!is_authority(host_)) return refuse(400, "a malformed Host");
  if (out_.authority.empty()) out_.authority = host_;
  return true;
}

bool Reader::settle_expect() {
  if (expects_ == 0 || out_.minor == 0) return true;
  if (expects_ > 1 || !same_name(expect_, "100-continue")) {
    return refuse(417, "an expectation other than 100-continue");
  }
  out_.expects_continue = out_.framing == Framing::kChunked || out_.content_length > 0;
  return true;
}

void Reader::settle_upgrade() {
  if (upgrade_.empty() || !connection_.upgrade() || out_.minor == 0 || out_.method != "GET" ||
      out_.framing != Framing::kNone) {
    return;
  }
  const auto only = [&](std::string_view name) {
    const Field* field = out_.fields.find(name, 1) == nullptr ? out_.fields.find(name) : nullptr;
    return field == nullptr ? std::string_view() : field->value;
  };
  out_.upgrade_websocket = same_name(upgrade_, "websocket") &&
                           only("Sec-WebSocket-Version") == "13" &&
                           !only("Sec-WebSocket-Key").empty();
}

std::string_view Reader::text_of(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  auto* memory = static_cast<char*>(out_.fields.arena().try_allocate(size));
  if (memory == nullptr) {  // to go on without would be to believe less, or more, than was said
    refuse(431, "too many header lines");
    return {};
  }
  char* at = memory;
  for (const std::string_view part : parts) at = base::append(at, part);
  return {memory, size};
}

// The client is the right-most address that no trusted proxy could have made up: of
// X-Forwarded-For, or else of Forwarded.
void Reader::believe_proxies() {
  ForwardedHops hops;
  if (!forwarded_.empty() && !hops.read(forwarded_)) {
    forwarded_ = {};  // nobody downstream should have to guess
  } else if (forwarded_for_.empty() && !forwarded_.empty()) {
    return believe_hops(hops);
  }
  std::string_view rest = forwarded_for_;
  for (std::size_t hop = 0; !rest.empty() && hop < kMostForwardedHops; ++hop) {
    const std::size_t comma = rest.rfind(',');
    const std::string_view address =
        trim_blanks(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
    if (!believe(node_address(address), hop)) return;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(0, comma);
  }
}

// Who reads only X-Forwarded-For hears it there.
void Reader::believe_hops(const ForwardedHops& hops) {
  for (std::size_t i = hops.size(); i-- > 0;) {
    const bool https = same_name(hops[i].proto, "https");
    if (forwarded_proto_.empty() && !hops[i].proto.empty())
      facts_.scheme = https ? "https" : "http";
    if (!is_ip(hops[i].address)) return;
    const std::string_view nearer = std::exchange(forwarded_for_, hops[i].address);
    if (!nearer.empty()) forwarded_for_ = text_of({hops[i].address, ", ", nearer});
    if (!believe(hops[i].address, hops.size() - 1 - i)) return;
  }
}

// Of several values the service gets one, so that it cannot take another than the gateway.
void Reader::settle_what_proxies_said() {
  forwarded_proto_ = entry_of_client(forwarded_proto_, believed_hop_);
  forwarded_host_ = entry_of_client(forwarded_host_, believed_hop_);
  forwarded_port_ = entry_of_client(forwarded_port_, believed_hop_);
  real_ip_ = node_address(real_ip_);
  std::uint64_t port = 0;
  if (!is_field_name(forwarded_proto_)) forwarded_proto_ = {};
  if (!is_authority(forwarded_host_)) forwarded_host_ = {};
  if (!parse_length(forwarded_port_, port) || port == 0 || port > 65535) forwarded_port_ = {};
  if (!is_ip(real_ip_)) real_ip_ = {};
  if (forwarded_proto_.empty()) return;
  const bool secure = same_name(forwarded_proto_, "https") || same_name(forwarded_proto_, "wss");
  facts_.scheme = secure ? "https" : "http";
}

// Whether to look at what stands before it: a trusted proxy's word.
bool Reader::believe(std::string_view address, std::size_t hop) {
  if (!is_ip(address)) return false;
  facts_.client_address = address;
  believed_hop_ = hop;
  return settings_.trusted && settings_.trusted(address);
}

bool Reader::add_forwarded_for() {
  // A Unix socket has no address to tell.
  if (sender_.address == "unix") {
    return forwarded_for_.empty() || add("X-Forwarded-For", forwarded_for_);
  }
  return add("X-Forwarded-For", forwarded_for_.empty()
                                    ? sender_.address
                                    : text_of({forwarded_for_, ", ", sender_.address}));
}

// Says what X-Forwarded-* say: where a service reads both they may not contradict each other.
bool Reader::add_forwarded() {
  if (!settings_.forwarded) return true;
  std::string_view address = forwarded_.empty() ? facts_.client_address : sender_.address;
  if (address == "unix") address = "unknown";
  const bool ip6 = address.find(':') != std::string_view::npos;
  std::string_view host = forwarded_.empty() ? forwarded_host_ : std::string_view();
  if (host.empty()) host = out_.authority;
  return add("Forwarded",
             text_of({forwarded_, forwarded_.empty() ? ""sv : ", "sv, ip6 ? "for=\"["sv : "for="sv,
                      address, ip6 ? "]\""sv : ""sv, host.empty() ? ""sv : ";host=\""sv, host,
                      host.empty() ? ""sv : "\""sv, ";proto=", facts_.scheme}));
}

bool Reader::add_proto_host_port() {
  const std::string_view proto = forwarded_proto_.empty() ? facts_.scheme : forwarded_proto_;
  if (!add("X-Forwarded-Proto", proto)) return false;
  const std::string_view host = forwarded_host_.empty() ? out_.authority : forwarded_host_;
  if (!host.empty() && !add("X-Forwarded-Host", host)) return false;
  if (!forwarded_port_.empty()) return add("X-Forwarded-Port", forwarded_port_);
  if (host.empty()) return true;
  const std::size_t colon = host.rfind(':');
  char digits[5];
  std::string_view port = facts_.scheme == "https" ? "443" : "80";
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    port = host.substr(colon + 1);
  } else if (sender_.connected_port != 0) {
    const auto end = std::to_chars(digits, std::end(digits), sender_.connected_port).ptr;
    port = out_.fields.arena().copy({digits, static_cast<std::size_t>(end - digits)});
  }
  return add("X-Forwarded-Port", port);
}

bool Reader::put_in_own_fields() {
  if (sender_.trusted) {
    believe_proxies();
    settle_what_proxies_said();
  }
  if (!add_forwarded_for() || !add_forwarded() || !add_proto_host_port()) return false;
  if (!real_ip_.empty() && !add("X-Real-IP", real_ip_)) return false;
  if (!add("Via", own_via(out_.minor))) return false;
  if (!settings_.request_id) return true;
  out_.request_id = request_id_.empty() ? sender_.fresh_id : request_id_;
  return add("X-Request-Id", out_.request_id);
}

}  // namespace

RequestFacts read_request(const HeadParser& parsed, const char* text,
                          const ServerSettings& settings, const Sender& sender, RequestHead& out) {
  return Reader(parsed, text, settings, sender, out).run();
}

}  // namespace gw::http
