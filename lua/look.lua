-- SPDX-License-Identifier: Apache-2.0
-- Says where users stand: for status calls, gated calls, and open streams.
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 a digit for each user, "1": renew the admission if there is one, 9... users
-- Returns  {waiting in all, standing, position, standing, position, ...}: 0 neither, 1 waiting, 2 admitted
-- Atomic   because a renewal must not revive an admission that expired in between, and because standing
--          and position must belong together.
local users = {unpack(ARGV, 9)}
local valid = admitted_among(users)
local renewing, others = {}, {}
for i, user in ipairs(users) do
  if not valid[user] then
    others[#others + 1] = user
  elseif string.byte(ARGV[8], i) == 49 then
    renewing[#renewing + 1] = user
  end
end
renew(renewing)
local ends = settle_leases(others)

local answer, present, present_ends, other = {0}, {}, {}, 0
for i, user in ipairs(users) do
  local standing, position = ABSENT, 0
  if valid[user] then
    standing = ADMITTED
  else
    other = other + 1
    local rank = waiting > 0 and call('ZRANK', WAIT, user)
    if rank then
      standing, position = WAITING, rank + 1
      present[#present + 1] = user
      present_ends[#present] = ends[other]
    end
  end
  answer[2 * i], answer[2 * i + 1] = standing, position
end
hear(present, present_ends)
save_repairs()
answer[1] = waiting
return answer
