-- SPDX-License-Identifier: Apache-2.0
-- The scheduler's step, about once a second from one gateway; harmless when run twice.
-- KEYS     1-8 common
-- ARGV     1-7 common, 8 most expiries, drops and promotions in this call
-- Returns  {waiting, admitted, expired, dropped, promoted, repaired, capacity, queue clock ms}
-- Atomic   because a slot that becomes free must go to the first in line, not to whoever comes between.
-- The cost grows with what runs out, plus a bounded sweep that finds what other programs wrote.
local LIMIT = num(ARGV[8])
local HINT_LIFE_MS = 60000

local function drop_leases()
  local due = redis.call('ZRANGEBYSCORE', LEASE, '-inf', text(now), 'LIMIT', 0, LIMIT)
  local count = 0
  for _, user in ipairs(due) do
    if redis.call('ZSCORE', WAIT, user) then count = count + 1 end
    drop_waiting(user)
  end
  return count
end

-- Walks a piece of the hash: enters into the index what it lacks, follows renewals made elsewhere, ends
-- waiting of those who are admitted.
local function sweep()
  local cursor = redis.call('HGET', STATE, 'sweep') or '0'
  if not cursor:match('^%d+$') then cursor = '0' end
  local page = redis.call('HSCAN', USERS, cursor, 'COUNT', CHUNK)
  local repaired = 0
  for i = 1, #page[2], 2 do
    local user, value = page[2][i], page[2][i + 1]
    local known = num(redis.call('ZSCORE', EXPIRY, user))
    local renewed = renewal_of(user, value)
    if not known then
      redis.call('ZADD', EXPIRY, text(renewed or now), user)
      repaired = repaired + 1
    elseif renewed and renewed > known + 1000 then
      redis.call('ZADD', EXPIRY, text(renewed), user)
      repaired = repaired + 1
    end
    if redis.call('ZSCORE', WAIT, user) and is_admitted(user) then
      drop_waiting(user)
      repaired = repaired + 1
    end
  end
  redis.call('HSET', STATE, 'sweep', page[1])
  return repaired
end

-- Another program may have put someone in below the hint: it is forgotten now and then.
local function forget_hint()
  local since = num(redis.call('HGET', STATE, 'hinted'))
  if not hint or (since and now < since + HINT_LIFE_MS) then return end
  redis.call('HDEL', STATE, 'hint', 'hinted')
  hint = nil
end

save_clock()
local repaired = sweep()
forget_hint()
local expired = expire(LIMIT)
local dropped = drop_leases()
local promoted = promote(LIMIT)
publish('A', promoted)
local waiting, admitted = redis.call('ZCARD', WAIT), redis.call('HLEN', USERS)
redis.call('PUBLISH', ARGV[1], string.format('S%d:%d:%d', waiting, admitted, capacity))
return {waiting, admitted, expired, dropped, #promoted, repaired, capacity, now}
