-- SPDX-License-Identifier: Apache-2.0
-- What all scripts share: keys, the queue clock, and the rules of admission. Second part of every script,
-- behind wall.lua. README.md has the table of keys.
--
-- KEYS  1 queue:wait  2 allowedIn:users  3 queue:counter  4 queue:state  5 queue:expiry  6 queue:lease
--       7 queue:away  8 queue:since  (9 queue:op:..., where a script says so)
-- ARGV  1 channel  2 capacity  3 duration ms  4 longest stay ms (0: none)  5 presence ms (0: no leases)
--       6 grace ms  7 "back" or "keep"  8... the script's own
-- Capacity and duration in ARGV count only while queue:state names none.
local WAIT, USERS, COUNTER, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local EXPIRY, LEASE, AWAY, SINCE = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local MAX_GAP_MS = 2000  -- how much of a gap between two looks at the clock counts
local MAX_SCAN = 2000    -- how many waiting people one call looks at
local CHUNK = 100
local ABSENT, WAITING, ADMITTED = 0, 1, 2

-- A number that others wrote; nil for text, nan, infinity and what a double does not hold exactly.
local function num(value)
  local n = tonumber(value)
  if n and n > -9007199254740992 and n < 9007199254740992 then return n end
end

local state = redis.call('HMGET', STATE, 'q', 'w', 'capacity', 'duration', 'hint')
local wall = wall_ms()
local capacity = num(state[3]) or num(ARGV[2])
local duration = num(state[4]) or num(ARGV[3])
local stay, presence, grace = num(ARGV[4]), num(ARGV[5]), num(ARGV[6])
-- Everybody who waits with a lower score than `hint` is away: where promotion starts to look.
local hint = num(state[5])

-- The queue clock in ms. It never goes back, and an outage of the store counts MAX_GAP_MS at most.
local now
do
  local q, w = num(state[1]), num(state[2])
  if not q or not w then q, w = wall, wall end
  now = q + math.max(0, math.min(wall - w, MAX_GAP_MS))
end

local function save_clock() redis.call('HSET', STATE, 'q', now, 'w', wall) end

local function text(n) return string.format('%.17g', n) end

local function drop_admitted(user)
  redis.call('HDEL', USERS, user)
  redis.call('ZREM', EXPIRY, user)
  redis.call('HDEL', SINCE, user)
end

local function drop_waiting(user)
  redis.call('ZREM', WAIT, user)
  redis.call('ZREM', LEASE, user)
  redis.call('SREM', AWAY, user)
end

-- The latest time that may count as a user's renewal: the longest stay ends it otherwise.
local function clamp(user, time)
  if stay == 0 then return time end
  local since = num(redis.call('HGET', SINCE, user))
  if not since then return time end
  return math.min(time, since + stay - duration)
end

-- A renewal in the hash (epoch seconds, perhaps another program's) as queue time; nil for what is no time
-- or lies ahead of the clock.
local function renewal_of(user, value)
  local seconds = num(value)
  if not seconds then return nil end
  local age = wall - seconds * 1000
  if age < -5000 then return nil end
  return clamp(user, now - math.max(0, age))
end

-- Is the user admitted, and not expired? The hash says who, the index says until when; where the index
-- lacks a user, or lags behind another program's renewal, it is healed.
local function is_admitted(user)
  local value = redis.call('HGET', USERS, user)
  if not value then return false end
  local known = num(redis.call('ZSCORE', EXPIRY, user))
  if known and now < known + duration then return true end
  local renewed = renewal_of(user, value)
  if not renewed and not known then renewed = now end
  if not renewed or now >= renewed + duration then return false end
  redis.call('ZADD', EXPIRY, text(renewed), user)
  return true
end

local function renew(user)
  redis.call('HSET', USERS, user, string.format('%d', math.floor(wall / 1000)))
  redis.call('ZADD', EXPIRY, text(clamp(user, now)), user)
end

local function admit(user)
  drop_waiting(user)
  redis.call('HDEL', SINCE, user)
  if stay > 0 then redis.call('HSET', SINCE, user, text(now)) end
  renew(user)
end

-- Removes admissions that have run out, `limit` at most; how many.
local function expire(limit)
  local due = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', text(now - duration), 'LIMIT', 0, limit)
  local count = 0
  for _, user in ipairs(due) do
    if not is_admitted(user) then
      drop_admitted(user)
      count = count + 1
    end
  end
  return count
end

-- Admits waiting people in order, as many as there are free slots and `limit` at most; passes over those
-- who are away, drops those whose lease is over. Gives the users, and whether nobody is left who could
-- have been admitted into a slot that is still free.
local function promote(limit)
  local users, skipped, seen, last, exhausted = {}, 0, 0, nil, false
  local free = capacity - redis.call('HLEN', USERS)
  while #users < math.min(free, limit) do
    if seen >= MAX_SCAN then break end
    local from = hint and text(hint) or '-inf'
    local chunk = redis.call('ZRANGEBYSCORE', WAIT, from, '+inf', 'WITHSCORES', 'LIMIT', skipped, CHUNK)
    local names = {}
    for i = 1, #chunk, 2 do names[#names + 1] = chunk[i] end
    if #names == 0 then
      exhausted = true
      break
    end
    local away = redis.call('SMISMEMBER', AWAY, unpack(names))
    local leases = redis.call('ZMSCORE', LEASE, unpack(names))
    for i, user in ipairs(names) do
      if #users >= math.min(free, limit) then break end
      seen, last = seen + 1, num(chunk[2 * i])
      if away[i] == 1 then
        skipped = skipped + 1
      elseif leases[i] and tonumber(leases[i]) <= now then
        drop_waiting(user)
      elseif is_admitted(user) then
        drop_waiting(user)
      else
        if redis.call('HEXISTS', USERS, user) == 1 then free = free + 1 end
        admit(user)
        users[#users + 1] = user
      end
    end
    exhausted = #names < CHUNK and #users < math.min(free, limit)
    if exhausted then break end
  end
  if skipped > 0 and last then
    if not hint then redis.call('HSET', STATE, 'hinted', text(now)) end
    redis.call('HSET', STATE, 'hint', text(last))
    hint = last
  end
  return users, exhausted
end

-- Tells every gateway: 'A' admitted, 'C' a stream closed. Payload: the letter, then "<length>:<user>"...
local function publish(letter, users)
  if #users == 0 then return end
  local parts = {letter}
  for _, user in ipairs(users) do parts[#parts + 1] = #user .. ':' .. user end
  redis.call('PUBLISH', ARGV[1], table.concat(parts))
end

-- Ends the waiting of a user whose lease is over.
local function settle_lease(user)
  local lease = num(redis.call('ZSCORE', LEASE, user))
  if lease and lease <= now then drop_waiting(user) end
end

-- Takes away what has run out of this one user, so that a bounded expiry elsewhere makes no difference.
local function settle(user)
  if redis.call('HEXISTS', USERS, user) == 1 then
    if is_admitted(user) then
      drop_waiting(user)
      return
    end
    drop_admitted(user)
  end
  settle_lease(user)
end

-- The user was heard of: the lease, if there is one, begins anew, and who was away is back in line.
local function hear(user)
  if presence > 0 then redis.call('ZADD', LEASE, 'XX', text(now + presence), user) end
  if redis.call('SREM', AWAY, user) == 0 then return end
  local score = num(redis.call('ZSCORE', WAIT, user))
  if hint and score and score < hint then
    hint = score
    redis.call('HSET', STATE, 'hint', text(hint))
  end
end
