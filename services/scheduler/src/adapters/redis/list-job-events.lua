-- Reads the events of one job.
-- KEYS  1 sequence numbers of the job's events   2 events
-- ARGV  1 sequence number to begin after   2 limit
-- Returns the records, oldest first.
local records = {}
for _, sequence in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. ARGV[1], "+inf", "LIMIT", 0, ARGV[2])) do
  for _, entry in ipairs(redis.call("XRANGE", KEYS[2], sequence, sequence)) do
    records[#records + 1] = entry[2][2]
  end
end
return records
