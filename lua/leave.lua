-- SPDX-License-Identifier: Apache-2.0
-- Takes a user out, on its own wish.
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 "admitted" or "waiting", 9 user, 10 operation id
-- Returns  {1 when there was something to take, promoted}
-- Atomic   because the slot that becomes free goes to the first in line in the same step.
local user, mark = ARGV[9], operation(ARGV[9], ':' .. ARGV[8] .. ':', ARGV[10])
local page = turn_page()
save_repairs()
local earlier = earlier_answers({mark})[1]
if earlier then return {earlier, 0} end

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
remember_answers(page, {mark, removed})
publish('A', promoted)
return {removed, #promoted}
