-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts: `ticket`, the highest that was given or is in line. Tickets that no number can follow
-- (infinity, 2^53, another program's mistake) get new ones in their order, and so does a counter that is no
-- number, negative or too high. Nil when there was too much to put right in one call.
local counter = call('GET', COUNTER)
local ticket = counter and num(counter) or 0
local top = tonumber(call('ZREVRANGE', WAIT, 0, 0, 'WITHSCORES')[2] or 0)
local miscounted = ticket < 0 or ticket > MAX_TICKET or (counter and not num(counter))
if miscounted or top > MAX_TICKET then
  if miscounted then ticket, repaired = 0, repaired + 1 end
  local bad = {}
  if top > MAX_TICKET then
    bad = call('ZRANGEBYSCORE', WAIT, '(' .. format('%.0f', MAX_TICKET), '+inf', 'LIMIT', 0, MAX_SCAN)
    top = num(call('ZREVRANGEBYSCORE', WAIT, MAX_TICKET, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]) or 0
  end
  ticket = math.floor(math.max(ticket, top))
  local scores = {}
  for i, user in ipairs(bad) do scores[2 * i - 1], scores[2 * i] = ticket + i, user end
  if #bad > 0 then call('ZADD', WAIT, unpack(scores)) end
  ticket, repaired = ticket + #bad, repaired + #bad
  call('SET', COUNTER, format('%.0f', ticket))
  if #bad == MAX_SCAN then ticket = nil end
else
  ticket = math.floor(math.max(ticket, top))
end
