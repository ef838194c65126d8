-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts, behind standing.lua: who has to go, and who is let in.
local function drop_admitted(users)
  if #users == 0 then return 0 end
  local count = call('HDEL', USERS, unpack(users))
  call('ZREM', EXPIRY, unpack(users))
  if sinces > 0 then call('HDEL', SINCE, unpack(users)) end
  admitted = admitted - count
  return count
end

local function admit(users)
  if #users == 0 then return end
  if stay > 0 then
    local values = {}
    for i, user in ipairs(users) do values[2 * i - 1], values[2 * i] = user, now end
    call('HSET', SINCE, unpack(values))
    sinces = sinces + 1
  end
  renew(users)
  drop_waiting(users)
end

-- Removes admissions that have run out, `limit` at most; how many.
local function expire(limit)
  local due = call('ZRANGEBYSCORE', EXPIRY, '-inf', now - duration, 'LIMIT', 0, limit)
  if #due == 0 then return 0 end
  local valid, gone = admitted_among(due), {}
  for _, user in ipairs(due) do
    if not valid[user] then gone[#gone + 1] = user end
  end
  return drop_admitted(gone)
end

-- Admits waiting people in order, as many as there are free slots and `limit` at most; passes over those
-- who are away, drops those whose lease is over. Gives the users, and whether nobody is left who could
-- have been admitted into a slot that is still free.
local function promote(limit)
  local users, skipped, seen, last, exhausted = {}, 0, 0, nil, false
  local free = capacity - admitted
  while #users < math.min(free, limit) do
    if seen >= MAX_SCAN then break end
    local from = hint or '-inf'
    local chunk = waiting == 0 and {}
      or call('ZRANGEBYSCORE', WAIT, from, '+inf', 'WITHSCORES', 'LIMIT', skipped, CHUNK)
    local names, entering, leaving, returned = {}, {}, {}, {}
    for i = 1, #chunk, 2 do names[#names + 1] = chunk[i] end
    if #names == 0 then
      exhausted = true
      break
    end
    local away = aways > 0 and call('SMISMEMBER', AWAY, unpack(names)) or {}
    local ends = leases > 0 and call('ZMSCORE', LEASE, unpack(names)) or {}
    local valid, inside = admitted_among(names)
    for i, user in ipairs(names) do
      if #users >= math.min(free, limit) then break end
      seen, last = seen + 1, num(chunk[2 * i])
      -- Without a lease nobody can be away: the mark would never end.
      if away[i] == 1 and not ends[i] then returned[#returned + 1] = user end
      if away[i] == 1 and ends[i] then
        skipped = skipped + 1
      elseif (ends[i] and tonumber(ends[i]) <= now) or valid[user] then
        leaving[#leaving + 1] = user
      else
        if inside[user] then free = free + 1 end
        entering[#entering + 1] = user
        users[#users + 1] = user
      end
    end
    exhausted = #names < CHUNK and #users < math.min(free, limit)
    if #returned > 0 then call('SREM', AWAY, unpack(returned)) end
    drop_waiting(leaving)
    admit(entering)
    if exhausted then break end
  end
  if skipped > 0 and last then
    if not hint then call('HSET', STATE, 'hinted', now) end
    call('HSET', STATE, 'hint', last)
    hint = last
  end
  return users, exhausted
end

-- Tells every gateway: 'A' admitted, 'C' a stream closed. Payload: the letter, then "<length>:<user>"...
-- Only a hint for speed, so that a refusal (a user of Redis who may not publish) undoes nothing.
local function publish(letter, users)
  if #users == 0 then return end
  local parts = {letter}
  for i, user in ipairs(users) do parts[i + 1] = #user .. ':' .. user end
  redis.pcall('PUBLISH', ARGV[1], table.concat(parts))
end

-- Takes away what has run out of this one user, so that a bounded expiry elsewhere makes no difference;
-- whether the user is admitted; if not, also when a lease ends.
local function settle(user)
  local valid, inside = admitted_among({user})
  if valid[user] then
    drop_waiting({user})
    return true
  end
  if inside[user] then drop_admitted({user}) end
  return false, settle_leases({user})
end
