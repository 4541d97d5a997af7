-- Plain traffic to a million hosts: Pktgen's range mode walks over their addresses.

local addresses = require("addresses")

local ranges = {}

-- Sets the four values of a range.
local function range(set, port, start, inc, min, max)
    set(port, "start", start)
    set(port, "inc", inc)
    set(port, "min", min)
    set(port, "max", max)
end

-- Makes port settings.outside send from the correspondent to every host in turn, `frame` octets each
-- with their check sequence.
function ranges.to_hosts(pktgen, settings, frame)
    local port = tostring(settings.outside)
    local first = addresses.parse(settings.first_host)
    local last = addresses.step(first, settings.hosts - 1, settings.prefix_length)
    local zero = addresses.parse("::")
    local one = addresses.step(zero, 1, settings.prefix_length)
    local r = pktgen.range
    r.set_type(port, "ipv6")
    r.ip_proto(port, "udp")
    range(r.dst_mac, port, settings.gateway_outside_mac, "00:00:00:00:00:00",
        settings.gateway_outside_mac, settings.gateway_outside_mac)
    range(r.src_ip, port, settings.correspondent, "::", settings.correspondent, settings.correspondent)
    range(r.dst_ip, port, settings.first_host, addresses.format(one), settings.first_host,
        addresses.format(last))
    range(r.src_port, port, 49152, 1, 49152, 65535)
    range(r.dst_port, port, 10000, 0, 10000, 10000)
    range(r.hop_limits, port, 64, 0, 64, 64)
    range(r.pkt_size, port, frame, 0, frame, frame)
    pktgen.set_range(port, "on")
end

return ranges
