-- SPDX-License-Identifier: Apache-2.0
-- The last streams of these users on one gateway's worker have closed.
-- KEYS     1-8 common
-- ARGV     1-7 common, 8... users
-- Returns  how many are away now
-- Atomic   because lease and mark must change together, else someone is passed over for ever.
-- Another gateway may hold a stream of the same user: it hears of the close and says at once (look.lua)
-- that the user is still there. A member without a lease is another program's and left alone.
local marked, closed = 0, {}
for i = 8, #ARGV do
  local user = ARGV[i]
  local lease = num(redis.call('ZSCORE', LEASE, user))
  if lease and redis.call('ZSCORE', WAIT, user) then
    if grace == 0 or lease <= now then
      drop_waiting(user)
    else
      redis.call('ZADD', LEASE, text(math.min(lease, now + grace)), user)
      redis.call('SADD', AWAY, user)
      marked = marked + 1
      closed[#closed + 1] = user
    end
  end
end
publish('C', closed)
return marked
