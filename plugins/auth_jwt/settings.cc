// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <strings.h>

#include <algorithm>

#include "file.h"

namespace gw::auth {
namespace {

// Collects complaints, so that an operator sees all of them at once.
class Reader {
 public:
  explicit Reader(const Config& config) : config_(config) {}
  void complain(const char* key, std::string_view message) { complain(config_, key, message); }
  void complain(const Config& table, const char* key, std::string_view message) {
    table.complain(key, message);
    failed_ = true;
  }
  void finish() const {
    if (failed_) throw ConfigError();
  }
  const Config& config() const { return config_; }
  std::uint32_t milliseconds(const char* key) const {
    return static_cast<std::uint32_t>(config_.integer(key));
  }
  std::size_t count(const char* key) const {
    return static_cast<std::size_t>(config_.integer(key));
  }

 private:
  const Config& config_;
  bool failed_ = false;
};

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxHeaderNameSize &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-';
         });
}

bool same_header(const std::string& a, const std::string& b) {
  return ::strcasecmp(a.c_str(), b.c_str()) == 0;
}

std::string read_header_name(Reader& reader, const char* key) {
  std::string name = reader.config().string(key);
  if (!is_field_name(name))
    reader.complain(key, "must be a header's name of letters, digits and hyphens");
  if (same_header(name, "Authorization")) reader.complain(key, "is where the token comes in");
  return name;
}

void read_algorithms(Reader& reader, Settings& out) {
  out.policy.algorithms.clear();
  bool hmac = false;
  for (const std::string& name : reader.config().strings("algorithms")) {
    std::optional<Algorithm> algorithm = algorithm_named(name);
    if (!algorithm) {
      reader.complain("algorithms", "no such algorithm: \"" + name +
                                        "\"; known are RS, PS, ES and HS with 256, 384 or 512");
      continue;
    }
    hmac = hmac || facts(*algorithm).family == Family::kHmac;
    out.policy.algorithms.push_back(*algorithm);
  }
  if (out.policy.algorithms.empty()) reader.complain("algorithms", "names no algorithm");
  std::string file = reader.config().string("secret_file");
  if (hmac && file.empty())
    reader.complain("algorithms", "HS256, HS384 and HS512 need a secret_file");
  if (!hmac && !file.empty())
    reader.complain("secret_file", "no algorithm of the HS family is allowed by \"algorithms\"");
  if (!hmac || file.empty()) return;
  FileText secret = read_private_file(file, 4097);
  if (secret.error.empty()) {
    if (!secret.text.empty() && secret.text.back() == '\n') secret.text.pop_back();
    KeyOrReason made = key_from_secret(secret.text);
    secret.error = made.reason;
    out.secret = made.key;
  }
  if (!secret.error.empty()) {
    reader.complain("secret_file", secret.error);
    return;
  }
  for (Algorithm algorithm : out.policy.algorithms)
    if (facts(algorithm).family == Family::kHmac && !out.secret->serves(algorithm))
      reader.complain("secret_file",
                      "secret is too short for " + std::string(facts(algorithm).name));
}

std::optional<std::size_t> requirement_index(Reader& reader, const Config& table, Settings& out) {
  Requirement wanted{table.string("claim"), table.string("value")};
  if (wanted.claim.empty()) {
    if (!wanted.value.empty()) reader.complain(table, "value", "needs a \"claim\"");
    return std::nullopt;
  }
  if (table.string("access") != "token")
    reader.complain(table, "claim", "goes with access = \"token\" only");
  auto& all = out.policy.requirements;
  auto found = std::find(all.begin(), all.end(), wanted);
  if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
  if (all.size() == kMaxRequirements) {
    reader.complain(table, "claim", "more than 64 different requirements");
    return std::nullopt;
  }
  all.push_back(wanted);
  return all.size() - 1;
}

