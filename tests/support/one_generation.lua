-- SPDX-License-Identifier: Apache-2.0
-- For wrk: counts the answers of testing_plugins/swap.cc, and those in which two generations show.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  answers, mixed = 0, 0
end

function response(status, headers, body)
  answers = answers + 1
  local back, front = body:match("^(%S+) (%S+)$")
  if status ~= 200 or back == nil or back ~= front or headers["X-Front-Then"] ~= back or
      headers["X-Front-Now"] ~= back then
    mixed = mixed + 1
  end
end

function done()
  local all, bad = 0, 0
  for _, thread in ipairs(threads) do
    all, bad = all + thread:get("answers"), bad + thread:get("mixed")
  end
  print(string.format("answers %d, of several generations %d", all, bad))
end
