-- SPDX-License-Identifier: Apache-2.0
-- The store's wall clock, first part of every script. A file of its own so that tests can put another
-- clock in its place; all else is built on wall_ms().
local function wall_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