void read_rules(Reader& reader, Settings& out) {
  for (const Config& table : reader.config().tables_of("rules")) {
    std::string access = table.string("access");
    Access kind = access == "public" ? Access::kPublic
                  : access == "deny" ? Access::kDeny
                                     : Access::kToken;
    std::optional<std::size_t> requirement = requirement_index(reader, table, out);
    std::vector<std::string> paths = table.strings("paths");
    if (paths.empty()) reader.complain(table, "paths", "names no path");
    for (const std::string& path : paths) {
      std::string error = out.rules.add(table.strings("methods"), path, kind, requirement);
      if (!error.empty()) reader.complain(table, "paths", error);
    }
  }
  if (reader.config().boolean("default_rules")) add_default_rules(out.rules);
}

void read_sources(Reader& reader, Settings& out) {
  const Config& config = reader.config();
  out.jwks_uri = config.string("jwks_uri");
  out.jwks_file = config.string("jwks_file");
  if (!out.jwks_file.empty()) out.jwks_uri.clear();
  bool public_keys =
      std::any_of(out.policy.algorithms.begin(), out.policy.algorithms.end(),
                  [](Algorithm algorithm) { return facts(algorithm).family != Family::kHmac; });
  if (!public_keys) {
    out.jwks_uri.clear();
    out.jwks_file.clear();
  }
  if (!out.jwks_uri.empty() && !out.jwks_uri.starts_with("http://") &&
      !out.jwks_uri.starts_with("https://"))
    reader.complain("jwks_uri", "must start with http:// or https://");
  if (public_keys && !out.has_source() && !out.development_issuer)
    reader.complain("jwks_uri", "no source of keys: set jwks_uri or jwks_file");
  out.refresh.interval_ms = reader.milliseconds("refresh_interval");
  out.refresh.max_retry_ms = std::min(out.refresh.max_retry_ms, out.refresh.interval_ms);
  out.fetch_timeout_ms = reader.milliseconds("fetch_timeout");
  out.key_cool_down_ms = reader.milliseconds("key_cool_down");
  out.key_wait_ms = reader.milliseconds("key_wait");
  out.max_waiting = reader.count("max_waiting");
}

void read_development(Reader& reader, const Context& context, Settings& out) {
  const Config& config = reader.config();
  out.development_issuer = config.boolean("development_issuer");
  out.development_key = config.string("development_key");
  if (!out.development_issuer) return;
  auto& algorithms = out.policy.algorithms;
  if (std::find(algorithms.begin(), algorithms.end(), Algorithm::kRs256) == algorithms.end())
    reader.complain("development_issuer", "signs with RS256, which \"algorithms\" does not allow");
  if (config.boolean("development_force")) return;
  for (const gw_listener& listener : context.listeners())
    if (!listener.loopback)
      reader.complain("development_issuer",
                      "anybody on this machine can make tokens, and the listener " +
                          std::string(view(listener.address)) +
                          " is open to others; listen on loopback only, or say "
                          "development_force = true");
}

}  // namespace

Settings read_settings(const Context& context, const Config& config) {
  Reader reader(config);
  Settings out;
  read_algorithms(reader, out);
  out.policy.issuer = config.string("issuer");
  out.policy.audiences = config.strings("audiences");
  out.policy.skew_s = config.integer("clock_skew") / 1000;
  out.policy.require_expiry = config.boolean("require_expiry");
  out.policy.subject_claim = config.string("subject_claim");
  out.policy.type_claim = config.string("type_claim");
  out.user_id_header = read_header_name(reader, "user_id_header");
  out.user_type_header = read_header_name(reader, "user_type_header");
  if (same_header(out.user_type_header, out.user_id_header))
    reader.complain("user_type_header", "is the same header as \"user_id_header\"");
  read_rules(reader, out);
  read_development(reader, context, out);
  read_sources(reader, out);
  out.cache_entries = reader.count("cache_entries");
  out.cache_bytes = reader.count("cache_bytes");
  reader.finish();
  return out;
}

}  // namespace gw::auth
