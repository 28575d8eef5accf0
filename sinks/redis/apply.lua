-- Applies one chunk of a block, unless it already has been.
--
-- KEYS[1]   fence of the topic's partition; KEYS[2..] data keys, all in its hash slot
-- ARGV[1]   last offset of the block
-- ARGV[2]   number of this chunk, from 0        ARGV[3]  number of chunks of the block
-- ARGV[4]   last offset that must be done before this block, or -1 when the caller can't tell
-- ARGV[5]   1: a block that was begun must be finished before another one comes
-- ARGV[6]   msgpack: for each data key a list of {kind, ttl, keep, columns}
--
-- The fence holds `done` (last offset of the newest complete block) and, while a block is under
-- way, `last` (its last offset) and `next` (the chunk that comes next). Data and fence change in
-- one script, so they are on the same side of any crash or failover.
--
-- Returns 1 when applied, 0 when it had been. Errors: BEHIND, ORDER, UNFINISHED.

local fence = KEYS[1]
local last, chunk, chunks = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before, strict = tonumber(ARGV[4]), ARGV[5] == '1'

local held = redis.call('HMGET', fence, 'done', 'last', 'next')
local done = tonumber(held[1] or '-1')
if last <= done then
  return 0
end
if done < before then
  return redis.error_reply(string.format('BEHIND done=%.0f before=%.0f', done, before))
end
local begun, expected = tonumber(held[2] or '-1'), 0
if begun == last then
  expected = tonumber(held[3])
elseif begun > done and strict then
  return redis.error_reply(string.format('UNFINISHED begun=%.0f last=%.0f', begun, last))
end
if chunk < expected then
  return 0
end
if chunk > expected then
  return redis.error_reply(string.format('ORDER chunk=%d expected=%d', chunk, expected))
end

-- Lua's stack bounds what unpack can take.
local STEP = 2000

local function in_steps(command, key, args)
  if #args == 0 then
    return
  end
  for from = 1, #args, STEP do
    redis.call(command, key, unpack(args, from, math.min(from + STEP - 1, #args)))
  end
end

local function read(command, key, names)
  if #names <= STEP then
    return redis.call(command, key, unpack(names))
  end
  local all = {}
  for from = 1, #names, STEP do
    local part = redis.call(command, key, unpack(names, from, math.min(from + STEP - 1, #names)))
    for i = 1, #part do
      all[from + i - 1] = part[i]
    end
  end
  return all
end

local function whole(number)
  return string.format('%.0f', number)
end

local apply = {}

apply[1] = function(key, fields, deltas) -- ADD
  local old, set, gone = read('HMGET', key, fields), {}, {}
  for i, field in ipairs(fields) do
    local new = tonumber(old[i] or '0') + deltas[i]
    if new == 0 then
      if old[i] then
        gone[#gone + 1] = field
      end
    else
      set[#set + 1] = field
      set[#set + 1] = whole(new)
    end
  end
  in_steps('HSET', key, set)
  in_steps('HDEL', key, gone)
end

apply[2] = function(key, fields, buckets, deltas) -- RING
  local old, set = read('HMGET', key, fields), {}
  for i, field in ipairs(fields) do
    local bucket, sum = buckets[i], deltas[i]
    if old[i] then
      local b, s = string.match(old[i], '^(%-?%d+):(%-?%d+)$')
      b, s = tonumber(b), tonumber(s)
      if b > bucket then
        bucket = nil
      elseif b == bucket then
        sum = sum + s
      end
    end
    if bucket then
      set[#set + 1] = field
      set[#set + 1] = whole(bucket) .. ':' .. whole(sum)
    end
  end
  in_steps('HSET', key, set)
end

apply[3] = function(key, fields, values, versions) -- LAST
  local old, set = read('HMGET', key, fields), {}
  for i, field in ipairs(fields) do
    local version = old[i] and string.match(old[i], '^([^|]*)|')
    if not version or versions[i] > version then
      set[#set + 1] = field
      set[#set + 1] = versions[i] .. '|' .. values[i]
    end
  end
  in_steps('HSET', key, set)
end

apply[4] = function(key, members, scores, _, keep) -- MAX
  local args = {}
  for i, member in ipairs(members) do
    args[#args + 1] = scores[i]
    args[#args + 1] = member
  end
  for from = 1, #args, STEP do
    redis.call('ZADD', key, 'GT', unpack(args, from, math.min(from + STEP - 1, #args)))
  end
  if keep > 0 then
    redis.call('ZREMRANGEBYRANK', key, 0, -(keep + 1))
  end
end

apply[5] = function(key, members, scores) -- ADD_FLOAT: redis.call writes numbers as %.17g, exact
  if #members == 1 then
    redis.call('ZINCRBY', key, scores[1], members[1])
    return
  end
  local old, args = read('ZMSCORE', key, members), {}
  for i, member in ipairs(members) do
    args[#args + 1] = tonumber(old[i] or '0') + scores[i]
    args[#args + 1] = member
  end
  in_steps('ZADD', key, args)
end

for i, entries in ipairs(cmsgpack.unpack(ARGV[6])) do
  local key, ttl = KEYS[i + 1], 0
  for _, entry in ipairs(entries) do
    local columns = entry[4]
    apply[entry[1]](key, columns[1], columns[2], columns[3], entry[3])
    ttl = math.max(ttl, entry[2])
  end
  if ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  end
end

if chunk + 1 == chunks then
  redis.call('HSET', fence, 'done', whole(last))
  redis.call('HDEL', fence, 'last', 'next')
else
  redis.call('HSET', fence, 'last', whole(last), 'next', chunk + 1)
end
return 1
