-- Removes events from the head of an outbox, as long as the caller has sent them.
--
-- KEYS[1]   outbox
-- ARGV[1]   bytes of a digest    ARGV[2]  digests of what was sent, one after the other
--
-- By their contents, not by their number: a worker that comes late removes nothing that another
-- one has still to send.

local size, sent = tonumber(ARGV[1]), {}
for from = 1, #ARGV[2], size do
  sent[string.sub(ARGV[2], from, from + size - 1)] = true
end
local gone = 0
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, #ARGV[2] / size - 1)) do
  if not sent[string.sub(entry, 1, size)] then
    break
  end
  gone = gone + 1
end
if gone > 0 then
  redis.call('LTRIM', KEYS[1], gone, -1)
end
return gone
