// SPDX-License-Identifier: Apache-2.0
//
// The Redis side of the rules: which script serves which operation, with which keys and arguments,
// and what its reply means. Knows no connection, so that tests can run it over any.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store.h"

struct redisReply;

namespace gw::queue {

enum class Script : std::uint8_t { kLineup, kLook, kLeave, kAway, kTick, kConfigure, kProbe };
inline constexpr std::size_t kScriptCount = 7;
inline constexpr std::size_t kMaxBatch = 256;  // users in one script

// A command as hiredis takes it. The views are of what the caller of Scripts gave and of Scripts
// itself.
struct Command {
  std::vector<const char*> words;
  std::vector<std::size_t> sizes;
  std::vector<std::string> owned;  // texts made for this command

  void clear();
  void add(std::string_view word);
  int size() const { return static_cast<int>(words.size()); }
};

// A user, and the id under which the script remembers its answer.
struct Asked {
  std::string_view user, id;
};

// Settings that are in force in the store (rule 4).
struct InForce {
  std::uint64_t capacity = 0, duration_ms = 0, version = 0;
};

// Immutable after construction; one for all workers of an instance.
class Scripts {
 public:
  // `wall_clock` replaces lua/wall.lua in tests; empty: the store's own clock.
  Scripts(const Rules& rules, std::string_view key_prefix, std::string_view wall_clock = {});

  // Each fills `out`. `whole`: EVAL with the script's text, after NOSCRIPT; else EVALSHA.
  void lineup(std::span<const Asked> asked, bool whole, Command& out) const;
  // kLeaveAdmitted or kLeaveWaiting.
  void leave(Operation operation, const Asked& asked, bool whole, Command& out) const;
  // `renew`: a digit for each user, '1' renews an admission; empty: Looking::kRanks.
  void look(std::span<const std::string_view> users, std::string_view renew, bool whole,
            Command& out) const;
  void away(std::span<const std::string_view> users, bool whole, Command& out) const;
  void tick(bool whole, Command& out) const;
  // `running`: puts the settings in only where there are none, or those of an older version.
  void configure(bool running, bool whole, Command& out) const;
  // Fails as every change would.
  void probe(bool whole, Command& out) const;
  // SET NX of the scheduler's lock, in ShedLock's format.
  void lock(std::string_view timestamp, std::string_view host, Command& out) const;
  // Lets a lock, whoever set it, end in less than a second.
  void shorten_lock(Command& out) const;

  // Where the scripts publish.
  const std::string& channel() const { return channel_; }

 private:
  void begin(Script script, bool whole, Command& out) const;

  std::array<std::string, kScriptCount> texts_, shas_;
  std::vector<std::string> keys_, arguments_;
  std::string channel_, lock_key_, probe_key_;
};

// What replies mean; nothing when a reply is not of the form that the script gives.
// Of line-ups: `count` outcomes.
std::optional<std::vector<Lineup>> read_lineups(const redisReply* reply, std::size_t count);
// Of leaving: whether there was something to take.
std::optional<bool> read_leave(const redisReply* reply);
// Also when there are not `count` places in it.
std::optional<std::vector<Place>> read_places(const redisReply* reply, std::size_t count);
std::optional<Census> read_census(const redisReply* reply);
std::optional<InForce> read_in_force(const redisReply* reply);

// A published message: 'A' admitted, 'C' a stream closed, 'S' how the queue stands after a tick.
// Nothing when it is malformed.
struct Notice {
  char letter = 0;
  std::vector<std::string_view> users;  // views of the payload; A and C
  Census census;                        // S: waiting, admitted, capacity
};
std::optional<Notice> read_notice(std::string_view payload);

}  // namespace gw::queue
