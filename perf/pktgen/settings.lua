-- What is measured. Every script here reads this file; a copy of it named by the environment variable
-- ANCHOR_SETTINGS takes its place.

local settings = {
    -- Ports of Pktgen: on the correspondents' side and on the access gateways' side.
    outside = 0,
    core = 1,
    -- Link-layer addresses of the gateway on those two links.
    gateway_outside_mac = "02:00:00:00:00:01",
    gateway_core_mac = "02:00:00:00:00:02",

    -- Hosts: home network prefixes one after the other, all of them registered at the gateway.
    hosts = 1000000,
    first_host = "2001:db8:1000::1",
    prefix_length = 64,
    -- A correspondent, the anchor and an access gateway.
    correspondent = "2001:db8:100::10",
    anchor = "2001:db8:c::1",
    access_gateway = "2001:db8:c::11",

    -- RFC 2544: frame sizes with their check sequence, time of a trial and of the last one, in
    -- milliseconds, share of packets that may be lost, and how fine the rate is searched, in percent
    -- of the line rate. Pktgen sends IPv6 from 78 octets on.
    frames = { 78, 128, 256, 512, 1024, 1280, 1458 },
    trial_ms = 10000,
    confirm_ms = 60000,
    settle_ms = 1000,
    loss = 0.0,
    resolution = 0.1,
    -- Line rate in bits per second, for packets per second in the results.
    line_rate = 10e9,

    results = "rfc2544.json",
}

return settings
