// SPDX-License-Identifier: Apache-2.0
//
// The scripts of the original, as its description has them. ARGV: user, its capacity, epoch seconds. Its
// admissions last kSeconds. For tests alone.
#pragma once

#include <string>
#include <vector>

namespace gw::queue::original {

inline constexpr int kSeconds = 20;
inline constexpr const char* kLineup = R"lua(
  if redis.call('HEXISTS', 'allowedIn:users', ARGV[1]) == 1 then return 1 end
  if redis.call('HLEN', 'allowedIn:users') < tonumber(ARGV[2]) then
    redis.call('HSET', 'allowedIn:users', ARGV[1], ARGV[3])
    return 2
  end
  redis.call('ZADD', 'queue:wait', redis.call('INCR', 'queue:counter'), ARGV[1])
  return 3)lua";
inline constexpr const char* kPromote = R"lua(
  local free = tonumber(ARGV[2]) - redis.call('HLEN', 'allowedIn:users')
  if free > 0 then
    for _, user in ipairs(redis.call('ZRANGE', 'queue:wait', 0, free - 1)) do
      redis.call('ZREM', 'queue:wait', user)
      redis.call('HSET', 'allowedIn:users', user, ARGV[3])
    end
  end)lua";
inline constexpr const char* kExpire = R"lua(
  local all = redis.call('HGETALL', 'allowedIn:users')
  for i = 1, #all, 2 do
    if tonumber(ARGV[3]) - tonumber(all[i + 1]) >= 20 then
      redis.call('HDEL', 'allowedIn:users', all[i])
    end
  end)lua";
inline constexpr const char* kEnter = R"lua(
  if redis.call('HEXISTS', 'allowedIn:users', ARGV[1]) == 1 then
    redis.call('HSET', 'allowedIn:users', ARGV[1], ARGV[3])
  end)lua";
inline constexpr const char* kLeave = "redis.call('HDEL', 'allowedIn:users', ARGV[1])";
inline constexpr const char* kLeaveLine = "redis.call('ZREM', 'queue:wait', ARGV[1])";

// What it may run at any time, in one step each.
inline std::vector<std::string> steps() {
  return {
      kLineup,   kLineup, std::string(kExpire) + kPromote, kEnter, std::string(kLeave) + kPromote,
      kLeaveLine};
}

}  // namespace gw::queue::original
