-- Applies one chunk of a block, unless it already has been.
--
-- KEYS[1]   fence of the topic's partition; KEYS[2..] data keys, all in its hash slot
-- ARGV[1]   last offset of the block
-- ARGV[2]   number of this chunk, from 0        ARGV[3]  number of chunks of the block
-- ARGV[4]   last offset that must be done before this block, or -1 when the caller can't tell
-- ARGV[5]   1: a block that was begun must be finished before another one comes
-- ARGV[6]   first offset of the block           ARGV[7]  digest of all its chunks
-- ARGV[8]   msgpack: a list of {kind, ttl, keep, keys, counts, columns ...}: the data keys by their
--           number from 1, how many rows of the columns belong to each, and the columns; of states,
--           keep is the number of the key with due times, 0 for none
-- ARGV[9]   number of the undo key among the data keys, 0 when the block has no states
--
-- While a block of several chunks is under way, the undo hash holds the states before it: so who
-- repeats the block computes the same from the same (states.lua).
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
-- A key's time to live is set anew when more than this part of it has passed.
local SLACK = 100
-- Up to here '..' writes whole numbers exactly.
local SHORT = 1e14

local call, pcall, unpack, match = redis.call, redis.pcall, unpack, string.match

-- Commands to run, by column: what each is, its key, option or false, and arguments.
local count, names, places, options, arguments = 0, {}, {}, {}, {}
local refusal

local function refuse(word, key, what)
  refusal = refusal or (word .. ' ' .. key .. ': ' .. what)
end

local function later(name, key, args, option)
  count = count + 1
  names[count], places[count], options[count], arguments[count] = name, key, option or false, args
end

