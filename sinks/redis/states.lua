-- Reads states as they were before a block, together with the fence.
--
-- KEYS[1]   fence of the topic's partition    KEYS[2]  its undo key
-- KEYS[3..] states
-- ARGV[1]   last offset of the block
-- ARGV[2]   last offset that must be done before this block, or -1 when the caller can't tell
--
-- Returns a value for each state, false where nothing is kept; nothing at all when the block is
-- applied. Error: BEHIND. What is read is what the block must be computed from only because the
-- fence is read in the same script: a server that lost its tail says so here, and not first when
-- somebody has caught it up meanwhile.

local held = redis.call('HMGET', KEYS[1], 'done', 'last')
local last, before, done = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(held[1] or '-1')
if last <= done then
  return false
end
if done < before then
  return redis.error_reply(string.format('BEHIND done=%.0f before=%.0f', done, before))
end
local states = redis.call('MGET', unpack(KEYS, 3))
if tonumber(held[2] or '-1') == last then
  local undo = redis.call('HMGET', KEYS[2], unpack(KEYS, 3))
  for i = 1, #KEYS - 2 do
    if undo[i] then
      states[i] = string.sub(undo[i], 1, 1) == '1' and string.sub(undo[i], 2)
    end
  end
end
return states
