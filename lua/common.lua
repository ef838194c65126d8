-- SPDX-License-Identifier: Apache-2.0
-- What all scripts share: keys, the queue clock, the settings in force. Second part of every script, behind
-- wall.lua. README.md has the table of keys.
--
-- KEYS  1 queue:wait  2 allowedIn:users  3 queue:counter  4 queue:state  5 queue:expiry  6 queue:lease
--       7 queue:away  8 queue:since  9 and 10 queue:answers:0 and :1
-- ARGV  1 channel  2 capacity  3 duration ms  4 longest stay ms (0: none)  5 presence ms (0: no leases)
--       6 grace ms  7 "back" or "keep"  8... the script's own
-- Capacity and duration in ARGV count only while queue:state names none.
--
-- What can fail comes before the first change. A key of the three that others share which is of a wrong type
-- ends the script before it; a key of ours is deleted, and fills again. Users come in lists, because one
-- command for many costs far less than many for one. What each call defines it pays for: so a script has only
-- the parts that it names, and the likely case of a line-up is done before most of them (crowd.lua).
local WAIT, USERS, COUNTER, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local EXPIRY, LEASE, AWAY, SINCE = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local MAX_GAP_MS = 2000  -- how much of a gap between two looks at the clock counts
local MAX_SCAN = 2000    -- how many waiting people one call looks at
local CHUNK = 100
local PAGE_MS = 60000    -- how long answers to operations go to one page
local YEAR_MS = 366 * 86400000
local AHEAD_MS = 60000   -- an index entry that lies further ahead of the clock is not ours
local MAX_TICKET = 4503599627370496  -- 2^52: beyond, and a ticket could not be told from the next one
local call, format = redis.call, string.format

local admitted = call('HLEN', USERS)
local repaired = 0
-- A command on a key of ours, which is deleted first when it is of a wrong type.
local function own(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if not string.find(answer.err, 'WRONGTYPE', 1, true) then error(answer.err) end
  call('DEL', key)
  repaired = repaired + 1
  return call(command, key, ...)
end
local state = own('HMGET', STATE, 'q', 'w', 'capacity', 'duration', 'hint', 'page', 'begun')

-- A number that others wrote; nil for text, nan, infinity and what a double does not hold exactly.
local function num(value)
  local n = tonumber(value)
  if n and n > -9007199254740992 and n < 9007199254740992 then return n end
end

local wall = wall_ms()
-- A setting in force; what cannot be one (another program's garbage) does not count.
local function setting(value, least, most)
  local n = tonumber(value)
  if n and n >= least and n <= most then return math.floor(n) end
end
local capacity = setting(state[3], 0, 1e9) or tonumber(ARGV[2])
local duration = setting(state[4], 1, YEAR_MS) or tonumber(ARGV[3])
local stay, presence, grace = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
-- What a lease lasts longer than it has to: the time between two looks of a stream at it (look.lua).
local spare = math.floor(presence / 8)

-- The queue clock in whole ms. It never goes back, and an outage of the store counts MAX_GAP_MS at most.
local now
do
  local q, w = num(state[1]), num(state[2])
  if not q or not w or math.abs(wall - q) > YEAR_MS then
    -- A clock that was lost (another program's DEL) goes on from what the indexes remember, so that not
    -- everybody's time is over at once.
    local last = num(own('ZREVRANGE', EXPIRY, 0, 0, 'WITHSCORES')[2])
    if not last and presence > 0 then
      local lease = num(own('ZREVRANGE', LEASE, 0, 0, 'WITHSCORES')[2])
      last = lease and lease - presence
    end
    q, w = last and math.min(last, wall) or wall, wall
  end
  now = math.floor(q + math.max(0, math.min(wall - w, MAX_GAP_MS)))
end

local function save_clock() call('HSET', STATE, 'q', format('%d', now), 'w', format('%d', wall)) end

-- The next tick tells what was put right.
local function save_repairs()
  if repaired > 0 then call('HSET', STATE, 'repaired', (num(call('HGET', STATE, 'repaired')) or 0) + repaired) end
end
