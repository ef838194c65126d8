-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts: the answers to operations. They are kept on two pages: one is written for a minute of the
-- queue clock and read for one more, then it goes as a whole. A page has a text for each user,
-- "<size of the id>:<what><answer><id>" for each operation; those that come when it is LONG have fields of their
-- own, which begin as no text in UTF-8 does.
local LONG = 1000
local page, last_page = math.floor(now / PAGE_MS), num(state[6])
local PAGE, OTHER_PAGE = KEYS[9 + page % 2], KEYS[10 - page % 2]

local function field_apart(user, what, id) return '\255' .. #user .. ':' .. user .. ':' .. what .. ':' .. id end

-- The answer given before to an operation, on a page where the user has `text` (false: none); nil: not known.
local function earlier_answer(key, text, user, what, id)
  local at = text and 1
  while at do
    local size, kind, answer, from = string.match(text, '^(%d+):(%a)(%d)()', at)
    at = size and from + size
    if kind == what and string.sub(text, from, at - 1) == id then return tonumber(answer) end
  end
  return text and #text >= LONG and num(call('HGET', key, field_apart(user, what, id))) or nil
end

-- How many of the fields are new. The first to write a page says when it ends.
local function remember_answers(fresh)
  if #fresh == 0 then return 0 end
  local new = call('HSET', PAGE, unpack(fresh))
  if num(state[7]) ~= page or repaired > 0 then
    call('PEXPIRE', PAGE, 3 * PAGE_MS)
    call('HSET', STATE, 'begun', page)
  end
  return new
end
