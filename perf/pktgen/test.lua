-- Tests of the scripts against a stub of Pktgen: lua5.4 test.lua, in this directory.

local search = require("search")
local addresses = require("addresses")
local ranges = require("ranges")
local tunnels = require("tunnels")
local rfc2544 = require("rfc2544")

local settings = dofile("settings.lua")
local tests = {}

-- A Pktgen whose gateway forwards `capacity` percent of the line rate and drops what is above. With
-- `old`, statistics are those of releases before counters were nested.
local function stub(capacity, old)
    local self = { set_calls = {}, ranges = {}, rate = {}, count = {}, calls = 0 }
    local sent, received = 0, 0
    local sending
    local function key(port) return tonumber(port) end
    function self.clr() sent, received = 0, 0 end
    function self.set(port, what, value)
        self.set_calls[#self.set_calls + 1] = { port, what, value }
        if what == "rate" then self.rate[key(port)] = value end
    end
    function self.start(port) sending = key(port) end
    function self.stop(port)
        assert(key(port) == sending, "stopped what was not started")
        sending = nil
    end
    function self.delay(milliseconds)
        if sending then
            self.calls = self.calls + 1
            sent = math.floor(self.rate[sending] * milliseconds)
            received = math.floor(math.min(self.rate[sending], capacity) * milliseconds)
        end
    end
    function self.portStats(ports, kind)
        if old and not kind then error("portStats, wrong number of arguments") end
        if not old and kind then error("portStats, wrong number of arguments") end
        local counters = { opackets = sent, ipackets = received }
        return { [key(ports)] = old and counters or { curr = counters }, n = 1 }
    end
    function self.pcap(port, state) self.played = { key(port), state } end
    function self.set_range(port, state) self.ranged = { key(port), state } end
    self.range = setmetatable({}, { __index = function(_, name)
        return function(port, what, value)
            self.ranges[name .. " " .. what] = value
            assert(port == "0" or port == "1", "a port list")
        end
    end })
    return self
end

local function quick()
    local copy = {}
    for name, value in pairs(settings) do copy[name] = value end
    copy.trial_ms, copy.confirm_ms, copy.settle_ms = 1000, 3000, 1
    return copy
end

function tests.the_search_finds_the_rate_to_its_resolution()
    for _, capacity in ipairs({ 0.3, 1, 33.3, 50, 77.7, 99.95 }) do
        local function trial(rate)
            local sent = math.floor(rate * 1e6)
            return sent, math.max(0, sent - math.floor(capacity * 1e6))
        end
        local rate, trials = search.throughput(trial, 0, 0.1)
        assert(rate <= capacity and rate > capacity - 0.1, capacity .. ": " .. rate)
        assert(#trials <= 12, "a binary search")
    end
end

function tests.a_device_that_keeps_up_needs_one_trial()
    local rate, trials = search.throughput(function() return 1000, 0 end, 0, 0.1)
    assert(rate == 100 and #trials == 1 and trials[1].passed)
end

function tests.a_device_that_forwards_nothing_has_no_rate()
    local rate = search.confirmed(function() return 1000, 1000 end, error, 0, 1)
    assert(rate == 0)
    rate = search.throughput(function() return 0, 0 end, 0, 1)
    assert(rate == 0, "what was not sent was not forwarded")
end

function tests.loss_that_is_allowed_passes()
    local function trial(rate) return 10000, rate > 50 and 11 or 10 end
    assert(math.abs(search.throughput(trial, 0.001, 0.1) - 50) < 0.1)
end

function tests.a_rate_that_does_not_hold_is_lowered()
    local function trial(rate) return 1000, rate > 60 and 1 or 0 end
    local function confirm(rate) return 1000, rate > 58.5 and 1 or 0 end
    local rate, trials = search.confirmed(trial, confirm, 0, 0.5)
    assert(rate <= 58.5 and rate > 57.9, rate)
    assert(trials[#trials].confirm and trials[#trials].passed)
    assert(not trials[#trials - 1].passed)
end

function tests.rates_are_counted_with_preamble_and_gap()
    local pps = search.packets_per_second(100, 10e9, 64)
    assert(math.abs(pps - 14880952.38) < 1, pps)
end

function tests.json_is_json()
    local value = { list = { 1, 2.5, true }, text = 'a "b"\n\\', none = 0 / 0, [1.5] = false }
    local expected = '{"1.5":null,"list":[1,2.500000,true],"none":null,"text":"a \\"b\\"\\n\\\\"}'
    assert(search.json(value) == expected, search.json(value))
end

function tests.addresses_are_read_stepped_and_written()
    local first = addresses.parse("2001:db8:1000::1")
    assert(addresses.format(first) == "2001:db8:1000:0:0:0:0:1")
    local last = addresses.step(first, 999999, 64)
    assert(addresses.format(last) == "2001:db8:100f:423f:0:0:0:1", addresses.format(last))
    assert(addresses.format(addresses.parse("::")) == "0:0:0:0:0:0:0:0")
    assert(#addresses.octets(last) == 16)
    for _, bad in ipairs({ "1:2", "1:2:3:4:5:6:7:8:9", "::12345", "g::" }) do
        assert(not pcall(addresses.parse, bad), bad)
    end
end

function tests.ranges_walk_over_every_host()
    local pktgen = stub(100)
    ranges.to_hosts(pktgen, settings, 78)
    local set = pktgen.ranges
    assert(set["dst_ip start"] == "2001:db8:1000::1")
    assert(set["dst_ip inc"] == "0:0:0:1:0:0:0:0", set["dst_ip inc"])
    assert(set["dst_ip max"] == "2001:db8:100f:423f:0:0:0:1")
    assert(set["src_ip inc"] == "::" and set["pkt_size start"] == 78)
    assert(pktgen.ranged[1] == 0 and pktgen.ranged[2] == "on")
end

local function check(octets, place, length)
    local sum = 0
    for at = place, place + length - 1, 2 do
        sum = sum + (at < place + length - 1 and string.unpack(">I2", octets, at) or octets:byte(at) * 256)
    end
    return sum
end

function tests.tunnelled_frames_are_whole()
    for _, case in ipairs({ { 0, 114 }, { 70000, 115 }, { 999999, 1454 } }) do
        local host, length = case[1], case[2]
        local frame = tunnels.frame(settings, host, length)
        assert(#frame == length)
        assert(string.unpack(">I2", frame, 13) == 0x86dd)
        assert(string.unpack(">I2", frame, 19) == length - 54, "outer payload length")
        assert(frame:byte(21) == 41 and frame:byte(61) == 17, "next headers")
        assert(string.unpack(">I2", frame, 59) == length - 94, "inner payload length")
        local sum = check(frame, 63, 32) + check(frame, 95, length - 94) + (length - 94) + 17
        while sum > 0xffff do sum = (sum & 0xffff) + (sum >> 16) end
        assert(sum == 0xffff, "checksum of host " .. host)
    end
    assert(not pcall(tunnels.frame, settings, 0, 90))
end

function tests.a_capture_has_a_packet_of_every_host()
    local few, parts = quick(), {}
    few.hosts = 20
    tunnels.write(few, { write = function(_, ...)
        for _, part in ipairs({ ... }) do parts[#parts + 1] = part end
    end }, 118)
    local capture = table.concat(parts)
    assert(#capture == 24 + 20 * (16 + 114), #capture)
    assert(string.unpack("<I4", capture) == 0xa1b2c3d4)
end

function tests.the_whole_search_runs_on_new_and_old_releases()
    for _, old in ipairs({ false, true }) do
        local pktgen = stub(42, old)
        local results = rfc2544.run(pktgen, quick(), "to-hosts", { 78, 512 })
        assert(#results.results == 2)
        for _, result in ipairs(results.results) do
            assert(math.abs(result.rate_percent - 42) <= 0.1, result.rate_percent)
            assert(result.trials[#result.trials].confirm)
        end
        assert(pktgen.ranges["pkt_size start"] == 512)
        assert(search.json(results):match('^{"direction":"to%-hosts","hosts":1000000,'))
    end
end

function tests.tunnelled_traffic_leaves_by_the_other_port()
    local pktgen = stub(10)
    local results = rfc2544.run(pktgen, quick(), "from-hosts", { 118 })
    assert(pktgen.played[1] == settings.core and pktgen.played[2] == "on")
    assert(not pktgen.ranged, "no ranges")
    assert(math.abs(results.results[1].rate_percent - 10) <= 0.1)
end

local names = {}
for name in pairs(tests) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
    tests[name]()
    print("ok " .. name)
end
