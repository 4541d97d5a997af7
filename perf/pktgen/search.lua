-- The search of RFC 2544 section 26.1 and what it needs; knows no Pktgen.

local search = {}

-- Finds the highest rate in percent, up to 100, at which trial(rate) loses no more than the share
-- `loss`, to within `resolution`. trial returns packets sent and packets lost. The line rate itself is
-- tried first: a device that keeps up needs one trial. Returns the rate (0 when even the lowest fails)
-- and a list of all trials.
function search.throughput(trial, loss, resolution)
    local trials = {}
    local function passes(rate)
        local sent, lost = trial(rate)
        local ok = sent > 0 and lost <= sent * loss
        trials[#trials + 1] = { rate = rate, sent = sent, lost = lost, passed = ok }
        return ok
    end
    if passes(100) then
        return 100, trials
    end
    local low, high = 0, 100
    while high - low > resolution do
        local rate = (low + high) / 2
        if passes(rate) then
            low = rate
        else
            high = rate
        end
    end
    return low, trials
end

-- Searches, and confirms what was found by a longer trial. A rate that does not hold that long is
-- lowered by one step of the resolution and confirmed again.
function search.confirmed(trial, confirm, loss, resolution)
    local rate, trials = search.throughput(trial, loss, resolution)
    while rate > 0 do
        local sent, lost = confirm(rate)
        local ok = sent > 0 and lost <= sent * loss
        trials[#trials + 1] = { rate = rate, sent = sent, lost = lost, passed = ok, confirm = true }
        if ok then
            break
        end
        rate = math.max(0, rate - resolution)
    end
    return rate, trials
end

-- Packets per second at a rate in percent of a line of so many bits per second: a frame has 20 octets of
-- preamble and gap on the wire.
function search.packets_per_second(rate, line_rate, frame)
    return rate / 100 * line_rate / ((frame + 20) * 8)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function text(value)
    local escaped = value:gsub('[%c"\\]', function(c)
        return escapes[c] or string.format("\\u%04x", c:byte())
    end)
    return '"' .. escaped .. '"'
end

-- A value as JSON: tables with [1] are lists, others are objects, in the order of their keys.
function search.json(value)
    local kind = type(value)
    if kind == "table" then
        local parts = {}
        if #value > 0 then
            for _, element in ipairs(value) do
                parts[#parts + 1] = search.json(element)
            end
            return "[" .. table.concat(parts, ",") .. "]"
        end
        local keys = {}
        for key in pairs(value) do
            keys[#keys + 1] = tostring(key)
        end
        table.sort(keys)
        for _, key in ipairs(keys) do
            parts[#parts + 1] = text(key) .. ":" .. search.json(value[key])
        end
        return "{" .. table.concat(parts, ",") .. "}"
    elseif kind == "number" then
        if value ~= value or value == math.huge or value == -math.huge then
            return "null"
        end
        if value == math.floor(value) and math.abs(value) < 2 ^ 53 then
            return string.format("%d", value)
        end
        return string.format("%.6f", value)
    elseif kind == "boolean" then
        return tostring(value)
    elseif kind == "nil" then
        return "null"
    end
    return text(tostring(value))
end

return search
