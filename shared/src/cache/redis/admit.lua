-- Takes from a rate (GCRA), by the server's clock. KEYS[1]: the key. ARGV: microseconds a unit takes, burst,
-- cost. Returns whether it was let through, the microsecond at which the key is full again, and now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tolerance = interval * burst
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
    redis.call('DEL', KEYS[1])
end
local from = tonumber(redis.call('GET', KEYS[1]) or '') or now
-- A clock that was set back must not lock a key for longer than an empty one is.
from = math.min(math.max(from, now), now + tolerance)
-- Whole microseconds, rounded up: rounding never lets more through.
local to = math.ceil(from + interval * cost)
if to > now + tolerance then
    return { 0, string.format('%.0f', from), string.format('%.0f', now) }
end
if to > now then
    redis.call('SET', KEYS[1], string.format('%.0f', to), 'PX', math.ceil((to - now) / 1000) + 1000)
end
return { 1, string.format('%.0f', to), string.format('%.0f', now) }
