-- SPDX-License-Identifier: Apache-2.0
-- Says where users stand: for a status call, a gated call, and for open streams in batches.
-- KEYS     1-8 common
-- ARGV     1-7 common, 8 "1": renew the admission of those admitted, 9... users
-- Returns  {waiting in all, standing, position, standing, position, ...}: 0 neither, 1 waiting, 2 admitted
-- Atomic   because a renewal must not revive an admission that expired in between, and because standing
--          and position must belong together.
local answer = {0}
for i = 9, #ARGV do
  local user = ARGV[i]
  local standing, position = ABSENT, 0
  if is_admitted(user) then
    standing = ADMITTED
    if ARGV[8] == '1' then renew(user) end
  else
    settle_lease(user)
    local rank = redis.call('ZRANK', WAIT, user)
    if rank then
      standing, position = WAITING, rank + 1
      hear(user)
    end
  end
  answer[#answer + 1] = standing
  answer[#answer + 1] = position
end
answer[1] = redis.call('ZCARD', WAIT)
return answer
