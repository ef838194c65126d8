-- SPDX-License-Identifier: Apache-2.0
-- Does the store take changes (again)?
-- PARTS    wall common
-- KEYS     1-10 common
-- ARGV     1-7 common
-- Returns  1
call('ZCARD', WAIT)
call('GET', COUNTER)  -- what only a line-up reads must be right too
call('ZMSCORE', LEASE, '')  -- the youngest command that the scripts need, of Redis 6.2
save_clock()
save_repairs()
return 1
