-- Reads the log without a gap: only what retention has not touched.
-- KEYS  1 meta   2 events
-- ARGV  1 sequence number to begin after   2 limit
-- Returns the records, oldest first.
local first = tonumber(redis.call("HGET", KEYS[1], "first") or "1")
local from = math.max(tonumber(ARGV[1]) + 1, first)
local records = {}
for i, entry in ipairs(redis.call("XRANGE", KEYS[2], string.format("%d", from), "+", "COUNT", ARGV[2])) do
  records[i] = entry[2][2]
end
return records
