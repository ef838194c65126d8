-- SPDX-License-Identifier: Apache-2.0
-- Lines users up, one after the other.
-- KEYS     1-10 common
-- ARGV     1-7 common, 8... user, operation id, user, operation id, ...
-- Returns  an answer for each: 1 admitted already, 2 admitted now, 3 queued
-- Atomic   because expiry, promotion and the decision must see one state: between them another gateway
--          could fill the slot or overtake those who wait.
-- A crowd at an opening comes in batches of people never seen before: for them everything that the decision
-- needs is read at once, and written at once at the end or before somebody else's turn.
local users, operations, count = {}, {}, (#ARGV - 7) / 2
for i = 1, count do
  local user = ARGV[6 + 2 * i]
  users[i], operations[i] = user, operation(user, ':l:', ARGV[7 + 2 * i])
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
local keep = ARGV[7] == 'keep'
local news = {}                            -- all who were admitted
local entering, lining, ends = {}, {}, {}  -- decided, not yet written
local newcomers, queued = {}, 0
local known = {}                           -- users of whom what was read is no longer true
-- With the spare: another gateway may hold a stream of the same person, and looks at the lease only then.
local lease_end = string.format('%.17g', now + presence + spare)
-- Slots that nobody present waits for; nil: not known.
local free
if admitted >= capacity and call('ZCOUNT', EXPIRY, '-inf', now - duration) == 0 then free = 0 end

-- Does this user of the batch wait? Asked only where it matters: while no slot is free everybody goes to the back.
local places
local function has_place(i)
  places = places or (waiting > 0 and call('ZMSCORE', WAIT, unpack(users)) or {})
  return places[i]
end

local function write()
  admit(entering)
  if queued > 0 then
    call('SET', COUNTER, string.format('%d', ticket))
    waiting = waiting + call('ZADD', WAIT, unpack(lining))
    if aways > 0 then call('SREM', AWAY, unpack(newcomers)) end
    if presence > 0 then
      call('ZADD', LEASE, unpack(ends))
      leases = leases + 1
    end
  end
  entering, lining, ends, newcomers, queued = {}, {}, {}, {}, 0
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
  queued = queued + 1
  local at = 2 * queued
  lining[at - 1], lining[at] = string.format('%d', ticket), user
  ends[at - 1], ends[at] = lease_end, user
  newcomers[queued] = user
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
  if free == 0 and keep and call('ZSCORE', WAIT, user) then return 3 end
  return enter_or_queue(user)
end

-- The answer that this script has given to the same operation before; known users only.
local function given(i)
  for j = 1, i - 1 do
    if operations[j] == operations[i] then return answers[j] end
  end
end

local TEXTS = {'1', '2', '3'}
local fresh, decided = {}, 0
for i = 1, count do
  local user = users[i]
  local answer = answers[i] or (known[user] and given(i))
  if not answer then
    if inside[user] or known[user] or ((free ~= 0 or keep) and has_place(i)) then
      answer = decide(user)
    else
      if not free then make_room() end
      answer = enter_or_queue(user)
    end
    known[user] = true
    decided = decided + 2
    fresh[decided - 1], fresh[decided] = operations[i], TEXTS[answer]
  end
  answers[i] = answer
end
write()
remember_answers(page, fresh)
save_repairs()
publish('A', news)
return answers
