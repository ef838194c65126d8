-- SPDX-License-Identifier: Apache-2.0
-- Does the store take changes (again), all of those that the scripts make? A missing right would end a script half
-- way: so each command is tried here, in a way that changes nothing.
-- PARTS    wall common
-- KEYS     1-10 common, 11 queue:probe, which nobody writes, 12 the scheduler's lock
-- ARGV     1-7 common
-- Returns  1
-- Atomic   because it is one question.
call('ZCARD', WAIT)
call('GET', COUNTER)  -- what only a line-up reads must be right too
save_clock()
save_repairs()
local NONE = KEYS[11]
for _, words in ipairs({
  {'ZMSCORE', NONE, ''},  -- the youngest of them, of Redis 6.2
  {'ZADD', NONE, 'XX', 0, ''}, {'ZREM', NONE, ''}, {'ZSCORE', NONE, ''}, {'ZRANK', NONE, ''},
  {'ZCOUNT', NONE, 0, 0}, {'ZRANGEBYSCORE', NONE, 0, 0}, {'ZREVRANGEBYSCORE', NONE, 0, 0},
  {'ZREVRANGE', NONE, 0, 0}, {'SREM', NONE, ''}, {'SCARD', NONE}, {'SMISMEMBER', NONE, ''},
  {'HDEL', NONE, ''}, {'HGET', NONE, ''}, {'HSCAN', NONE, 0}, {'SET', NONE, '', 'XX'},
  {'PEXPIRE', NONE, 1}, {'UNLINK', NONE}, {'DEL', NONE},
  {'SADD', STATE, ''}, {'INCRBY', STATE, 1}, {'DECRBY', STATE, 1},  -- on a hash: of the wrong type
}) do
  local answer = redis.pcall(unpack(words))
  local wrong = type(answer) == 'table' and answer.err
  if wrong and not string.find(wrong, 'WRONGTYPE', 1, true) then
    return redis.error_reply(wrong .. ': ' .. words[1])
  end
end
return 1
