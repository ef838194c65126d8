-- SPDX-License-Identifier: Apache-2.0
-- Does the store take changes (again)?
-- KEYS     1-10 common
-- ARGV     1-7 common
-- Returns  1
save_clock()
save_repairs()
return 1
