-- SPDX-License-Identifier: Apache-2.0
-- A gateway that starts brings its settings; those in force are kept here, so that gateways with different
-- settings cannot disagree.
-- PARTS    wall common
-- KEYS     1-10 common
-- ARGV     1-7 common, 8 version of the settings, 9 "1": of a gateway that has been running; they then come only
--          in the place of none, or of an older version
-- Returns  {capacity, duration ms, version} that are in force from now on
-- Atomic   because of two gateways that start together the same one must win everywhere.
call('ZCARD', WAIT)  -- of the right type?
local mine, theirs = num(ARGV[8]), setting(call('HGET', STATE, 'version'), 0, 1e9)
save_repairs()
if not theirs or mine > theirs or (mine == theirs and ARGV[9] ~= '1') then
  call('HSET', STATE, 'capacity', ARGV[2], 'duration', ARGV[3], 'version', mine)
  return {num(ARGV[2]), num(ARGV[3]), mine}
end
return {capacity, duration, theirs}
