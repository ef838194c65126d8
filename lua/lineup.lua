-- SPDX-License-Identifier: Apache-2.0
-- Lines users up, one after the other.
-- PARTS    wall common answers crowd tickets standing promotion presence notes
-- KEYS     1-10 common
-- ARGV     1-7 common, 8... users, and the operation id of each
-- Returns  an answer for each: 1 admitted already, 2 admitted now, 3 queued
-- Atomic   because expiry, promotion and the decision must see one state: between them another gateway
--          could fill the slot or overtake those who wait.
-- For people never seen before everything that the decision needs is read at once, and written at once at the
-- end or before somebody else's turn.
if not ticket then
  save_repairs()
  return redis.error_reply('UNREADY tickets in the queue are being put right')
end
if not here then
  here, there = own('HMGET', PAGE, unpack(users)), own('HMGET', OTHER_PAGE, unpack(users))
end
local answers, texts, unknown = {}, {}, 0
for i = 1, count do
  local user, id = users[i], ids[i]
  texts[user] = here[i] or nil
  answers[i] = earlier_answer(PAGE, here[i], user, 'l', id) or
    earlier_answer(OTHER_PAGE, there[i], user, 'l', id) or false
  if not answers[i] then unknown = unknown + 1 end
end
if unknown == 0 then
  save_repairs()
  return answers
end
save_clock()
local _, inside = admitted_among(users, found)
local news = {}                            -- all who were admitted
local entering, lining, ends = {}, {}, {}  -- decided, not yet written
local newcomers, queued = {}, 0
local known = {}                           -- users of whom what was read is no longer true
-- Slots that nobody present waits for; nil: not known.
local free = full and 0 or nil

-- Does this user of the batch wait? Asked only where it matters: while no slot is free everybody goes to the back.
local places
local function has_place(i)
  places = places or (waiting > 0 and call('ZMSCORE', WAIT, unpack(users)) or {})
  return places[i]
end

local function write()
  admit(entering)
  if queued > 0 then
    call('SET', COUNTER, format('%d', ticket))
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
  lining[at - 1], lining[at] = format('%d', ticket), user
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
  if admitted_among({user})[user] then return 2 end
  if free == 0 and keep and call('ZSCORE', WAIT, user) then return 3 end
  return enter_or_queue(user)
end

-- The answer that this script has given to the same operation before; known users only.
local function given(i)
  for j = 1, i - 1 do
    if users[j] == users[i] and ids[j] == ids[i] then return answers[j] end
  end
end

local fresh = {}
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
    note_answer(fresh, texts, user, 'l', ids[i], answer)
  end
  answers[i] = answer
end
write()
remember_answers(fresh)
save_repairs()
publish('A', news)
return answers
