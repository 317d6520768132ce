-- Applies one StateChange, or nothing of it: every refusal comes before the first write.
-- KEYS  1 meta   2 jobs   3 job fields   4 index   5 executions   6 live executions   7 nodes   8 requests   9 request expiry
--       10 events   11 loose events   12 stem of a job's executions   13 stem of a job's events (a job id follows both)
-- ARGV  1 term   2 number of this commit   3 digest of the change   4 first sequence number, or 0   5 now in ms
--       6 jobs   7 executions   8 nodes   9 requests   10 events   11 removed jobs   12 removed nodes (counts), then those, each as
--       job: id, record, state, namespace, name, end in 15 digits or ""   execution: id, job id, "1" while live, record
--       node: id, record   request: id, expiry in ms, record   event: job id or "", record   removed: id
-- Returns {"committed" | "staleTerm" | "mismatch", last sequence number, number of the last commit}. A repeat of the last commit
-- is "committed" and changes nothing. The number fences a change that a broken connection delivers late, after its sender had
-- given it up.
local meta = redis.call("HMGET", KEYS[1], "term", "commit", "digest", "sequence", "first")
local last = tonumber(meta[4] or "0")
local number = tonumber(meta[2] or "0")
if (meta[1] or "0") ~= ARGV[1] then
  return { "staleTerm", last, number }
end
if meta[3] == ARGV[3] then
  return { "committed", last, number }
end
local firstNew = tonumber(ARGV[4])
if number + 1 ~= tonumber(ARGV[2]) or (firstNew ~= 0 and firstNew ~= last + 1) then
  return { "mismatch", last, number }
end

local counts = {}
for i = 1, 7 do
  counts[i] = tonumber(ARGV[5 + i])
end
local jobs, executions, nodes, requests, events, removedJobs, removedNodes = unpack(counts)
local at = 13
local function take()
  at = at + 1
  return ARGV[at - 1]
end

-- Lua passes at most some 8,000 arguments to a call; lists are sent in pieces.
local PIECE = 1000
local function send(command, key, list)
  for from = 1, #list, PIECE do
    redis.call(command, key, unpack(list, from, math.min(from + PIECE - 1, #list)))
  end
end

-- Collects score and member for one ZADD a key; one call a record costs several times as much.
local function collect(lists, key, score, member)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  list[#list + 1] = score
  list[#list + 1] = member
end
local function sendAll(command, lists)
  for key, list in pairs(lists) do
    send(command, key, list)
  end
end

local indexAdds, indexDrops = {}, {}
local function members(into, id, packed)
  local state, namespace, name, ended = unpack(cmsgpack.unpack(packed))
  into[#into + 1] = "s\0" .. state .. "\0" .. id
  into[#into + 1] = "n\0" .. namespace .. "\0" .. state .. "\0" .. id
  into[#into + 1] = "m\0" .. name .. "\0" .. id
  if ended ~= "" then
    into[#into + 1] = "e\0" .. ended .. "\0" .. id
  end
end

-- Removed jobs stand at the end of ARGV, and go first.
local removedAt = 13 + 6 * jobs + 4 * executions + 2 * nodes + 3 * requests + 2 * events
local newestGone = 0
local goneSequences = {}
for i = removedAt, removedAt + removedJobs - 1 do
  local id = ARGV[i]
  local packed = redis.call("HGET", KEYS[3], id)
  if packed then
    members(indexDrops, id, packed)
    redis.call("HDEL", KEYS[2], id)
    redis.call("HDEL", KEYS[3], id)
  end
  local gone = redis.call("ZRANGE", KEYS[12] .. id, 0, -1)
  send("HDEL", KEYS[5], gone)
  send("ZREM", KEYS[6], gone)
  for _, sequence in ipairs(redis.call("ZRANGE", KEYS[13] .. id, 0, -1)) do
    goneSequences[#goneSequences + 1] = sequence
    newestGone = math.max(newestGone, tonumber(sequence))
  end
  redis.call("UNLINK", KEYS[12] .. id, KEYS[13] .. id)
end
if newestGone > 0 then
  -- The log has no gaps, so it begins after the newest event that went; what belongs to no job is of no more use before that.
  local loose = redis.call("ZRANGEBYSCORE", KEYS[11], "-inf", newestGone)
  send("XDEL", KEYS[10], loose)
  send("ZREM", KEYS[11], loose)
  send("XDEL", KEYS[10], goneSequences)
  redis.call("HSET", KEYS[1], "first", string.format("%d", math.max(tonumber(meta[5] or "1"), newestGone + 1)))
end
for i = removedAt + removedJobs, removedAt + removedJobs + removedNodes - 1 do
  redis.call("HDEL", KEYS[7], ARGV[i])
end

local records, fields = {}, {}
for _ = 1, jobs do
  local id, record = take(), take()
  local packed = cmsgpack.pack({ take(), take(), take(), take() })
  local old = redis.call("HGET", KEYS[3], id)
  if old ~= packed then
    if old then
      members(indexDrops, id, old)
    end
    local added = {}
    members(added, id, packed)
    for _, member in ipairs(added) do
      indexAdds[#indexAdds + 1] = 0
      indexAdds[#indexAdds + 1] = member
    end
    fields[#fields + 1] = id
    fields[#fields + 1] = packed
  end
  records[#records + 1] = id
  records[#records + 1] = record
end
send("ZREM", KEYS[4], indexDrops)
send("ZADD", KEYS[4], indexAdds)
send("HSET", KEYS[2], records)
send("HSET", KEYS[3], fields)

local executionRecords, jobExecutions, lives, ends = {}, {}, {}, {}
for _ = 1, executions do
  local id, jobId, live, record = take(), take(), take(), take()
  executionRecords[#executionRecords + 1] = id
  executionRecords[#executionRecords + 1] = record
  collect(jobExecutions, KEYS[12] .. jobId, 0, id)
  if live == "1" then
    lives[#lives + 1] = 0
    lives[#lives + 1] = id
  else
    ends[#ends + 1] = id
  end
end
send("HSET", KEYS[5], executionRecords)
sendAll("ZADD", jobExecutions)
send("ZADD", KEYS[6], lives)
send("ZREM", KEYS[6], ends)

for _ = 1, nodes do
  redis.call("HSET", KEYS[7], take(), take())
end

if requests > 0 then
  local expired = redis.call("ZRANGEBYSCORE", KEYS[9], "-inf", ARGV[5], "LIMIT", 0, 100 + 2 * requests)
  send("HDEL", KEYS[8], expired)
  send("ZREM", KEYS[9], expired)
end
for _ = 1, requests do
  local id, expiry, record = take(), take(), take()
  redis.call("HSET", KEYS[8], id, record)
  redis.call("ZADD", KEYS[9], expiry, id)
end

local sequences, isStored = {}, {}
for i = 1, events do
  local jobId, record = take(), take()
  local sequence = string.format("%d", last + i)
  redis.call("XADD", KEYS[10], sequence .. "-0", "e", record)
  if isStored[jobId] == nil then
    isStored[jobId] = redis.call("HEXISTS", KEYS[3], jobId) == 1
  end
  -- An event of a job that is gone belongs to nobody, else nothing would ever remove it.
  collect(sequences, isStored[jobId] and KEYS[13] .. jobId or KEYS[11], sequence, sequence)
end
sendAll("ZADD", sequences)

last = last + events
redis.call("HSET", KEYS[1], "commit", ARGV[2], "digest", ARGV[3], "sequence", string.format("%d", last))
return { "committed", last, number + 1 }
