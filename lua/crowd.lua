-- SPDX-License-Identifier: Apache-2.0
-- First part of lineup.lua. A crowd at an opening comes in batches of people who all go to the back, because no
-- slot is free: that is decided and written here at once. Whatever else there is in a batch, it goes on there.
local argv, count = ARGV, (#ARGV - 7) / 2
local users, ids = {unpack(argv, 8, 7 + count)}, {unpack(argv, 8 + count)}
local top = tonumber(call('ZREVRANGE', WAIT, 0, 0, 'WITHSCORES')[2] or 0)
local found = admitted > 0 and call('HMGET', USERS, unpack(users)) or {}
-- With the spare: another gateway may hold a stream of the same person, and looks at the lease only then.
local keep, lease_end = argv[7] == 'keep', format('%d', now + presence + spare)
-- Is there no slot, and none that an expiry would free?
local full = admitted >= capacity and own('ZCOUNT', EXPIRY, '-inf', format('%d', now - duration)) == 0
local here, there
if page == last_page then
  here, there = own('HMGET', PAGE, unpack(users)), own('HMGET', OTHER_PAGE, unpack(users))
end

-- The first of `count` tickets less one; nil when something has to be put right.
local function take_tickets()
  local last = top <= MAX_TICKET and redis.pcall('INCRBY', COUNTER, count)
  if type(last) ~= 'number' then return end
  if last < count or last > MAX_TICKET then
    call('DECRBY', COUNTER, count)
  elseif last < top + count then
    call('SET', COUNTER, format('%d', top + count))
    return math.floor(top)
  else
    return last - count
  end
end

if full and here then
  local places = keep and call('ZMSCORE', WAIT, unpack(users)) or {}
  -- Tables of the right size from the start.
  local lining, ends, fresh = {unpack(argv, 8)}, {unpack(argv, 8)}, {unpack(argv, 8)}
  local decided, new, seen, size, head = 0, 0, {}, nil, nil
  for i = 1, count do
    local user, id, text = users[i], ids[i], here[i]
    if found[i] or places[i] then break end
    if text then
      if #text >= LONG or seen[user] or earlier_answer(PAGE, text, user, 'l', id) then break end
      seen[user] = true
    end
    if there[i] and earlier_answer(OTHER_PAGE, there[i], user, 'l', id) then break end
    if #id ~= size then size, head = #id, #id .. ':l3' end
    local at = 2 * i
    lining[at], ends[at - 1], ends[at] = user, lease_end, user
    fresh[at - 1], fresh[at] = user, text and text .. head .. id or head .. id
    decided, new = i, text and new or new + 1
  end
  local ticket = decided == count and take_tickets()
  -- Fewer are new when somebody is in the batch twice: then lineup.lua writes these answers once more.
  if ticket and remember_answers(fresh) == new then
    for i = 1, count do
      lining[2 * i - 1] = format('%d', ticket + i)
      users[i] = 3
    end
    save_clock()
    call('ZADD', WAIT, unpack(lining))
    if presence > 0 then own('ZADD', LEASE, unpack(ends)) end
    if own('SCARD', AWAY) > 0 then call('SREM', AWAY, unpack(argv, 8, 7 + count)) end
    save_repairs()
    return users
  end
end
