-- Tunnelled traffic from a million hosts. Pktgen cannot put one IPv6 packet into another, but it plays
-- a capture, so this writes one:
--
--   lua5.4 tunnels.lua tunnels.pcap [FRAME]
--   pktgen -l 0-2 -- -m "1.0,2.1" -s 1:tunnels.pcap -f rfc2544.lua
--
-- FRAME is the length of a frame with its check sequence, 118 by default. A capture of a million packets
-- takes 134 MB, and Pktgen loads it into packet buffers: give it --socket-mem accordingly, or fewer hosts.

local addresses = require("addresses")

local tunnels = {}

-- Octets of Ethernet, outer and inner IPv6 header and UDP, without check sequence.
local HEADERS = 14 + 40 + 40 + 8
local LINK_ETHERNET = 1

local function mac(text)
    return (text:gsub("(%x%x):?", function(octet)
        return string.char(tonumber(octet, 16))
    end))
end

-- A checksum field over 16-bit words.
local function checksum(octets)
    if #octets % 2 == 1 then
        octets = octets .. "\0"
    end
    local sum = 0
    for place = 1, #octets, 2 do
        sum = sum + string.unpack(">I2", octets, place)
    end
    while sum > 0xffff do
        sum = (sum & 0xffff) + (sum >> 16)
    end
    local check = ~sum & 0xffff
    return check == 0 and 0xffff or check
end

-- The frame of host number `host`, counted from 0, without check sequence.
function tunnels.frame(settings, host, length)
    local payload = length - HEADERS
    assert(payload >= 0, "a tunnelled frame has at least " .. HEADERS + 4 .. " octets")
    local first = addresses.parse(settings.first_host)
    local source = addresses.octets(addresses.step(first, host, settings.prefix_length))
    local destination = addresses.octets(addresses.parse(settings.correspondent))
    local udp = 8 + payload
    local ports = string.pack(">I2I2I2", 49152 + host % 16384, 10000, udp)
    local data = string.rep("\0", payload)
    local pseudo = source .. destination .. string.pack(">I4I4", udp, 17)
    local check = checksum(pseudo .. ports .. "\0\0" .. data)
    local inner = string.pack(">I4I2BB", 0x60000000, udp, 17, 64) .. source .. destination
    -- The flow label spreads hosts over queues (RFC 6438).
    local label = (host * 2654435761 >> 12) & 0xfffff
    local outer = string.pack(">I4I2BB", 0x60000000 | label, 40 + udp, 41, 64)
        .. addresses.octets(addresses.parse(settings.access_gateway))
        .. addresses.octets(addresses.parse(settings.anchor))
    return mac(settings.gateway_core_mac) .. mac("02:00:00:00:00:a9") .. "\x86\xdd"
        .. outer .. inner .. ports .. string.pack(">I2", check) .. data
end

-- Writes a capture of one packet of each host. `out` has a method write.
function tunnels.write(settings, out, frame)
    local length = frame - 4
    out:write(string.pack("<I4I2I2i4I4I4I4", 0xa1b2c3d4, 2, 4, 0, 0, 65535, LINK_ETHERNET))
    for host = 0, settings.hosts - 1 do
        local octets = tunnels.frame(settings, host, length)
        out:write(string.pack("<I4I4I4I4", 0, 0, #octets, #octets), octets)
    end
end

-- Run as a program, and not loaded as a module: the first word is then no module's name.
if arg and arg[0] and arg[0]:match("tunnels%.lua$") and arg[1] then
    local settings = dofile(os.getenv("ANCHOR_SETTINGS") or "settings.lua")
    local out = assert(io.open(arg[1], "wb"))
    tunnels.write(settings, out, tonumber(arg[2] or 118))
    out:close()
end

return tunnels
