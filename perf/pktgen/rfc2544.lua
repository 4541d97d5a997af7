-- RFC 2544 throughput of a gateway, in Pktgen:
--
--   pktgen -l 0-2 -a 01:00.0 -a 01:00.1 -- -P -m "1.0,2.1" -f rfc2544.lua
--
-- ANCHOR_DIRECTION: to-hosts (default: plain packets in, tunnelled packets out, by ranges) or from-hosts
-- (tunnelled packets in, from the capture that -s loaded; one frame length, ANCHOR_FRAME). Results go to
-- settings.results as JSON.

package.path = package.path .. ";./?.lua;perf/pktgen/?.lua"

-- Pktgen's own helpers; without them (an older Pktgen) the C functions suffice.
pcall(require, "Pktgen")

local search = require("search")
local ranges = require("ranges")

local rfc2544 = {}

-- Packets that a port has sent and received since its counters were cleared. Newer releases of Pktgen
-- nest the counters and take no second argument.
function rfc2544.counters(pktgen, port)
    local ok, stats = pcall(pktgen.portStats, tostring(port))
    if not ok then
        stats = pktgen.portStats(tostring(port), "port")
    end
    local of = stats[port]
    of = of.curr or of
    return of.opackets, of.ipackets
end

-- One trial: `sender` sends at `rate` percent for so many milliseconds; returns packets sent and lost.
function rfc2544.trial(pktgen, settings, sender, receiver, rate, milliseconds)
    pktgen.clr()
    pktgen.set(tostring(sender), "rate", rate)
    pktgen.start(tostring(sender))
    pktgen.delay(milliseconds)
    pktgen.stop(tostring(sender))
    -- What is on its way arrives.
    pktgen.delay(settings.settle_ms)
    local sent = rfc2544.counters(pktgen, sender)
    local _, received = rfc2544.counters(pktgen, receiver)
    -- A few packets of others (neighbour discovery) may come too.
    return sent, math.max(0, sent - received)
end

-- Searches for every frame length; returns the results as a table.
function rfc2544.run(pktgen, settings, direction, frames)
    local sender, receiver = settings.outside, settings.core
    if direction == "from-hosts" then
        sender, receiver = settings.core, settings.outside
        pktgen.pcap(tostring(sender), "on")
    end
    pktgen.set(tostring(sender), "count", 0)
    local results = {}
    for _, frame in ipairs(frames) do
        if direction == "to-hosts" then
            ranges.to_hosts(pktgen, settings, frame)
        end
        local function timed(milliseconds)
            return function(rate)
                return rfc2544.trial(pktgen, settings, sender, receiver, rate, milliseconds)
            end
        end
        local rate, trials = search.confirmed(timed(settings.trial_ms), timed(settings.confirm_ms),
            settings.loss, settings.resolution)
        local pps = search.packets_per_second(rate, settings.line_rate, frame)
        print(string.format("%5d octets: %7.2f %% of the line, %.3f Mpps", frame, rate, pps / 1e6))
        results[#results + 1] = { frame = frame, rate_percent = rate, packets_per_second = pps,
            trials = trials }
    end
    return { direction = direction, hosts = settings.hosts, loss = settings.loss,
        resolution_percent = settings.resolution, line_rate = settings.line_rate, results = results }
end

-- Inside Pktgen there is a global `pktgen`; a test loads this file without one.
if type(pktgen) == "table" and pktgen.start then
    local settings = dofile(os.getenv("ANCHOR_SETTINGS") or "settings.lua")
    local direction = os.getenv("ANCHOR_DIRECTION") or "to-hosts"
    assert(direction == "to-hosts" or direction == "from-hosts", "ANCHOR_DIRECTION: to-hosts or from-hosts")
    local frames = settings.frames
    if direction == "from-hosts" then
        frames = { tonumber(os.getenv("ANCHOR_FRAME") or 118) }
    end
    local results = rfc2544.run(pktgen, settings, direction, frames)
    local out = assert(io.open(settings.results, "w"))
    out:write(search.json(results), "\n")
    out:close()
end

return rfc2544
