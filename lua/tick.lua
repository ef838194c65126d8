-- SPDX-License-Identifier: Apache-2.0
-- The scheduler's step, about once a second from one gateway; harmless when run twice.
-- PARTS    wall common tickets standing promotion answers notes
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 most expiries, drops and promotions in this call
-- Returns  {waiting, admitted, expired, dropped, promoted, repaired, capacity, queue clock ms}
-- Atomic   because a slot that becomes free must go to the first in line, not to whoever comes between.
-- The cost grows with what runs out, plus a bounded sweep that finds what other programs wrote.
local LIMIT = num(ARGV[8])
local HINT_LIFE_MS = 60000

local function drop_leases()
  if leases == 0 then return 0 end
  return drop_waiting(call('ZRANGEBYSCORE', LEASE, '-inf', now, 'LIMIT', 0, LIMIT))
end

-- Walks a piece of the hash: enters into the index what it lacks, follows renewals made elsewhere, and a longer
-- duration where the longest stay ends it; ends waiting of those who are admitted.
local function sweep()
  local cursor = call('HGET', STATE, 'sweep') or '0'
  if not cursor:match('^%d+$') or #cursor > 19 then cursor = '0' end
  local page = call('HSCAN', USERS, cursor, 'COUNT', CHUNK)
  local users = {}
  for i = 1, #page[2], 2 do users[#users + 1] = page[2][i] end
  call('HSET', STATE, 'sweep', page[1])
  for first = 1, #users, CHUNK do
    local some, scores = {unpack(users, first, math.min(first + CHUNK - 1, #users))}, {}
    local known = call('ZMSCORE', EXPIRY, unpack(some))
    for i, user in ipairs(some) do
      local indexed = known_renewal(known[i])
      local renewed = renewal_of(user, page[2][2 * (first + i - 1)])
      if not indexed or (renewed and renewed > indexed + 1000) then
        scores[#scores + 1], scores[#scores + 2] = renewed or now, user
        repaired = repaired + 1
      elseif clamp(user, indexed) < indexed then
        scores[#scores + 1], scores[#scores + 2] = clamp(user, indexed), user
      end
    end
    if #scores > 0 then call('ZADD', EXPIRY, unpack(scores)) end
    if waiting > 0 then
      local places, valid, both = call('ZMSCORE', WAIT, unpack(some)), admitted_among(some), {}
      for i, user in ipairs(some) do
        if places[i] and valid[user] then both[#both + 1] = user end
      end
      repaired = repaired + drop_waiting(both)
    end
  end
end

-- Another program may have put someone in below the hint: it is forgotten now and then.
local function forget_hint()
  local since = num(call('HGET', STATE, 'hinted'))
  if not hint or (since and since <= now and now < since + HINT_LIFE_MS) then return end
  call('HDEL', STATE, 'hint', 'hinted')
  hint = nil
end

save_clock()
own('HLEN', PAGE)
own('HLEN', OTHER_PAGE)
sweep()
forget_hint()
local expired = expire(LIMIT)
local dropped = drop_leases()
local promoted = promote(LIMIT)
local before = call('HGET', STATE, 'repaired')
if before then
  repaired = repaired + math.max(0, num(before) or 0)
  call('HDEL', STATE, 'repaired')
end
publish('A', promoted)
redis.pcall('PUBLISH', ARGV[1], format('S%d:%d:%d', waiting, admitted, capacity))
return {waiting, admitted, expired, dropped, #promoted, repaired, capacity, now}