local function run(name, key, option, args)
  for from = 1, #args, STEP do
    local to = math.min(from + STEP - 1, #args)
    if option then
      call(name, key, option, unpack(args, from, to))
    else
      call(name, key, unpack(args, from, to))
    end
  end
end

-- What a hash or sorted set holds of the fields or members `wanted[from..to]`, from 1.
local function read(command, key, wanted, from, to)
  if to - from < STEP then
    local part = pcall(command, key, unpack(wanted, from, to))
    if part.err then
      refuse(part.err, key, command)
      return {}
    end
    return part
  end
  local all = {}
  for start = from, to, STEP do
    local part = pcall(command, key, unpack(wanted, start, math.min(start + STEP - 1, to)))
    if part.err then
      refuse(part.err, key, command)
      return {}
    end
    for i = 1, #part do
      all[start - from + i] = part[i]
    end
  end
  return all
end

local function whole(number)
  return string.format('%.0f', number)
end

local function is(key, wanted)
  local held = call('TYPE', key).ok
  if held ~= 'none' and held ~= wanted then
    refuse('WRONGTYPE', key, 'is a ' .. held)
  end
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

-- Whole numbers go to redis.call as they are: it writes them by %.17g, exact up to EXACT.
local plan = {}

plan[1] = function(key, from, to, fields, deltas) -- ADD
  local old, set, n, gone = read('HMGET', key, fields, from, to), {}, 0, nil
  for i = from, to do
    local field, held = fields[i], old[i - from + 1]
    local new = sum(key, field, tonumber(held or 0), deltas[i])
    if new ~= 0 then
      set[n + 1], set[n + 2] = field, new
      n = n + 2
    elseif held then
      gone = gone or {}
      gone[#gone + 1] = field
    end
  end
  later('HSET', key, set)
  if gone then
    later('HDEL', key, gone)
  end
end

plan[2] = function(key, from, to, fields, buckets, deltas) -- RING
  local old, set, n = read('HMGET', key, fields, from, to), {}, 0
  for i = from, to do
    local field, bucket, total, held = fields[i], buckets[i], deltas[i], old[i - from + 1]
    if held then
      local b, s = match(held, '^(%-?%d+):(%-?%d+)$')
      b = tonumber(b)
      if b == nil then
        refuse('FOREIGN', key, 'field ' .. field .. ' holds no ring bucket')
      elseif b > bucket then
        bucket = nil
      elseif b == bucket then
        total = sum(key, field, tonumber(s), total)
      end
    end
    if bucket then
      local text = total
      if total >= SHORT or total <= -SHORT then
        text = whole(total)
      end
      set[n + 1], set[n + 2] = field, bucket .. ':' .. text
      n = n + 2
    end
  end
  later('HSET', key, set)
end

plan[3] = function(key, from, to, fields, values, versions) -- LAST
  local old, set, n = read('HMGET', key, fields, from, to), {}, 0
  for i = from, to do
    local held = old[i - from + 1]
    local version = held and match(held, '^([^|]*)|')
    if held and not version then
      refuse('FOREIGN', key, 'field ' .. fields[i] .. ' holds no version')
    elseif not version or versions[i] > version then
      set[n + 1], set[n + 2] = fields[i], versions[i] .. '|' .. values[i]
      n = n + 2
    end
  end
  later('HSET', key, set)
end

plan[4] = function(key, from, to, members, scores, _, keep) -- MAX
  local args, n = {}, 0
  is(key, 'zset')
  for i = from, to do
    local score = scores[i]
    if score ~= score then
      refuse('NAN', key, 'score of ' .. members[i])
    end
    args[n + 1], args[n + 2] = score, members[i]
    n = n + 2
  end
  later('ZADD', key, args, 'GT')
  if keep > 0 then
    later('ZREMRANGEBYRANK', key, {0, -(keep + 1)})
  end
end

plan[5] = function(key, from, to, members, scores) -- ADD_FLOAT: as exact as whole numbers
  local old, args, n = read('ZMSCORE', key, members, from, to), {}, 0
  for i = from, to do
    local held = old[i - from + 1]
    local new = held and tonumber(held) + scores[i] or scores[i]
    if new ~= new then
      refuse('NAN', key, 'score of ' .. members[i])
    end
    args[n + 1], args[n + 2] = new, members[i]
    n = n + 2
  end
  later('ZADD', key, args)
end

local undo = tonumber(ARGV[9]) > 0 and KEYS[tonumber(ARGV[9]) + 1]
local undone, forgotten, due, undue = {}, {}, {}, {}

plan[6] = function(key, from, to, values, times, ids, keep) -- STATE: one row a key
  local value, clock = values[from], keep > 0 and KEYS[keep + 1]
  if chunk + 1 < chunks then
    local held = pcall('GET', key)
    if type(held) == 'table' then
      refuse(held.err, key, 'GET')
      held = ''
    end
    undone[#undone + 1] = key
    undone[#undone + 1] = held and '1' .. held or '0'
  end
  if value then
    later('SET', key, {value})
  else
    forgotten[#forgotten + 1] = key
  end
  if clock then
    local set = times[from] > 0 and due or undue
    set[clock] = set[clock] or {}
    if times[from] > 0 then
      table.insert(set[clock], whole(times[from]))
    end
    table.insert(set[clock], ids[from])
  end
end

plan[7] = function(key, from, to, entries) -- EVENTS
  is(key, 'list')
  for i = from, to, STEP do
    later('RPUSH', key, {unpack(entries, i, math.min(i + STEP - 1, to))})
  end
end

plan[8] = function(key, from, to, offsets) -- ASIDE
  local args, n = {}, 0
  is(key, 'zset')
  for i = from, to do
    args[n + 1], args[n + 2] = whole(offsets[i]), whole(offsets[i])
    n = n + 2
  end
  later('ZADD', key, args)
end

local ttls = {}
for _, op in ipairs(cmsgpack.unpack(ARGV[8])) do
  local apply, ttl, keep, keys, counts = plan[op[1]], op[2], op[3], op[4], op[5]
  local from = 1
  for i = 1, #keys do
    local to = from + counts[i] - 1
    apply(KEYS[keys[i] + 1], from, to, op[6], op[7], op[8], keep)
    if ttl > 0 then
      ttls[keys[i]] = ttl
    end
    from = to + 1
  end
end

if undo then
  is(undo, 'hash')
end
for _, set in ipairs({due, undue}) do
  for clock in pairs(set) do
    is(clock, 'zset')
  end
end

if refusal then
  return redis.error_reply(refusal)
end
for i = 1, count do
  run(names[i], places[i], options[i], arguments[i])
end
for from = 1, #forgotten, STEP do
  call('UNLINK', unpack(forgotten, from, math.min(from + STEP - 1, #forgotten)))
end
for clock, args in pairs(due) do
  run('ZADD', clock, false, args)
end
for clock, args in pairs(undue) do
  run('ZREM', clock, false, args)
end
if undo and chunks > 1 then
  if chunk == 0 or chunk + 1 == chunks then
    call('UNLINK', undo)
  end
  run('HSET', undo, false, undone)
end
-- Looking is cheaper than writing, which goes to the append-only file and to replicas.
for number, ttl in pairs(ttls) do
  local key = KEYS[number + 1]
  if call('TTL', key) < ttl - ttl / SLACK then
    call('EXPIRE', key, ttl)
  end
end

if chunk + 1 == chunks then
  redis.call('HSET', fence, 'done', whole(last))
  redis.call('HDEL', fence, 'last', 'next', 'plan')
else
  redis.call('HSET', fence, 'last', whole(last), 'next', chunk + 1, 'plan', digest)
end
return 1
