-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts, behind standing.lua: leases that begin anew.
-- These, who wait, were heard of: the leases that there are begin anew, who was away is back in line. `ends`:
-- when the leases end; of somebody who does not wait: none. A lease begins anew with a quarter more than it has
-- to last, when half of that is used up: so of those who are heard of all the time only a few are written, and
-- of open streams not every look needs to read it (look.lua).
local function hear(users, ends)
  if #users == 0 or leases == 0 then return end
  local least, new, scores = now + presence + spare, format('%.17g', now + presence + 2 * spare), {}
  for i = 1, #users do
    if ends[i] and ends[i] < least then scores[#scores + 1], scores[#scores + 2] = new, users[i] end
  end
  if #scores > 0 then call('ZADD', LEASE, unpack(scores)) end
  if aways == 0 then return end
  local away = call('SMISMEMBER', AWAY, unpack(users))
  for i, user in ipairs(users) do
    if away[i] == 1 then
      call('SREM', AWAY, user)
      local score = num(call('ZSCORE', WAIT, user))
      if hint and score and score < hint then
        hint = score
        call('HSET', STATE, 'hint', hint)
      end
    end
  end
end
