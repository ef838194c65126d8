// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <algorithm>
#include <charconv>

#include "answers.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kSecondMs = 1000;
constexpr std::uint64_t kMomentMs = 1500;

template <class Number>
bool read_number(std::string_view text, Number most, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out <= most;
}

// %xx of a URL's user or password.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    auto [end, error] =
        std::from_chars(text.data() + i + 1, text.data() + std::min(i + 3, text.size()), value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

bool read_credentials(std::string_view text, RedisAddress& out) {
  std::size_t colon = text.find(':');
  auto user =
      unescape(colon == std::string_view::npos ? std::string_view() : text.substr(0, colon));
  auto password = unescape(colon == std::string_view::npos ? text : text.substr(colon + 1));
  if (!user || !password) return false;
  out.user = *user;
  out.password = *password;
  return true;
}

// "host[:port]" or "[address]:port"
std::optional<RedisHost> read_host(std::string_view text, std::uint16_t port) {
  RedisHost out{{}, port};
  std::size_t end = text.find(':');
  if (text.starts_with('[')) {
    std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.name = text.substr(1, close - 1);
    end = close + 1;
    if (end < text.size() && text[end] != ':') return std::nullopt;
    if (end >= text.size()) end = std::string_view::npos;
  } else {
    out.name = text.substr(0, end);
  }
  if (end != std::string_view::npos &&
      !read_number<std::uint16_t>(text.substr(end + 1), 65535, out.port))
    return std::nullopt;
  return out.name.empty() ? std::nullopt : std::optional(std::move(out));
}

bool read_hosts(std::string_view text, std::uint16_t port, RedisAddress& out) {
  while (true) {
    std::size_t comma = text.find(',');
    auto host = read_host(text.substr(0, comma), port);
    if (!host) return false;
    out.hosts.push_back(std::move(*host));
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

bool read_database(std::string_view text, RedisAddress& out) {
  return text.empty() || (read_number(text, 1'000'000, out.database) && out.database >= 0);
}

void read_store(const Config& config, Settings& out) {
  std::string store = config.string("store");
  out.in_memory = store == "memory";
  if (out.in_memory) return;
  auto address = parse_store(store);
  if (!address)
    throw ConfigError("store",
                      "is neither memory nor redis[s]://[user:password@]host[:port][/db] nor "
                      "redis[s]+sentinel://[user:password@]host[:port],.../master[?db=n] nor "
                      "redis[s]+cluster://[user:password@]host[:port],... nor unix:/path[?db=n]");
  RedisAddress& redis = out.redis.address = *address;
  if (std::string password = config.string("password"); !password.empty())
    redis.password = password;
  redis.sentinel_password = config.string("sentinel_password");
  redis.tls_ca = config.string("tls_ca");
  redis.tls_certificate = config.string("tls_certificate");
  redis.tls_key = config.string("tls_key");
  if (redis.tls_certificate.empty() != redis.tls_key.empty())
    throw ConfigError("tls_key", "tls_certificate and tls_key belong together");
  const std::string prefix = config.string("key_prefix");
  const std::size_t open = prefix.find('{'), close = prefix.find('}', open);
  const bool tagged = open != prefix.npos && close != prefix.npos && close > open + 1;
  if (redis.cluster && !tagged) throw ConfigError("key_prefix", std::string(kNeedsHashTag));
}

void read_gate(const Config& config, Settings& out) {
  std::vector<std::pair<std::string, std::string>> rules;
  std::vector<Config> given = config.tables_of("gate");
  for (const Config& rule : given) rules.emplace_back(rule.string("method"), rule.string("path"));
  if (given.empty())
    rules = {{"POST", "/api/v1/reservations"},
             {"POST", "/api/v1/reservations/"},
             {"POST", "/api/v1/reservation-seats/**"},
             // The same by way of a discovery locator, whose paths begin with the service's name.
             {"POST", "/{service}/api/v1/reservations"},
             {"POST", "/{service}/api/v1/reservations/"},
             {"POST", "/{service}/api/v1/reservation-seats/**"}};
  if (!config.boolean("gated")) rules.clear();
  for (auto& [method, path] : rules) {
    GateRule rule;
    rule.method = method;
    if (std::string error = rule.path.compile(path); !error.empty())
      throw ConfigError("gate", path.append(": ").append(error));
    out.gate.push_back(std::move(rule));
  }
}

void read_rules(const Config& config, Settings& out) {
  auto seconds = [&](const char* key) {
    return static_cast<std::uint64_t>(config.integer(key)) * kSecondMs;
  };
  Rules& rules = out.rules;
  rules.capacity = static_cast<std::uint64_t>(config.integer("capacity"));
  rules.duration_ms = seconds("duration_seconds");
  rules.max_stay_ms = seconds("max_stay_seconds");
  rules.presence_ms = seconds("presence_timeout_seconds");
  // 0 is no grace, but a moment, in which another stream of the same person can say that it is
  // there.
  rules.grace_ms = std::max<std::uint64_t>(seconds("disconnect_grace_seconds"), kMomentMs);
  rules.keep_place = config.string("relineup") == "keep";
  rules.version = static_cast<std::uint64_t>(config.integer("settings_version"));
  if (!config.boolean("coexist")) return;
  // The original neither renews leases nor forgets when somebody was admitted first.
  rules.presence_ms = 0;
  if (rules.max_stay_ms != 0)
    throw ConfigError("max_stay_seconds", "cannot be kept beside a gateway of the original");
  if (!config.string("key_prefix").empty())
    throw ConfigError("key_prefix", "the original's keys have none");
}

void read_notice(const std::string& text, Settings& out) {
  const bool odd =
      std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (odd || text.size() > Settings::kMostNoticeBytes)
    throw ConfigError("notice", "must be one line of at most " +
                                    std::to_string(Settings::kMostNoticeBytes) + " bytes");
  if (text.empty()) return;
  out.notice = "{\"message\":";
  append_json_string(out.notice, text);
  out.notice += "}";
}

void read_limits(const Config& config, Settings& out) {
  auto number = [&](const char* key) { return static_cast<std::size_t>(config.integer(key)); };
  auto ms = [&](const char* key) { return static_cast<std::uint32_t>(config.integer(key)); };
  out.redis.connect_timeout_ms = ms("connect_timeout");
  out.redis.command_timeout_ms = ms("command_timeout");
  out.redis.reconnect_min_ms = ms("reconnect_min");
  out.redis.reconnect_max_ms = ms("reconnect_max");
  out.redis.max_pending = number("max_pending");
  out.status_interval_ms = ms("status_interval");
  out.skip_unchanged = config.boolean("skip_unchanged");
  out.heartbeat_ms = ms("heartbeat_interval");
  out.reconnect_ms = ms("client_retry");
  read_notice(config.string("notice"), out);
  out.max_streams = number("max_streams");
  out.max_streams_per_user = number("max_streams_per_user");
  out.max_users = number("max_users");
  out.store_down_admit_ms = config.string("store_down") == "admit" ? ms("store_down_admit_for") : 0;
}

}  // namespace

Settings Settings::read(const Config& config) {
  Settings out;
  read_store(config, out);
  read_rules(config, out);
  read_gate(config, out);
  read_limits(config, out);
  out.key_prefix = config.string("key_prefix");
  out.renew_on_any = config.string("renew_on") == "any";
  out.missing_token_status = static_cast<std::uint32_t>(config.integer("missing_token_status"));
  if (out.missing_token_status != 200 && out.missing_token_status != 404)
    throw ConfigError("missing_token_status", "is neither 404 nor 200");
  out.lineup_path = config.string("lineup_path");
  out.status_path = config.string("status_path");
  out.stream_path = config.string("stream_path");
  out.admission_path = config.string("admission_path");
  out.waiting_path = config.string("waiting_path");
  return out;
}

bool Settings::gated(std::string_view method, std::string_view path) const {
  for (const GateRule& rule : gate)
    if ((rule.method.empty() || rule.method == method) && rule.path.match(path)) return true;
  return false;
}

std::optional<RedisAddress> parse_store(std::string_view text) {
  RedisAddress out;
  if (text.starts_with("unix:")) {
    text.remove_prefix(5);
    std::size_t query = text.find("?db=");
    out.unix_path = text.substr(0, query);
    if (query != std::string_view::npos &&
        (query + 4 == text.size() || !read_database(text.substr(query + 4), out)))
      return std::nullopt;
    return out.unix_path.starts_with('/') ? std::optional(out) : std::nullopt;
  }
  std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || !text.starts_with("redis")) return std::nullopt;
  std::string_view kind = text.substr(5, scheme - 5);
  text.remove_prefix(scheme + 3);
  out.tls = kind.starts_with('s');
  if (out.tls) kind.remove_prefix(1);
  out.cluster = kind == "+cluster";
  const bool sentinel = kind == "+sentinel";
  if (!out.cluster && !sentinel && !kind.empty()) return std::nullopt;
  if (std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    if (!read_credentials(text.substr(0, at), out)) return std::nullopt;
    text.remove_prefix(at + 1);
  }
  std::size_t slash = text.find('/');
  std::string_view rest =
      slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  if (!read_hosts(text.substr(0, slash), sentinel ? 26379 : 6379, out)) return std::nullopt;
  if (sentinel) {
    std::size_t query = rest.find("?db=");
    out.master = rest.substr(0, query);
    rest = query == std::string_view::npos ? std::string_view() : rest.substr(query + 4);
    if (out.master.empty() || out.master.find('/') != std::string::npos) return std::nullopt;
  } else if (out.hosts.size() > 1 && !out.cluster) {
    return std::nullopt;
  }
  if (!read_database(rest, out) || (out.cluster && out.database != 0)) return std::nullopt;
  return out;
}

}  // namespace gw::queue
