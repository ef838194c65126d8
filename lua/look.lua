-- SPDX-License-Identifier: Apache-2.0
-- Says where users stand: for status calls, gated calls, and open streams.
-- PARTS    wall common standing presence
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 a digit for each user, "1": renew the admission if there is one; or "": these have
--          open streams, and were looked at without "" a few turns ago: only the rank is asked, 9... users
-- Returns  {waiting in all, position from 1 of each user; 0: neither waits nor is admitted, -1: admitted}
-- Atomic   because a renewal must not revive an admission that expired in between, and because standing
--          and position must belong together.
local users, ranks_only = {unpack(ARGV, 9)}, ARGV[8] == ''
local valid = ranks_only and {} or admitted_among(users)
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
if ranks_only then
  heard = {}
  local away = aways > 0 and call('SMISMEMBER', AWAY, unpack(users)) or {}
  for i = 1, #away do
    if away[i] == 1 then heard[#heard + 1] = users[i] end
  end
end
local ends = settle_leases(heard)

local answer, other, absent = {0}, 0, {}
for i = 1, #users do
  local user, position = users[i], -1
  if not valid[user] then
    other = other + 1
    local rank = waiting > 0 and call('ZRANK', WAIT, user)
    position = rank and rank + 1 or 0
    if not rank then
      absent[#absent + 1] = user
      if not ranks_only then ends[other] = false end
    end
  end
  answer[i + 1] = position
end
hear(heard, ends)
if ranks_only and #absent > 0 then
  valid = admitted_among(absent)
  for i = 1, #users do
    if valid[users[i]] then answer[i + 1] = -1 end
  end
end
save_repairs()
answer[1] = waiting
return answer
