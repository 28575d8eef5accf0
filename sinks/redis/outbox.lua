-- Reads the head of an outbox: at most ARGV[1] events, and no more than ARGV[2] bytes but one.
--
-- KEYS[1]   outbox

local found, bytes, step = {}, 0, 1
local most, size = tonumber(ARGV[1]), tonumber(ARGV[2])
while #found < most do
  local part = redis.call('LRANGE', KEYS[1], #found, math.min(#found + step, most) - 1)
  if #part == 0 then
    break
  end
  for _, entry in ipairs(part) do
    if bytes >= size then
      return found
    end
    found[#found + 1] = entry
    bytes = bytes + #entry
  end
  step = math.min(step * 2, 64)
end
return found
