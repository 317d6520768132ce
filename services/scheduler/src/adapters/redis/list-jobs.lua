-- Merges ranges of the index by job id, newest first, in one moment: a job that changes its state is in exactly one range.
-- KEYS  1 index   2 jobs
-- ARGV  1 "records" or "ids"   2 limit   3 first characters of the id   4 id to begin before, or ""   5... stems of members
-- Returns the records, or the ids.
local limit = tonumber(ARGV[2])
local ids = {}
for i = 5, #ARGV do
  local stem = ARGV[i]
  local high = ARGV[4] == "" and "(" .. stem .. ARGV[3] .. "\255" or "(" .. stem .. ARGV[4]
  local members = redis.call("ZREVRANGEBYLEX", KEYS[1], high, "[" .. stem .. ARGV[3], "LIMIT", 0, limit)
  for _, member in ipairs(members) do
    ids[#ids + 1] = string.sub(member, #stem + 1)
  end
end
table.sort(ids, function(a, b)
  return a > b
end)
local page = {}
for i = 1, math.min(limit, #ids) do
  page[i] = ids[i]
end
if ARGV[1] == "ids" then
  return page
end
local records = {}
for i, id in ipairs(page) do
  records[i] = redis.call("HGET", KEYS[2], id)
end
return records
