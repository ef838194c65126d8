-- SPDX-License-Identifier: Apache-2.0
-- The last streams of these users on one gateway's worker have closed.
-- PARTS    wall common standing promotion
-- KEYS     1-10 common
-- ARGV     1-7 common, 8... users
-- Returns  how many are away now
-- Atomic   because lease and mark must change together, else someone is passed over for ever.
-- Another gateway may hold a stream of the same user: it hears of the close and says at once (look.lua)
-- that the user is still there. A member without a lease is another program's and left alone.
local users = {unpack(ARGV, 8)}
save_repairs()
if leases == 0 or waiting == 0 then return 0 end
local ends, places = call('ZMSCORE', LEASE, unpack(users)), call('ZMSCORE', WAIT, unpack(users))
local scores, closed, over = {}, {}, {}
for i, user in ipairs(users) do
  local lease = num(ends[i])
  if lease and places[i] then
    if grace == 0 or lease <= now then
      over[#over + 1] = user
    else
      scores[#scores + 1], scores[#scores + 2] = math.min(lease, now + grace), user
      closed[#closed + 1] = user
    end
  end
end
if #closed > 0 then
  call('ZADD', LEASE, unpack(scores))
  call('SADD', AWAY, unpack(closed))
end
drop_waiting(over)
publish('C', closed)
return #closed
