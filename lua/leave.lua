-- SPDX-License-Identifier: Apache-2.0
-- Takes a user out, on its own wish.
-- KEYS     1-8 common, 9 queue:op:...
-- ARGV     1-7 common, 8 "admitted" or "waiting", 9 user
-- Returns  {1 when there was something to take, promoted}
-- Atomic   because the slot that becomes free goes to the first in line in the same step.
local user, operation = ARGV[9], KEYS[9]
local earlier = num(redis.call('GET', operation))
if earlier then return {earlier, 0} end

save_clock()
settle(user)
local removed, promoted = 0, {}
if ARGV[8] == 'admitted' then
  if is_admitted(user) then
    drop_admitted(user)
    removed = 1
    expire(CHUNK)
    promoted = promote(CHUNK)
  end
elseif redis.call('ZSCORE', WAIT, user) then
  drop_waiting(user)
  removed = 1
end
redis.call('SET', operation, removed, 'PX', 60000)
publish('A', promoted)
return {removed, #promoted}
