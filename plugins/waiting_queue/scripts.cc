// SPDX-License-Identifier: Apache-2.0
#include "scripts.h"

#include <hiredis/hiredis.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "lua_texts.h"

namespace gw::queue {
namespace {

constexpr std::size_t kCommonArguments = 7;
constexpr std::string_view kTickLimit = "500";
constexpr std::string_view kLockMs = "900";  // a little less than the scheduler's second

std::string sha1_hex(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

// A count that a script gave: never negative.
std::optional<std::uint64_t> number(const redisReply* reply) {
  if (reply == nullptr || reply->type != REDIS_REPLY_INTEGER || reply->integer < 0)
    return std::nullopt;
  return static_cast<std::uint64_t>(reply->integer);
}

bool is_array(const redisReply* reply, std::size_t size) {
  return reply != nullptr && reply->type == REDIS_REPLY_ARRAY && reply->elements == size;
}

// All elements as numbers, or nothing.
template <std::size_t kSize>
std::optional<std::array<std::uint64_t, kSize>> numbers(const redisReply* reply) {
  if (!is_array(reply, kSize)) return std::nullopt;
  std::array<std::uint64_t, kSize> all{};
  for (std::size_t i = 0; i < kSize; ++i) {
    auto value = number(reply->element[i]);
    if (!value) return std::nullopt;
    all[i] = *value;
  }
  return all;
}

// "5:alice3:bob"
bool read_users(std::string_view text, std::vector<std::string_view>& users) {
  while (!text.empty()) {
    std::size_t size = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || digits >= text.size() || *end != ':' ||
        size > text.size() - digits - 1)
      return false;
    users.push_back(text.substr(digits + 1, size));
    text.remove_prefix(digits + 1 + size);
  }
  return true;
}

// "2:1:100"
bool read_standing(std::string_view text, Census& census) {
  for (std::uint64_t* value : {&census.waiting, &census.admitted, &census.capacity}) {
    std::string_view part = text.substr(0, text.find(':'));
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), *value);
    if (part.empty() || error != std::errc() || end != part.data() + part.size()) return false;
    text.remove_prefix(std::min(part.size() + 1, text.size()));
  }
  return text.empty();
}

}  // namespace

void Command::clear() {
  words.clear();
  sizes.clear();
  owned.clear();
}

void Command::add(std::string_view word) {
  words.push_back(word.data());
  sizes.push_back(word.size());
}

Scripts::Scripts(const Rules& rules, std::string_view key_prefix, std::string_view wall_clock) {
  const std::string wall(wall_clock.empty() ? std::string_view(lua::k_wall) : wall_clock);
  const char* bodies[] = {lua::k_lineup, lua::k_look,      lua::k_leave, lua::k_away,
                          lua::k_tick,   lua::k_configure, lua::k_probe};
  for (std::size_t i = 0; i < kScriptCount; ++i) {
    texts_[i] = wall + bodies[i];
    shas_[i] = sha1_hex(texts_[i]);
  }
  std::string prefix(key_prefix);
  for (const char* key :
       {"queue:wait", "allowedIn:users", "queue:counter", "queue:state", "queue:expiry",
        "queue:lease", "queue:away", "queue:since", "queue:answers:0", "queue:answers:1"})
    keys_.push_back(prefix + key);
  channel_ = prefix + "queue:events";
  probe_key_ = prefix + "queue:probe";
  lock_key_ = "job-lock:default:" + prefix + "queueTick";
  arguments_ = {channel_,
                std::to_string(rules.capacity),
                std::to_string(rules.duration_ms),
                std::to_string(rules.max_stay_ms),
                std::to_string(rules.presence_ms),
                std::to_string(rules.grace_ms),
                rules.keep_place ? "keep" : "back",
                std::to_string(rules.version)};
}

void Scripts::begin(Script script, bool whole, Command& out) const {
  out.clear();
  auto index = static_cast<std::size_t>(script);
  out.add(whole ? "EVAL" : "EVALSHA");
  out.add(whole ? texts_[index] : shas_[index]);
  const bool probes = script == Script::kProbe;
  out.add(probes ? "12" : "10");
  for (const std::string& key : keys_) out.add(key);
  if (probes) out.add(probe_key_), out.add(lock_key_);
  for (std::size_t i = 0; i < kCommonArguments; ++i) out.add(arguments_[i]);
}

