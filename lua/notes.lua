-- SPDX-License-Identifier: Apache-2.0
-- Part of scripts, behind answers.lua: turns the page when its time has come, and writes answers down.
if page ~= last_page then
  call('UNLINK', PAGE)
  if last_page ~= page - 1 then call('UNLINK', OTHER_PAGE) end
  call('HSET', STATE, 'page', page)
end

-- Adds the answer to an operation to `fresh`: field, content, ... `texts`: of users on PAGE.
local function note_answer(fresh, texts, user, what, id, answer)
  local text, at = texts[user] or '', #fresh
  if #text < LONG then
    texts[user] = text .. #id .. ':' .. what .. answer .. id
    fresh[at + 1], fresh[at + 2] = user, texts[user]
  else
    fresh[at + 1], fresh[at + 2] = field_apart(user, what, id), answer
  end
end
