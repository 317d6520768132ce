-- Gives the lease up. The term rises, so that a late commit of who gave up is refused.
-- KEYS  1 meta   2 lease
-- ARGV  1 holder
-- Returns 1 when it was the holder's, else 0.
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[2])
redis.call("HINCRBY", KEYS[1], "term", 1)
return 1