void Scripts::lineup(std::span<const Asked> asked, bool whole, Command& out) const {
  begin(Script::kLineup, whole, out);
  for (const Asked& one : asked) out.add(one.user);
  for (const Asked& one : asked) out.add(one.id);
}

void Scripts::leave(Operation operation, const Asked& asked, bool whole, Command& out) const {
  begin(Script::kLeave, whole, out);
  out.add(operation == Operation::kLeaveAdmitted ? "admitted" : "waiting");
  out.add(asked.user);
  out.add(asked.id);
}

void Scripts::look(std::span<const std::string_view> users, std::string_view renew, bool whole,
                   Command& out) const {
  begin(Script::kLook, whole, out);
  out.add(renew);
  for (std::string_view user : users) out.add(user);
}

void Scripts::away(std::span<const std::string_view> users, bool whole, Command& out) const {
  begin(Script::kAway, whole, out);
  for (std::string_view user : users) out.add(user);
}

void Scripts::tick(bool whole, Command& out) const {
  begin(Script::kTick, whole, out);
  out.add(kTickLimit);
}

void Scripts::configure(bool running, bool whole, Command& out) const {
  begin(Script::kConfigure, whole, out);
  out.add(arguments_[7]);
  out.add(running ? "1" : "0");
}

void Scripts::probe(bool whole, Command& out) const {
  begin(Script::kProbe, whole, out);
}

void Scripts::lock(std::string_view timestamp, std::string_view host, Command& out) const {
  out.clear();
  std::string value = "ADDED:";
  value.append(timestamp).append("@").append(host);
  out.owned.push_back(std::move(value));
  out.add("SET");
  out.add(lock_key_);
  out.add(out.owned.back());
  out.add("NX");
  out.add("PX");
  out.add(kLockMs);
}

void Scripts::shorten_lock(Command& out) const {
  out.clear();
  out.add("PEXPIRE");
  out.add(lock_key_);
  out.add(kLockMs);
}

std::optional<std::vector<Lineup>> read_lineups(const redisReply* reply, std::size_t count) {
  if (!is_array(reply, count)) return std::nullopt;
  std::vector<Lineup> outcomes(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto outcome = number(reply->element[i]);
    if (!outcome || *outcome < kAlreadyAdmitted || *outcome > kQueued) return std::nullopt;
    outcomes[i] = static_cast<Lineup>(*outcome);
  }
  return outcomes;
}

std::optional<bool> read_leave(const redisReply* reply) {
  auto values = numbers<2>(reply);
  if (!values || (*values)[0] > 1) return std::nullopt;
  return (*values)[0] == 1;
}

std::optional<std::vector<Place>> read_places(const redisReply* reply, std::size_t count) {
  if (!is_array(reply, 1 + count)) return std::nullopt;
  auto total = number(reply->element[0]);
  if (!total) return std::nullopt;
  std::vector<Place> places(count);
  for (std::size_t i = 0; i < count; ++i) {
    const redisReply* place = reply->element[1 + i];
    if (place == nullptr || place->type != REDIS_REPLY_INTEGER || place->integer < -1)
      return std::nullopt;
    places[i].total = *total;
    if (place->integer == -1) {
      places[i].standing = Standing::kAdmitted;
    } else if (place->integer > 0) {
      places[i].standing = Standing::kWaiting;
      places[i].position = static_cast<std::uint64_t>(place->integer);
      if (places[i].position > *total) return std::nullopt;
    }
  }
  return places;
}

std::optional<Census> read_census(const redisReply* reply) {
  auto values = numbers<8>(reply);
  if (!values) return std::nullopt;
  const auto& v = *values;
  return Census{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

std::optional<InForce> read_in_force(const redisReply* reply) {
  auto values = numbers<3>(reply);
  if (!values) return std::nullopt;
  return InForce{(*values)[0], (*values)[1], (*values)[2]};
}

std::optional<Notice> read_notice(std::string_view payload) {
  if (payload.empty()) return std::nullopt;
  Notice notice;
  notice.letter = payload[0];
  payload.remove_prefix(1);
  bool good = false;
  if (notice.letter == 'A' || notice.letter == 'C') good = read_users(payload, notice.users);
  if (notice.letter == 'S') good = read_standing(payload, notice.census);
  return good ? std::optional(std::move(notice)) : std::nullopt;
}

}  // namespace gw::queue
