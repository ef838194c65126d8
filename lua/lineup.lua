-- SPDX-License-Identifier: Apache-2.0
-- Lines a user up.
-- KEYS     1-8 common, 9 queue:op:...
-- ARGV     1-7 common, 8 user
-- Returns  {answer, promoted}: 1 admitted already, 2 admitted now, 3 queued; how many were admitted
-- Atomic   because expiry, promotion and the decision must see one state: between them another gateway
--          could fill the slot or overtake those who wait.
local user, operation = ARGV[8], KEYS[9]
local earlier = num(redis.call('GET', operation))
if earlier then return {earlier, 0} end

local function next_ticket()
  local ticket = num(redis.call('GET', COUNTER)) or 0
  local highest = redis.call('ZREVRANGE', WAIT, 0, 0, 'WITHSCORES')
  ticket = math.max(ticket, num(highest[2]) or 0)
  return math.floor(ticket) + 1
end

local function queue()
  if ARGV[7] == 'keep' and redis.call('ZSCORE', WAIT, user) then return end
  local ticket = string.format('%.0f', next_ticket())
  redis.call('SET', COUNTER, ticket)
  redis.call('ZADD', WAIT, ticket, user)
  if presence > 0 then redis.call('ZADD', LEASE, text(now + presence), user) end
end

local function decide()
  settle(user)
  if is_admitted(user) then return 1, {} end
  hear(user)
  expire(CHUNK)
  local promoted, exhausted = promote(CHUNK)
  if is_admitted(user) then return 2, promoted end
  if exhausted and redis.call('HLEN', USERS) < capacity then
    admit(user)
    promoted[#promoted + 1] = user
    return 2, promoted
  end
  queue()
  return 3, promoted
end

save_clock()
local answer, promoted = decide()
redis.call('SET', operation, answer, 'PX', 60000)
publish('A', promoted)
return {answer, #promoted}
