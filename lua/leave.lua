-- SPDX-License-Identifier: Apache-2.0
-- Takes a user out, on its own wish.
-- PARTS    wall common standing promotion answers notes
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 "admitted" or "waiting", 9 user, 10 operation id
-- Returns  {1 when there was something to take, promoted}
-- Atomic   because the slot that becomes free goes to the first in line in the same step.
local user, what, id = ARGV[9], string.sub(ARGV[8], 1, 1), ARGV[10]
local here, there = own('HGET', PAGE, user), own('HGET', OTHER_PAGE, user)
local earlier = earlier_answer(PAGE, here, user, what, id) or earlier_answer(OTHER_PAGE, there, user, what, id)
if earlier then
  save_repairs()
  return {earlier, 0}
end

save_clock()
local removed, promoted = 0, {}
local inside = settle(user)
if ARGV[8] == 'waiting' then
  removed = drop_waiting({user})
elseif inside then
  removed = drop_admitted({user})
  expire(CHUNK)
  promoted = promote(CHUNK)
end
local fresh = {}
note_answer(fresh, {[user] = here or nil}, user, what, id, removed)
remember_answers(fresh)
save_repairs()
publish('A', promoted)
return {removed, #promoted}
