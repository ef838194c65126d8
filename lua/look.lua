-- SPDX-License-Identifier: Apache-2.0
-- Says where users stand: for status calls, gated calls, and open streams.
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 a digit for each user, "1": renew the admission if there is one; or "": these have
--          open streams, and were looked at without "" a few turns ago: only the rank is asked, 9... users
-- Returns  {waiting in all, position from 1 of each user; 0: neither waits nor is admitted, -1: admitted}
-- Atomic   because a renewal must not revive an admission that expired in between, and because standing
--          and position must belong together.
local users = {unpack(ARGV, 9)}
local valid = admitted_among(users)
local renewing, others = {}, users
if next(valid) then
  others = {}
  for i, user in ipairs(users) do
    if not valid[user] then
      others[#others + 1] = user
    elseif string.byte(ARGV[8], i) == 49 then
      renewing[#renewing + 1] = user
    end
  end
  renew(renewing)
end

-- With "" a lease is long enough, unless a stream closed elsewhere has shortened it.
local heard = others
if ARGV[8] == '' then
  heard = {}
  local away = aways > 0 and call('SMISMEMBER', AWAY, unpack(users)) or {}
  for i = 1, #away do
    if away[i] == 1 and not valid[users[i]] then heard[#heard + 1] = users[i] end
  end
end
local ends = settle_leases(heard)

local answer, other = {0}, 0
for i = 1, #users do
  local user, position = users[i], -1
  if not valid[user] then
    other = other + 1
    local rank = waiting > 0 and call('ZRANK', WAIT, user)
    position = rank and rank + 1 or 0
    if not rank and heard == others then ends[other] = false end
  end
  answer[i + 1] = position
end
hear(heard, ends)
save_repairs()
answer[1] = waiting
return answer
