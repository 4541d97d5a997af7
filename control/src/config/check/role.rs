//! The role's own table.

use super::links::links;
use super::{domains, in_range, is_unicast};
use crate::config::address::{overlap, Prefix};
use crate::config::document::{place, Document, Step};
use crate::config::maar::MaarRole;
use crate::config::role::{Dhcpv4Relay, Ipv4Network, Lma, Mag, Pool};
use crate::config::schema::{Config, Interface, InterfaceKind};
use crate::config::{Ipv6Prefix, MIN_TUNNEL_MTU, OUTER_HEADER};
use roles::SignallingProfile;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// The longest finite lifetime that a Binding Update can say, in seconds (units of four).
const MAX_LIFETIME: u32 = (u16::MAX as u32 - 1) * 4;

/// Bits that the prefixes of a pool can differ in.
const MAX_POOL_BITS: u8 = 63;

/// An hour in milliseconds: longer than any timer of the protocol has reason to be.
const HOUR_MS: u32 = 3_600_000;

/// Checks numbers of one table: each a key with its value and what the value may be.
fn ranges<const N: usize>(
    document: &mut Document,
    table: &'static str,
    ranges: [(&'static str, u32, RangeInclusive<u32>); N],
) {
    for (key, value, range) in ranges {
        in_range(document, place![table, key], value, range);
    }
}

/// What roles that carry data have: an address of ours on a core interface, and a tunnel MTU that fits.
fn role(
    document: &mut Document,
    config: &Config,
    role: &'static str,
    address: Ipv6Addr,
    mtu: Option<u16>,
) {
    let owner = config
        .owner(address)
        .and_then(|index| config.interface.get(index));
    match owner {
        Some(interface) if interface.kind == InterfaceKind::Core => {}
        Some(interface) => {
            let text = format!("`{address}` is on access interface `{}`, which hosts see; give one of a core interface", interface.name);
            document.problem(place![role, "address"], text);
        }
        None => {
            let text = format!(
                "`{address}` is no interface's address; add it to `addresses` of a core interface"
            );
            document.problem(place![role, "address"], text);
        }
    }
    if let (Some(mtu), Some(_)) = (mtu, owner) {
        let largest = config.link_mtu(address).saturating_sub(OUTER_HEADER);
        in_range(
            document,
            place![role, "tunnel_mtu"],
            mtu,
            MIN_TUNNEL_MTU..=largest.max(MIN_TUNNEL_MTU),
        );
    }
}

/// The type of an option that nobody has registered: one of those that nobody is likely to, and only where it is
/// understood.
fn confirmation_option(
    document: &mut Document,
    role: &'static str,
    own: Option<u8>,
    profile: SignallingProfile,
) {
    let way = place![role, "confirmation_option"];
    match (own, profile) {
        (None, _) => {}
        (Some(_), SignallingProfile::Rfc) => {
            document.problem(way, "goes with `profile = \"draft\"`, whose option it is");
        }
        (Some(own), SignallingProfile::Draft) => in_range(document, way, own, 250..=253),
    }
}

/// The IPv4 address of a role: of ours, on a core interface.
fn ipv4_address(
    document: &mut Document,
    config: &Config,
    role: &'static str,
    address: Option<Ipv4Addr>,
) {
    let Some(address) = address else {
        return;
    };
    let owner = config.owner(address);
    let owner = owner.and_then(|index| config.interface.get(index));
    if !owner.is_some_and(|interface| interface.kind == InterfaceKind::Core) {
        let text =
            format!("`{address}` is no address of a core interface; add it to `addresses` of one");
        document.problem(place![role, "ipv4_address"], text);
    }
}

pub(super) fn lma(document: &mut Document, config: &Config, lma: &Lma) {
    role(document, config, "lma", lma.address, lma.tunnel_mtu);
    ipv4_address(document, config, "lma", lma.ipv4_address);
    if lma.accept_udp_encapsulation && lma.ipv4_address.is_none() {
        let text = "goes with `ipv4_address`; tunnels over IPv6 have no UDP";
        document.problem(place!["lma", "accept_udp_encapsulation"], text);
    }
    confirmation_option(document, "lma", lma.confirmation_option, lma.profile);
    for (index, interface) in config.interface.iter().enumerate() {
        if interface.kind == InterfaceKind::Access {
            let text = "an LMA has no host on a link of its own; use kind = \"core\"";
            document.problem(place!["interface", index, "kind"], text);
        }
    }
    delegated(
        document,
        &["lma", "delegated_prefixes"],
        &lma.delegated_prefixes,
    );
    for (index, prefix) in lma.delegated_prefixes.iter().enumerate() {
        let mut pools = lma.pools.iter().map(|pool| pool.prefix);
        let pool = pools.find(|pool| !prefix.is_request() && overlap(*pool, *prefix));
        if let Some(pool) = pool {
            let text = format!("{prefix} overlaps pool {pool}, whose prefixes are given to hosts");
            document.problem(place!["lma", "delegated_prefixes", index], text);
        }
    }
    pools(document, config, "lma", &lma.pools);
    let links = links(config).into_iter();
    let links = links.filter(|(at, ..)| config.domain_of(*at).is_none());
    let taken: Vec<Prefix> = links.map(|(_, _, taken)| taken).collect();
    let way = place!["lma", "ipv4_networks"];
    ipv4_networks(document, way, &lma.ipv4_networks, &taken);
    domains::lma(document, config, lma);
    ranges(
        document,
        "lma",
        [
            ("max_lifetime", lma.max_lifetime, 4..=MAX_LIFETIME),
            ("timestamp_window_ms", lma.timestamp_window_ms, 1..=HOUR_MS),
            (
                "min_delay_before_bce_delete_ms",
                lma.min_delay_before_bce_delete_ms,
                0..=HOUR_MS,
            ),
            (
                "max_delay_before_new_bce_assign_ms",
                lma.max_delay_before_new_bce_assign_ms,
                0..=HOUR_MS,
            ),
            ("tunnel_hop_limit", lma.tunnel_hop_limit.into(), 1..=255),
        ],
    );
    lma.revocation.check(document, "lma");
    lma.heartbeat.check(document);
}

/// Pools of a role: prefixes that hosts can have, of which no two are the same and none is on link.
fn pools(document: &mut Document, config: &Config, role: &'static str, pools: &[Pool]) {
    for (index, pool) in pools.iter().enumerate() {
        let way = place![role, "pools", index];
        let earlier = pools.get(..index).unwrap_or_default();
        if pool.prefix.is_request() || !is_unicast(pool.prefix.prefix) {
            document.problem(
                way,
                format!(
                    "{} cannot be given to hosts; use a prefix of yours",
                    pool.prefix
                ),
            );
            continue;
        }
        let longest = pool.prefix.length.saturating_add(MAX_POOL_BITS).min(128);
        if pool.length > longest || pool.length < pool.prefix.length {
            let text = format!(
                "{} cannot be cut into prefixes of length {}; give a `length` from {} to {longest}",
                pool.prefix, pool.length, pool.prefix.length
            );
            document.problem(way, text);
        }
        if let Some(other) = earlier
            .iter()
            .find(|other| overlap(other.prefix, pool.prefix))
        {
            document.problem(
                way,
                format!("{} overlaps pool {}", pool.prefix, other.prefix),
            );
        }
        let links = links(config);
        if let Some((_, _, taken)) = links
            .iter()
            .find(|(_, _, taken)| overlap(*taken, pool.prefix))
        {
            document.problem(
                way,
                format!("{} overlaps {taken}, which is on link here", pool.prefix),
            );
        }
    }
}

/// IPv4 home networks: each of addresses that hosts can have, with a router of it, and no two the same, nor
/// any the same as what is `taken`.
pub(super) fn ipv4_networks(
    document: &mut Document,
    way: &[Step],
    networks: &[Ipv4Network],
    taken: &[Prefix],
) {
    for (index, network) in networks.iter().enumerate() {
        let way = &[way, place![index]].concat();
        let prefix = network.prefix;
        let IpAddr::V4(first) = prefix.prefix else {
            document.problem(
                way,
                format!("{prefix} is no IPv4 prefix; `pools` are for IPv6"),
            );
            continue;
        };
        let usable = first.octets()[0] != 0 && !first.is_multicast() && !first.is_loopback();
        if !usable || !(8..=30).contains(&prefix.length) {
            let text = format!(
                "hosts cannot have addresses of {prefix}; give a unicast prefix of 8 to 30 bits"
            );
            document.problem(way, text);
            continue;
        }
        let made = network.made();
        let [nobodys, everyones, router] = made.reserved();
        if !made.contains(router) || router == nobodys || router == everyones {
            let text = format!("the router {router} is no address of {prefix}; give one of it");
            document.problem(way, text);
        }
        let earlier = networks.iter().take(index);
        let known = earlier.map(|other| other.prefix);
        let mut taken = known.chain(taken.iter().copied());
        if let Some(other) = taken.find(|other| overlap(*other, prefix)) {
            document.problem(way, format!("{prefix} overlaps {other}"));
        }
    }
}

pub(super) fn mag(document: &mut Document, config: &Config, mag: &Mag) {
    role(document, config, "mag", mag.address, mag.tunnel_mtu);
    ipv4_address(document, config, "mag", mag.ipv4_address);
    if mag.udp_encapsulation && mag.ipv4_address.is_none() {
        let text = "goes with `ipv4_address`; tunnels over IPv6 have no UDP";
        document.problem(place!["mag", "udp_encapsulation"], text);
    }
    let access = |it: &Interface| it.kind == InterfaceKind::Access;
    if !config.interface.iter().any(access) {
        document.problem(
            place!["mag"],
            "no interface has kind = \"access\": a MAG needs one for its hosts",
        );
    }
    confirmation_option(document, "mag", mag.confirmation_option, mag.profile);
    no_repeats(document, "mag", "attach_on", &mag.attach_on);
    no_repeats(document, "mag", "learn_from", &mag.learn_from);
    if let Some(dhcp) = &mag.dhcpv6 {
        dhcp_servers(document, config, "mag", &dhcp.servers);
        delegated(document, &["mag", "dhcpv6", "delegates"], &dhcp.delegates);
    }
    if let Some(dhcp) = &mag.dhcpv4 {
        dhcpv4_relay(document, config, dhcp);
    }
    in_range(
        document,
        place!["mag", "refresh_at"],
        mag.refresh_at,
        0.1..=0.95,
    );
    let longest_wait = mag.max_bindack_timeout_ms.clamp(10, HOUR_MS);
    let interval = if mag.ra_interval == 0 {
        0..=0
    } else {
        4..=1_800
    };
    ranges(
        document,
        "mag",
        [
            ("lifetime", mag.lifetime, 4..=MAX_LIFETIME),
            (
                "initial_bindack_timeout_ms",
                mag.initial_bindack_timeout_ms,
                10..=longest_wait,
            ),
            (
                "max_bindack_timeout_ms",
                mag.max_bindack_timeout_ms,
                10..=HOUR_MS,
            ),
            ("ra_interval", mag.ra_interval, interval),
            (
                "router_lifetime",
                mag.router_lifetime.into(),
                mag.ra_interval.clamp(1, 1_800)..=9_000,
            ),
            ("reachable_time", mag.reachable_time, 0..=86_400),
            ("retrans_timer_ms", mag.retrans_timer_ms, 10..=HOUR_MS),
            (
                "max_unicast_solicit",
                mag.max_unicast_solicit.into(),
                1..=100,
            ),
            ("access_technology", mag.access_technology.into(), 1..=255),
            ("dhcpv4_lease", mag.dhcpv4_lease, 10..=31_536_000),
            ("tunnel_hop_limit", mag.tunnel_hop_limit.into(), 1..=255),
        ],
    );
    mag.revocation.check(document, "mag");
    mag.heartbeat.check(document);
}

pub(super) fn maar(document: &mut Document, config: &Config, maar: &MaarRole) {
    role(document, config, "maar", maar.address, maar.tunnel_mtu);
    let access = |it: &Interface| it.kind == InterfaceKind::Access;
    if !config.interface.iter().any(access) {
        document.problem(
            place!["maar"],
            "no interface has kind = \"access\": a MAAR needs one for its hosts",
        );
    }
    pools(document, config, "maar", &maar.pools);
    no_repeats(document, "maar", "attach_on", &maar.attach_on);
    if let Some(dhcp) = &maar.dhcpv6 {
        dhcp_servers(document, config, "maar", &dhcp.servers);
    }
    maar.check(document);
}

/// A list of a role that names things, each once.
fn no_repeats<T: PartialEq>(
    document: &mut Document,
    role: &'static str,
    key: &'static str,
    list: &[T],
) {
    for (index, one) in list.iter().enumerate() {
        if list.iter().take(index).any(|earlier| earlier == one) {
            document.problem(place![role, key, index], "stands here twice");
        }
    }
}

/// The shortest prefix that a host makes links of: what is delegated is as long at most.
const LINK: u8 = 64;

/// Prefixes that servers delegate from: hosts' to be, and none twice.
fn delegated(document: &mut Document, keys: &[&'static str], prefixes: &[Ipv6Prefix]) {
    for (index, prefix) in prefixes.iter().enumerate() {
        let keys = keys.iter().map(|key| Step::from(*key));
        let way: Vec<Step> = keys.chain([Step::from(index)]).collect();
        let earlier = prefixes.get(..index).unwrap_or_default();
        if prefix.is_request() || !is_unicast(prefix.prefix) || prefix.length > LINK {
            let text = format!(
                "{prefix} cannot be delegated from; use a prefix of yours, of {LINK} bits at most"
            );
            document.problem(&way, text);
        } else if let Some(other) = earlier.iter().find(|other| overlap(**other, *prefix)) {
            document.problem(&way, format!("{prefix} overlaps {other}"));
        }
    }
}

/// The most DHCP servers of one family: each message of a host goes to every one of them.
const MOST_SERVERS: usize = 8;

fn dhcp_servers(
    document: &mut Document,
    config: &Config,
    role: &'static str,
    servers: &[Ipv6Addr],
) {
    if servers.is_empty() || servers.len() > MOST_SERVERS {
        let text = format!("name 1 to {MOST_SERVERS} servers, or leave [{role}.dhcpv6] out");
        document.problem(place![role, "dhcpv6", "servers"], text);
    }
    for (index, server) in servers.iter().enumerate() {
        let way = place![role, "dhcpv6", "servers", index];
        if !is_unicast(*server) || server.is_unicast_link_local() {
            let text = format!("`{server}` cannot be relayed to; give a server's global address");
            document.problem(way, text);
        } else if config.owner(*server).is_some() {
            let text = format!("`{server}` is our own address; give the server's");
            document.problem(way, text);
        } else if servers.iter().take(index).any(|earlier| earlier == server) {
            document.problem(way, "stands here twice");
        }
    }
}

/// The DHCPv4 relay agent: an address of ours that servers can answer to, and servers.
fn dhcpv4_relay(document: &mut Document, config: &Config, relay: &Dhcpv4Relay) {
    let owner = config.owner(relay.address);
    let owner = owner.and_then(|index| config.interface.get(index));
    if !owner.is_some_and(|interface| interface.kind == InterfaceKind::Core) {
        let text = format!(
            "`{}` is no address of a core interface; servers answer there",
            relay.address
        );
        document.problem(place!["mag", "dhcpv4", "address"], text);
    }
    let way = place!["mag", "dhcpv4"];
    dhcpv4_servers(document, config, way, &relay.servers);
    for (index, domain) in relay.domain.iter().enumerate() {
        let way = place!["mag", "dhcpv4", "domain", index];
        dhcpv4_servers(document, config, way, &domain.servers);
        let name = place!["mag", "dhcpv4", "domain", index, "name"];
        let mut interfaces = config.interface.iter();
        if !interfaces.any(|it| it.domain == Some(domain.name)) {
            let text = format!("no access interface has domain = \"{}\"", domain.name);
            document.problem(name, text);
        }
        let mut earlier = relay.domain.iter().take(index);
        if earlier.any(|it| it.name == domain.name) {
            let text = format!("there are servers of domain `{}` already", domain.name);
            document.problem(name, text);
        }
    }
}

/// The DHCPv4 servers of a network: some, and none of them twice.
fn dhcpv4_servers(document: &mut Document, config: &Config, table: &[Step], servers: &[Ipv4Addr]) {
    let at = |step: &[Step]| [table, step].concat();
    if servers.is_empty() || servers.len() > MOST_SERVERS {
        let text = format!("name 1 to {MOST_SERVERS} servers, or leave this table out");
        document.problem(&at(place!["servers"]), text);
    }
    for (index, server) in servers.iter().enumerate() {
        let way = &at(place!["servers", index]);
        if !is_unicast(*server) || server.is_link_local() {
            let text = format!("`{server}` cannot be relayed to; give a server's address");
            document.problem(way, text);
        } else if config.owner(*server).is_some() {
            let text = format!("`{server}` is our own address; give the server's");
            document.problem(way, text);
        } else if servers.iter().take(index).any(|earlier| earlier == server) {
            document.problem(way, "stands here twice");
        }
    }
}
