-- Applies one chunk of a block, unless it already has been.
--
-- KEYS[1]   fence of the topic's partition; KEYS[2..] data keys, all in its hash slot
-- ARGV[1]   last offset of the block
-- ARGV[2]   number of this chunk, from 0        ARGV[3]  number of chunks of the block
-- ARGV[4]   last offset that must be done before this block, or -1 when the caller can't tell
-- ARGV[5]   1: a block that was begun must be finished before another one comes
-- ARGV[6]   first offset of the block           ARGV[7]  digest of all its chunks
-- ARGV[8]   msgpack: for each data key a list of {kind, ttl, keep, columns}
--
-- The fence holds `done` (last offset of the newest complete block) and, while a block is under
-- way, `last` (its last offset), `next` (the chunk that comes next) and `plan` (the digest: other
-- chunks can't finish what these began). Data and fence change in
-- one script, so they are on the same side of any crash or failover.
--
-- An error in the middle would leave data changed and the fence where it was. So everything that
-- can be refused is refused in a first pass, which only reads and collects commands; the second
-- pass runs them.
--
-- Returns 1 when applied, 0 when it had been. Errors: BEHIND, ORDER, UNFINISHED, REPLANNED,
-- STRADDLES; WRONGTYPE, FOREIGN
-- (a value this script did not write), NAN, RANGE (a sum past 2^53, where doubles stop counting).

local fence = KEYS[1]
local last, chunk, chunks = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before, strict = tonumber(ARGV[4]), ARGV[5] == '1'
local first, digest = tonumber(ARGV[6]), ARGV[7]

local held = redis.call('HMGET', fence, 'done', 'last', 'next', 'plan')
local done = tonumber(held[1] or '-1')
if last <= done then
  return 0
end
if done < before then
  return redis.error_reply(string.format('BEHIND done=%.0f before=%.0f', done, before))
end
if done >= first and strict then
  return redis.error_reply(string.format('STRADDLES done=%.0f first=%.0f', done, first))
end
local begun, expected = tonumber(held[2] or '-1'), 0
if begun == last then
  expected = tonumber(held[3])
  if held[4] ~= digest and strict then
    return redis.error_reply(string.format('REPLANNED next=%d', expected))
  end
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
local EXACT = 2 ^ 53

local commands = {}
local refusal

local function refuse(word, key, what)
  refusal = refusal or (word .. ' ' .. key .. ': ' .. what)
end

local function later(...)
  commands[#commands + 1] = {...}
end

local function in_steps(command, key, args, option)
  for from = 1, #args, STEP do
    local to = math.min(from + STEP - 1, #args)
    if option then
      redis.call(command, key, option, unpack(args, from, to))
    else
      redis.call(command, key, unpack(args, from, to))
    end
  end
end

local function read(command, key, names)
  local all = {}
  for from = 1, #names, STEP do
    local to = math.min(from + STEP - 1, #names)
    local part = redis.pcall(command, key, unpack(names, from, to))
    if part.err then
      refuse(part.err, key, command)
      return all
    end
    if #names <= STEP then
      return part
    end
    for i = 1, #part do
      all[from + i - 1] = part[i]
    end
  end
  return all
end

local function whole(number)
  return string.format('%.0f', number)
end

local function sum(key, field, a, b)
  if a == nil then
    refuse('FOREIGN', key, 'field ' .. field .. ' holds no number')
    return b
  end
  local new = a + b
  if new > EXACT or new < -EXACT then
    refuse('RANGE', key, 'field ' .. field .. ' would be ' .. whole(new))
  end
  return new
end

local plan = {}

plan[1] = function(key, fields, deltas) -- ADD
  local old, set, gone = read('HMGET', key, fields), {}, {}
  for i, field in ipairs(fields) do
    local new = sum(key, field, tonumber(old[i] or '0'), deltas[i])
    if new == 0 then
      if old[i] then
        gone[#gone + 1] = field
      end
    else
      set[#set + 1] = field
      set[#set + 1] = whole(new)
    end
  end
  later('HSET', key, set)
  later('HDEL', key, gone)
end

plan[2] = function(key, fields, buckets, deltas) -- RING
  local old, set = read('HMGET', key, fields), {}
  for i, field in ipairs(fields) do
    local bucket, total = buckets[i], deltas[i]
    if old[i] then
      local b, s = string.match(old[i], '^(%-?%d+):(%-?%d+)$')
      b, s = tonumber(b), tonumber(s)
      if b == nil then
        refuse('FOREIGN', key, 'field ' .. field .. ' holds no ring bucket')
      elseif b > bucket then
        bucket = nil
      elseif b == bucket then
        total = sum(key, field, s, total)
      end
    end
    if bucket then
      set[#set + 1] = field
      set[#set + 1] = whole(bucket) .. ':' .. whole(total)
    end
  end
  later('HSET', key, set)
end

plan[3] = function(key, fields, values, versions) -- LAST
  local old, set = read('HMGET', key, fields), {}
  for i, field in ipairs(fields) do
    local version = old[i] and string.match(old[i], '^([^|]*)|')
    if old[i] and not version then
      refuse('FOREIGN', key, 'field ' .. field .. ' holds no version')
    elseif not version or versions[i] > version then
      set[#set + 1] = field
      set[#set + 1] = versions[i] .. '|' .. values[i]
    end
  end
  later('HSET', key, set)
end

plan[4] = function(key, members, scores, _, keep) -- MAX
  local held, args = redis.call('TYPE', key).ok, {}
  if held ~= 'none' and held ~= 'zset' then
    refuse('WRONGTYPE', key, 'is a ' .. held)
  end
  for i, member in ipairs(members) do
    if scores[i] ~= scores[i] then
      refuse('NAN', key, 'score of ' .. member)
    end
    args[#args + 1] = scores[i]
    args[#args + 1] = member
  end
  later('ZADD', key, args, 'GT')
  if keep > 0 then
    later('ZREMRANGEBYRANK', key, {0, -(keep + 1)})
  end
end

plan[5] = function(key, members, scores) -- ADD_FLOAT: redis.call writes numbers as %.17g, exact
  local old, args = read('ZMSCORE', key, members), {}
  for i, member in ipairs(members) do
    local new = tonumber(old[i] or '0') + scores[i]
    if new ~= new then
      refuse('NAN', key, 'score of ' .. member)
    end
    args[#args + 1] = new
    args[#args + 1] = member
  end
  later('ZADD', key, args)
end

for i, entries in ipairs(cmsgpack.unpack(ARGV[8])) do
  local key, ttl = KEYS[i + 1], 0
  for _, entry in ipairs(entries) do
    local columns = entry[4]
    plan[entry[1]](key, columns[1], columns[2], columns[3], entry[3])
    ttl = math.max(ttl, entry[2])
  end
  if ttl > 0 then
    later('EXPIRE', key, {ttl})
  end
end

if refusal then
  return redis.error_reply(refusal)
end
for _, command in ipairs(commands) do
  in_steps(unpack(command))
end

if chunk + 1 == chunks then
  redis.call('HSET', fence, 'done', whole(last))
  redis.call('HDEL', fence, 'last', 'next', 'plan')
else
  redis.call('HSET', fence, 'last', whole(last), 'next', chunk + 1, 'plan', digest)
end
return 1
