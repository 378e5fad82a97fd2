-- Stores a value if the lease stands and no tombstone does. KEYS: value, lease. ARGV: nonce, value, ms to live.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[2])
local there = redis.call('GET', KEYS[1])
if (there and string.sub(there, 1, 1) == '-') or tonumber(ARGV[3]) < 1 then
    return 0
end
redis.call('SET', KEYS[1], '+' .. ARGV[2], 'PX', ARGV[3])
return 1
