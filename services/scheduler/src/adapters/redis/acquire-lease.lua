-- Takes the lease of the leader, or renews it. A new holder, or one whose lease ran out, gets the next term.
-- KEYS  1 meta   2 lease
-- ARGV  1 holder   2 time to live in ms
-- Returns {1, term}, or {0, holder} when another has it.
local holder = redis.call("GET", KEYS[2])
if holder == ARGV[1] then
  redis.call("PEXPIRE", KEYS[2], ARGV[2])
  return { 1, redis.call("HGET", KEYS[1], "term") }
end
if holder then
  return { 0, holder }
end
redis.call("SET", KEYS[2], ARGV[1], "PX", ARGV[2])
return { 1, tostring(redis.call("HINCRBY", KEYS[1], "term", 1)) }
