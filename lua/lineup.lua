-- SPDX-License-Identifier: Apache-2.0
-- Lines users up, one after the other.
-- KEYS     1-10 common
-- ARGV     1-7 common, 8... user, operation id, user, operation id, ...
-- Returns  an answer for each: 1 admitted already, 2 admitted now, 3 queued
-- Atomic   because expiry, promotion and the decision must see one state: between them another gateway
--          could fill the slot or overtake those who wait.
-- A crowd at an opening comes in batches of people never seen before: for them everything that the decision
-- needs is read at once, and written at once at the end or before somebody else's turn.
local users, operations = {}, {}
for i = 8, #ARGV, 2 do
  users[#users + 1] = ARGV[i]
  operations[#operations + 1] = operation(ARGV[i], 'l', ARGV[i + 1])
end

local ticket = mend_tickets()
if not ticket then
  save_repairs()
  return redis.error_reply('UNREADY tickets in the queue are being put right')
end
local page = turn_page()
local answers, unanswered = earlier_answers(operations)
if not unanswered then
  save_repairs()
  return answers
end
save_clock()
local _, inside = admitted_among(users)
local places = waiting > 0 and call('ZMSCORE', WAIT, unpack(users)) or {}
local news = {}                            -- all who were admitted
local entering, lining, ends = {}, {}, {}  -- decided, not yet written
local newcomers = {}
local free                                 -- slots that nobody present waits for; nil: not known
local known, given = {}, {}                -- users of whom what was read is no longer true; answers given

local function write()
  admit(entering)
  if #lining > 0 then
    call('SET', COUNTER, string.format('%.0f', ticket))
    waiting = waiting + call('ZADD', WAIT, unpack(lining))
    if aways > 0 then call('SREM', AWAY, unpack(newcomers)) end
    if presence > 0 then
      call('ZADD', LEASE, unpack(ends))
      leases = leases + 1
    end
  end
  entering, lining, ends, newcomers = {}, {}, {}, {}
end

local function make_room()
  expire(CHUNK)
  local promoted, exhausted = promote(CHUNK)
  for _, user in ipairs(promoted) do news[#news + 1], known[user] = user, true end
  free = exhausted and math.max(0, capacity - admitted) or 0
end

local function enter_or_queue(user)
  if free > 0 then
    free = free - 1
    entering[#entering + 1], news[#news + 1] = user, user
    return 2
  end
  ticket = ticket + 1
  lining[#lining + 1], lining[#lining + 2] = ticket, user
  ends[#ends + 1], ends[#ends + 2] = now + presence, user
  newcomers[#newcomers + 1] = user
  return 3
end

-- Somebody of whom the queue knows something already.
local function decide(user)
  write()
  local admitted_already, lease = settle(user)
  if admitted_already then return 1 end
  if call('ZSCORE', WAIT, user) then hear({user}, lease) end
  make_room()
  if is_admitted(user) then return 2 end
  if free == 0 and ARGV[7] == 'keep' and call('ZSCORE', WAIT, user) then return 3 end
  return enter_or_queue(user)
end

local fresh = {}
for i, user in ipairs(users) do
  local answer = answers[i] or given[operations[i]]
  if not answer then
    local returning = places[i] and (free ~= 0 or ARGV[7] == 'keep')
    if inside[user] or returning or known[user] then
      answer = decide(user)
    else
      if not free then make_room() end
      answer = enter_or_queue(user)
    end
    known[user], given[operations[i]] = true, answer
    fresh[#fresh + 1], fresh[#fresh + 2] = operations[i], answer
  end
  answers[i] = answer
end
write()
remember_answers(page, fresh)
save_repairs()
publish('A', news)
return answers
