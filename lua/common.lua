-- SPDX-License-Identifier: Apache-2.0
-- What all scripts share: keys, the queue clock, and the rules of admission. Second part of every script,
-- behind wall.lua. README.md has the table of keys.
--
-- KEYS  1 queue:wait  2 allowedIn:users  3 queue:counter  4 queue:state  5 queue:expiry  6 queue:lease
--       7 queue:away  8 queue:since  9 and 10 queue:answers:0 and :1
-- ARGV  1 channel  2 capacity  3 duration ms  4 longest stay ms (0: none)  5 presence ms (0: no leases)
--       6 grace ms  7 "back" or "keep"  8... the script's own
-- Capacity and duration in ARGV count only while queue:state names none.
--
-- What can fail comes before the first change. A key of the three that others share which is of a wrong type
-- ends the script right here; a key of ours is deleted, and fills again. Users come in lists, because one
-- command for many costs far less than many for one.
local WAIT, USERS, COUNTER, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local EXPIRY, LEASE, AWAY, SINCE = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local PAGES = {KEYS[9], KEYS[10]}
local MAX_GAP_MS = 2000  -- how much of a gap between two looks at the clock counts
local MAX_SCAN = 2000    -- how many waiting people one call looks at
local CHUNK = 100
local PAGE_MS = 60000    -- how long answers to operations go to one page
local YEAR_MS = 366 * 86400000
local AHEAD_MS = 60000   -- an index entry that lies further ahead of the clock is not ours
local MAX_TICKET = 4503599627370496  -- 2^52: beyond, and a ticket could not be told from the next one
local call = redis.call

local waiting = call('ZCARD', WAIT)
local admitted = call('HLEN', USERS)

