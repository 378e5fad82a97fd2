-- Voids a value and every lease on it. KEYS: value, lease. ARGV: ms for which it stays void.
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], '-', 'PX', ARGV[1])
return 1
