-- Keeps events of a job for replay and tells them to whoever watches, as one step.
-- KEYS[1]: the job's stream, and the name of its channel. ARGV: entries to keep, bytes to keep, ms until all of
-- it is forgotten, 1 to set that time in any case; then for each event its id ('' for one that is not kept)
-- and its text. An id is <epoch>-<seq>: Redis itself refuses one that is not above the last, which is how
-- repetitions and runs that were given up are kept out. Returns how many events were told, or why one could
-- not be kept (there is no room): then those before it were told, and all are to be sent again.
local key = KEYS[1]
local most, bytes, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local epoch, total, fresh, touched = -1, 0, false, ARGV[4] == '1'
local fault = nil

-- Each entry is {'t', bytes told up to here, 'e', text}.
local function weight(text)
    return 64 + #text
end

-- What stands in the way of our entries is removed: a key of another kind, an entry of somebody else.
local function look()
    local kind = redis.call('TYPE', key).ok
    if kind == 'none' then
        return
    end
    if kind == 'stream' then
        local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
        local fields = last and last[2] or {}
        if fields[1] == 't' and tonumber(fields[2]) and fields[3] == 'e' then
            total = tonumber(fields[2])
            epoch = tonumber(string.match(last[1], '^(%d+)-'))
            return
        end
    end
    redis.call('DEL', key)
end

local told = {}
for at = 5, #ARGV, 2 do
    local id, text = ARGV[at], ARGV[at + 1]
    if id == '' then
        told[#told + 1] = text
    else
        if not fresh then
            look()
            fresh = true
        end
        local now = tonumber(string.match(id, '^(%d+)-'))
        local sum = total + weight(text)
        local sums = string.format('%.0f', sum)
        local added = redis.pcall('XADD', key, 'MAXLEN', '=', most, id, 't', sums, 'e', text)
        if added.err then
            if string.sub(added.err, 1, 4) ~= 'ERR ' then
                fault = added.err
                break
            end
        else
            if epoch >= 0 and now > epoch then
                -- A new run voids what an earlier one told.
                redis.call('XTRIM', key, 'MINID', '=', string.match(id, '^(%d+)-') .. '-0')
            end
            epoch, total, touched = now, sum, true
            told[#told + 1] = text
        end
    end
end

-- Drops the oldest entries until the rest fits; the last one always stays.
local function trim()
    local count = 1
    while true do
        local head = redis.call('XRANGE', key, '-', '+', 'COUNT', count)
        for at, entry in ipairs(head) do
            local before = tonumber(entry[2][2]) - weight(entry[2][4])
            if total - before <= bytes or tonumber(entry[2][2]) == total then
                if at > 1 then
                    redis.call('XTRIM', key, 'MINID', '=', entry[1])
                end
                return
            end
        end
        if #head > 1 then
            redis.call('XTRIM', key, 'MINID', '=', head[#head][1])
        end
        count = 32
    end
end

if touched then
    if fresh and total > 0 then
        trim()
    end
    redis.call('PEXPIRE', key, ttl)
end
if #told > 0 then
    redis.call('PUBLISH', key, '[' .. table.concat(told, ',') .. ']')
end
if fault then
    return redis.error_reply(fault)
end
return #told