local repaired = 0
-- What `command` says of a key of ours; nil when it was of a wrong type.
local function ask_own(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if not string.find(answer.err, 'WRONGTYPE', 1, true) then error(answer.err) end
  call('DEL', key)
  repaired = repaired + 1
end
local state = ask_own('HMGET', STATE, 'q', 'w', 'capacity', 'duration', 'hint', 'page', 'repaired') or {}
ask_own('ZCARD', EXPIRY)
local leases, aways, sinces = ask_own('ZCARD', LEASE) or 0, ask_own('SCARD', AWAY) or 0, 0

-- A number that others wrote; nil for text, nan, infinity and what a double does not hold exactly.
local function num(value)
  local n = tonumber(value)
  if n and n > -9007199254740992 and n < 9007199254740992 then return n end
end

local wall = wall_ms()
-- A setting in force; what cannot be one (another program's garbage) does not count.
local function setting(value, least, most)
  local n = num(value)
  if n and n >= least and n <= most then return math.floor(n) end
end
local capacity = setting(state[3], 0, 1e9) or num(ARGV[2])
local duration = setting(state[4], 1, YEAR_MS) or num(ARGV[3])
local stay, presence, grace = num(ARGV[4]), num(ARGV[5]), num(ARGV[6])
-- What a lease lasts longer than it has to: the time between two looks of a stream at it (look.lua).
local spare = math.floor(presence / 8)
if stay > 0 then sinces = ask_own('HLEN', SINCE) or 0 end
-- Everybody who waits with a lower score than `hint` is away: where promotion starts to look.
local hint = num(state[5])

-- A clock that was lost (another program's DEL) goes on from what the indexes remember, so that not
-- everybody's time is over at once.
local function remembered_clock()
  local last = num(call('ZREVRANGE', EXPIRY, 0, 0, 'WITHSCORES')[2])
  if not last and presence > 0 then
    local lease = num(call('ZREVRANGE', LEASE, 0, 0, 'WITHSCORES')[2])
    last = lease and lease - presence
  end
  return last and math.min(last, wall) or wall
end

-- The queue clock in ms. It never goes back, and an outage of the store counts MAX_GAP_MS at most.
local now
do
  local q, w = num(state[1]), num(state[2])
  if not q or not w or math.abs(wall - q) > YEAR_MS then q, w = remembered_clock(), wall end
  now = q + math.max(0, math.min(wall - w, MAX_GAP_MS))
end

local function save_clock() call('HSET', STATE, 'q', now, 'w', wall) end

-- The next tick tells what was put right.
local function save_repairs()
  if repaired > 0 then call('HSET', STATE, 'repaired', (num(state[7]) or 0) + repaired) end
end

local function drop_admitted(users)
  if #users == 0 then return 0 end
  local count = call('HDEL', USERS, unpack(users))
  call('ZREM', EXPIRY, unpack(users))
  if sinces > 0 then call('HDEL', SINCE, unpack(users)) end
  admitted = admitted - count
  return count
end

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
-- it is healed.
local function admitted_among(users)
  local valid, inside, names, values = {}, {}, {}, {}
  if admitted == 0 then return valid, inside end
  local found = call('HMGET', USERS, unpack(users))
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

local function is_admitted(user) return admitted_among({user})[user] end

local function renew(users)
  if #users == 0 then return end
  local seconds = string.format('%d', math.floor(wall / 1000))
  local values, scores = {}, {}
  for i, user in ipairs(users) do
    values[2 * i - 1], values[2 * i] = user, seconds
    scores[2 * i - 1], scores[2 * i] = clamp(user, now), user
  end
  admitted = admitted + call('HSET', USERS, unpack(values))
  call('ZADD', EXPIRY, unpack(scores))
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

-- These, who wait, were heard of: the leases that there are begin anew, who was away is back in line. `ends`:
-- when the leases end; of somebody who does not wait: none. A lease begins anew with a quarter more than it has
-- to last, when half of that is used up: so of those who are heard of all the time only a few are written, and
-- of open streams not every look needs to read it (look.lua).
local function hear(users, ends)
  if #users == 0 or leases == 0 then return end
  local least, new, scores = now + presence + spare, string.format('%.17g', now + presence + 2 * spare), {}
  for i = 1, #users do
    if ends[i] and ends[i] < least then scores[#scores + 1], scores[#scores + 2] = new, users[i] end
  end
  if #scores > 0 then call('ZADD', LEASE, unpack(scores)) end
  if aways == 0 then return end
  local away = call('SMISMEMBER', AWAY, unpack(users))
  for i, user in ipairs(users) do
    if away[i] == 1 then
      call('SREM', AWAY, user)
      local score = num(call('ZSCORE', WAIT, user))
      if hint and score and score < hint then
        hint = score
        call('HSET', STATE, 'hint', hint)
      end
    end
  end
end

-- Tickets that no number can follow (infinity, 2^53, another program's mistake) get new ones in their order,
-- and so does a counter that is no number, negative or too high. The highest ticket given, or nil when there
-- was too much to put right in one call.
local function mend_tickets()
  local counter = call('GET', COUNTER)
  local given = counter and num(counter) or 0
  local mended = given < 0 or given > MAX_TICKET or (counter and not num(counter))
  if mended then given = 0 end
  local top = tonumber(call('ZREVRANGE', WAIT, 0, 0, 'WITHSCORES')[2] or 0)
  local bad = {}
  if top > MAX_TICKET then
    bad = call('ZRANGEBYSCORE', WAIT, '(' .. string.format('%.0f', MAX_TICKET), '+inf', 'LIMIT', 0, MAX_SCAN)
    top = num(call('ZREVRANGEBYSCORE', WAIT, MAX_TICKET, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]) or 0
  end
  local highest = math.floor(math.max(given, top))
  local scores = {}
  for i, user in ipairs(bad) do scores[2 * i - 1], scores[2 * i] = highest + i, user end
  if #bad > 0 then call('ZADD', WAIT, unpack(scores)) end
  highest = highest + #bad
  repaired = repaired + #bad + (mended and 1 or 0)
  if mended or #bad > 0 then call('SET', COUNTER, string.format('%.0f', highest)) end
  if #bad < MAX_SCAN then return highest end
end

-- Answers to operations are kept on two pages: one is written for a minute of the queue clock and read for
-- one more, then it goes as a whole.
local page_sizes
local function turn_page()
  page_sizes = {ask_own('HLEN', PAGES[1]) or 0, ask_own('HLEN', PAGES[2]) or 0}
  local page, last = math.floor(now / PAGE_MS), num(state[6])
  local index = page % 2 + 1
  if page == last then return index end
  call('UNLINK', PAGES[index])
  page_sizes[index] = 0
  if last ~= page - 1 then
    call('UNLINK', PAGES[3 - index])
    page_sizes[3 - index] = 0
  end
  call('HSET', STATE, 'page', page)
  return index
end

local sizes = {}  -- as text, which most users of a batch share
local function operation(user, what, id)
  local size = sizes[#user]
  if not size then
    size = #user .. ':'
    sizes[#user] = size
  end
  return size .. user .. what .. id
end

-- The answers given before to these operations, false for those not known; and whether there are such.
local function earlier_answers(operations)
  local count, known, answers = #operations, 0, {}
  for i = 1, count do answers[i] = false end
  for page = 1, 2 do
    if page_sizes[page] > 0 then
      local found = call('HMGET', PAGES[page], unpack(operations))
      for i = 1, count do
        local answer = found[i] and not answers[i] and num(found[i])
        if answer then answers[i], known = answer, known + 1 end
      end
    end
  end
  return answers, known < count
end

-- `pairs`: operation, answer, ...
local function remember_answers(page, pairs)
  if #pairs == 0 then return end
  call('HSET', PAGES[page], unpack(pairs))
  if page_sizes[page] == 0 then call('PEXPIRE', PAGES[page], 3 * PAGE_MS) end
end
