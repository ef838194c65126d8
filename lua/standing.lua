-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts: who is admitted, and whose waiting ends.
local waiting = call('ZCARD', WAIT)
own('ZCARD', EXPIRY)
local leases, aways, sinces = own('ZCARD', LEASE), own('SCARD', AWAY), 0
if stay > 0 then sinces = own('HLEN', SINCE) end
-- Everybody who waits with a lower score than `hint` is away: where promotion starts to look.
local hint = num(state[5])

local function drop_waiting(users)
  if #users == 0 then return 0 end
  if leases > 0 then call('ZREM', LEASE, unpack(users)) end
  if aways > 0 then call('SREM', AWAY, unpack(users)) end
  local count = call('ZREM', WAIT, unpack(users))
  waiting = waiting - count
  return count
end

-- The latest time that may count as a user's renewal: the longest stay ends it otherwise.
local function clamp(user, time)
  local since = stay > 0 and num(call('HGET', SINCE, user))
  return since and math.min(time, since + stay - duration) or time
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

-- What the index says of a user's renewal; nil when it cannot be.
local function known_renewal(score)
  local known = num(score)
  if known and known <= now + AHEAD_MS then return known end
end

-- Which of these are admitted, and not expired; and which have an entry in the hash at all. The hash says
-- who, the index says until when; where the index lacks a user, or lags behind another program's renewal,
-- it is healed. `found`: their entries, if they were read already.
local function admitted_among(users, found)
  local valid, inside, names, values = {}, {}, {}, {}
  if admitted == 0 then return valid, inside end
  found = found or call('HMGET', USERS, unpack(users))
  for i = 1, #users do
    if found[i] then
      inside[users[i]] = true
      names[#names + 1], values[#values + 1] = users[i], found[i]
    end
  end
  if #names == 0 then return valid, inside end
  local scores = call('ZMSCORE', EXPIRY, unpack(names))
  for i, user in ipairs(names) do
    local known = known_renewal(scores[i])
    -- Another duration may have been in force when it was written.
    if known and now < known + duration and now < clamp(user, known) + duration then
      valid[user] = true
    else
      local renewed = renewal_of(user, values[i])
      if not renewed and not known then renewed = now end
      if renewed and now < renewed + duration then
        call('ZADD', EXPIRY, renewed, user)
        valid[user] = true
      end
    end
  end
  return valid, inside
end

local function renew(users)
  if #users == 0 then return end
  local seconds = format('%d', math.floor(wall / 1000))
  local values, scores = {}, {}
  for i, user in ipairs(users) do
    values[2 * i - 1], values[2 * i] = user, seconds
    scores[2 * i - 1], scores[2 * i] = clamp(user, now), user
  end
  admitted = admitted + call('HSET', USERS, unpack(values))
  call('ZADD', EXPIRY, unpack(scores))
end

-- Ends the waiting of those whose lease is over; the ends of the leases.
local function settle_leases(users)
  if leases == 0 or #users == 0 then return {} end
  local ends, over = call('ZMSCORE', LEASE, unpack(users)), {}
  for i = 1, #users do
    local lease = ends[i] and tonumber(ends[i])
    ends[i] = lease
    if lease and lease <= now then over[#over + 1] = users[i] end
  end
  drop_waiting(over)
  return ends
end
