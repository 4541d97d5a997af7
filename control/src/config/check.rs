//! What types cannot say: names that must exist, values that must agree, ranges.

use super::address::{overlap, Ipv6Prefix};
use super::document::{advise, place, Document, Step};
use super::schema::{Config, Idle, Interface, InterfaceKind, Lma, Mag, Route};
use super::{Machine, MIN_MTU, OUTER_HEADER};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

/// Longest path of a Unix socket that the kernel takes, in octets.
const MAX_SOCKET_PATH: usize = 107;

/// Longest name that Linux gives an interface, in octets.
const MAX_TWIN_NAME: usize = 15;

/// The longest finite lifetime that a Binding Update can say, in seconds (units of four).
const MAX_LIFETIME: u32 = (u16::MAX as u32 - 1) * 4;

/// Entries that a table may have.
const TABLE_SIZES: RangeInclusive<usize> = 1..=16 << 20;

/// The largest MTU of a port in octets: that of common jumbo frames.
const MAX_MTU: u16 = 9_600;

/// Notes in `document` all that is wrong with `config`.
pub(super) fn check(document: &mut Document, config: &Config, machine: &Machine) {
    gateway(document, config);
    workers(document, config, machine);
    tables(document, config);
    ports(document, config);
    interfaces(document, config);
    on_link_prefixes(document, config);
    for (index, route) in config.route.iter().enumerate() {
        check_route(document, config, index, route);
    }
    if let Some(source) = &config.error_source {
        if !is_unicast(source.address) || source.address.is_unicast_link_local() {
            let text = format!(
                "`{}` cannot be seen by a correspondent; give a global address",
                source.address
            );
            document.problem(place!["error_source", "address"], text);
        }
    }
    match (&config.lma, &config.mag) {
        (Some(it), None) => lma(document, config, it),
        (None, Some(it)) => mag(document, config, it),
        (Some(_), Some(_)) => document.problem(
            place!["mag"],
            "a gateway has one role; keep [lma] or [mag] and remove the other",
        ),
        (None, None) => document.problem(place![], "no role; add a table [lma] or [mag]"),
    }
}

/// Whether a node can have the address.
const fn is_unicast(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    document: &mut Document,
    way: &[Step],
    value: T,
    range: RangeInclusive<T>,
) {
    if !range.contains(&value) {
        let text = format!(
            "{value} is out of range; give {} to {}",
            range.start(),
            range.end()
        );
        document.problem(way, text);
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

fn name(document: &mut Document, way: &[Step], text: &str) {
    if !is_name(text) {
        let text = format!("`{text}` is no name; use letters, digits, `-`, `_` and `.`");
        document.problem(way, text);
    }
}

fn gateway(document: &mut Document, config: &Config) {
    let gateway = &config.gateway;
    name(document, place!["gateway", "name"], &gateway.name);
    if gateway.socket.as_os_str().len() > MAX_SOCKET_PATH {
        let text = format!(
            "the path of a socket has at most {MAX_SOCKET_PATH} octets; choose a shorter one"
        );
        document.problem(place!["gateway", "socket"], text);
    }
    if gateway.log.trim().is_empty() {
        document.problem(
            place!["gateway", "log"],
            "empty; give error, warn, info, debug or trace",
        );
    }
    in_range(
        document,
        place!["eal", "memory"],
        config.eal.memory,
        64..=1 << 20,
    );
}

fn workers(document: &mut Document, config: &Config, machine: &Machine) {
    let workers = &config.workers;
    if workers.cores.is_empty() {
        document.problem(
            place!["workers", "cores"],
            "no core, no worker; name at least one core",
        );
    }
    for (index, core) in workers.cores.iter().enumerate() {
        let way = place!["workers", "cores", index];
        if workers
            .cores
            .iter()
            .take(index)
            .any(|earlier| earlier == core)
        {
            document.problem(
                way,
                format!("core {core} stands here twice; a core has one worker"),
            );
        } else if !machine.cores.contains(core) {
            let cores: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
            let text = format!(
                "core {core} is not available; this process may use {}",
                cores.join(", ")
            );
            document.problem(way, text);
        }
    }
    let [shortest, longest] = workers.idle_sleep_us;
    if workers.idle == Idle::Sleep && (shortest == 0 || shortest > longest || longest > 1_000_000) {
        document.problem(
            place!["workers", "idle_sleep_us"],
            "give [shortest, longest] in microseconds, from 1 to 1000000, the shorter one first",
        );
    }
    in_range(
        document,
        place!["workers", "icmp_rate"],
        workers.icmp_rate,
        0..=10_000_000,
    );
    in_range(
        document,
        place!["workers", "punt_rate"],
        workers.punt_rate,
        1..=10_000_000,
    );
}

fn tables(document: &mut Document, config: &Config) {
    let tables = &config.tables;
    in_range(
        document,
        place!["tables", "bindings"],
        tables.bindings,
        TABLE_SIZES,
    );
    in_range(
        document,
        place!["tables", "tunnels"],
        tables.tunnels,
        TABLE_SIZES,
    );
    in_range(
        document,
        place!["tables", "adjacencies"],
        tables.adjacencies,
        TABLE_SIZES,
    );
}

fn ports(document: &mut Document, config: &Config) {
    if config.port.is_empty() {
        document.problem(place![], "no port; add at least one [[port]]");
    }
    for (index, port) in config.port.iter().enumerate() {
        let earlier = config.port.get(..index).unwrap_or_default();
        name(document, place!["port", index, "name"], &port.name);
        if earlier.iter().any(|other| other.name == port.name) {
            let text = format!("there is a port `{}` already; names are unique", port.name);
            document.problem(place!["port", index, "name"], text);
        }
        if port.device.is_empty() || port.device.contains(char::is_whitespace) {
            document.problem(
                place!["port", index, "device"],
                "not DPDK devargs; give a PCI address or a virtual device such as net_af_packet0,iface=eth1",
            );
        }
        let device = |devargs: &str| devargs.split(',').next().map(str::to_owned);
        if earlier
            .iter()
            .any(|other| device(&other.device) == device(&port.device))
        {
            let text = format!(
                "`{}` is another port's device already; number virtual devices apart",
                port.device
            );
            document.problem(place!["port", index, "device"], text);
        }
        in_range(
            document,
            place!["port", index, "mtu"],
            port.mtu,
            MIN_MTU..=MAX_MTU,
        );
        if let Some(twin) = &port.twin {
            let way = place!["port", index, "twin"];
            if !is_name(twin) || twin.len() > MAX_TWIN_NAME {
                let text = format!("`{twin}` cannot name a network interface; use up to {MAX_TWIN_NAME} letters and digits");
                document.problem(way, text);
            } else if earlier
                .iter()
                .any(|other| other.twin.as_ref() == Some(twin))
            {
                document.problem(way, format!("`{twin}` is the twin of another port already"));
            }
        }
    }
}

fn interfaces(document: &mut Document, config: &Config) {
    if config.interface.is_empty() {
        document.problem(place![], "no interface; add at least one [[interface]]");
    }
    for (index, interface) in config.interface.iter().enumerate() {
        let earlier = config.interface.get(..index).unwrap_or_default();
        name(
            document,
            place!["interface", index, "name"],
            &interface.name,
        );
        if earlier.iter().any(|other| other.name == interface.name) {
            let text = format!(
                "there is an interface `{}` already; names are unique",
                interface.name
            );
            document.problem(place!["interface", index, "name"], text);
        }
        if config.port(&interface.port).is_none() {
            let known = config.port.iter().map(|port| port.name.as_str());
            let advice = advise(&interface.port, known, "the ports are");
            let text = format!("there is no port `{}`{advice}", interface.port);
            document.problem(place!["interface", index, "port"], text);
        }
        if let Some(vlan) = interface.vlan {
            in_range(document, place!["interface", index, "vlan"], vlan, 1..=4094);
        }
        let same_link =
            |other: &Interface| other.port == interface.port && other.vlan == interface.vlan;
        if let Some(other) = earlier.iter().find(|other| same_link(other)) {
            let text = format!(
                "interface `{}` has this port and VLAN already; give one of them another `vlan`",
                other.name
            );
            document.problem(place!["interface", index, "port"], text);
        }
        for (which, own) in interface.addresses.iter().enumerate() {
            let way = place!["interface", index, "addresses", which];
            if !is_unicast(own.address) {
                document.problem(way, format!("`{}` is not a unicast address", own.address));
            }
        }
        match interface.kind {
            InterfaceKind::Core => core_interface(document, index, interface),
            InterfaceKind::Access => access_interface(document, index, interface),
        }
    }
}

fn core_interface(document: &mut Document, index: usize, interface: &Interface) {
    if interface.addresses.is_empty() {
        let text = "a core interface needs at least one of `addresses`, such as \"2001:db8::1/64\"";
        document.problem(place!["interface", index, "addresses"], text);
    }
    for (key, present) in [
        ("router", interface.router.is_some()),
        ("mac", interface.mac.is_some()),
    ] {
        if present {
            let text = format!(
                "`{key}` is what hosts see: it belongs on an interface with kind = \"access\""
            );
            document.problem(place!["interface", index, key], text);
        }
    }
}

fn access_interface(document: &mut Document, index: usize, interface: &Interface) {
    match interface.router {
        Some(router) if router.is_unicast_link_local() => {}
        Some(router) => {
            let text = format!("`{router}` is not a link-local address; give one such as fe80::1");
            document.problem(place!["interface", index, "router"], text);
        }
        None => document.problem(
            place!["interface", index],
            "an access interface needs `router`, the link-local address that every MAG of the domain shows",
        ),
    }
    match interface.mac {
        Some(mac) if mac.is_group() || mac.0 == [0; 6] => {
            let text = format!("`{mac}` cannot be a gateway's own; give a unicast link-layer address");
            document.problem(place!["interface", index, "mac"], text);
        }
        Some(_) => {}
        None => document.problem(
            place!["interface", index],
            "an access interface needs `mac`, the link-layer address that every MAG of the domain shows",
        ),
    }
}

/// Our on-link prefixes, each with its place.
fn links(config: &Config) -> Vec<(usize, usize, Ipv6Prefix)> {
    let mut links = Vec::new();
    for (index, interface) in config.interface.iter().enumerate() {
        for (which, own) in interface.addresses.iter().enumerate() {
            links.push((index, which, own.on_link()));
        }
    }
    links
}

/// Every link-local prefix is its interface's own; of the others no two interfaces share any.
fn on_link_prefixes(document: &mut Document, config: &Config) {
    let links = links(config);
    for (nth, (index, which, prefix)) in links.iter().enumerate() {
        let clash = links.iter().take(nth).find(|(other, _, taken)| {
            other != index && !prefix.prefix.is_unicast_link_local() && overlap(*prefix, *taken)
        });
        if let Some((other, _, taken)) = clash {
            let other = config
                .interface
                .get(*other)
                .map_or("", |it| it.name.as_str());
            let text = format!("{prefix} overlaps {taken} of interface `{other}`; links need prefixes of their own");
            document.problem(place!["interface", *index, "addresses", *which], text);
        }
    }
}

fn check_route(document: &mut Document, config: &Config, index: usize, route: &Route) {
    let earlier = config.route.get(..index).unwrap_or_default();
    if earlier.iter().any(|other| other.prefix == route.prefix) {
        let text = format!("there is a route to {} already", route.prefix);
        document.problem(place!["route", index, "prefix"], text);
    }
    let ways = [route.via.is_some(), route.unreachable, route.blackhole];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        document.problem(
            place!["route", index],
            "a route needs one of `via = ADDRESS`, `unreachable = true` and `blackhole = true`",
        );
    }
    let named = route.interface.as_ref().map(|name| {
        let index = config.interface.iter().position(|it| it.name == *name);
        (name, index)
    });
    if let Some((name, None)) = named {
        let known = config.interface.iter().map(|it| it.name.as_str());
        let advice = advise(name, known, "the interfaces are");
        let text = format!("there is no interface `{name}`{advice}");
        document.problem(place!["route", index, "interface"], text);
        return;
    }
    let Some(via) = route.via else {
        if named.is_some() {
            let text = "`interface` goes with `via`; remove it";
            document.problem(place!["route", index, "interface"], text);
        }
        return;
    };
    let way = place!["route", index, "via"];
    if !is_unicast(via) {
        document.problem(way, format!("`{via}` is not the address of a router"));
    } else if config.owner(via).is_some() {
        document.problem(
            way,
            format!("`{via}` is our own address; give the next router's"),
        );
    } else if via.is_unicast_link_local() {
        if named.is_none() {
            document.problem(
                way,
                format!("`{via}` is link-local; add `interface = NAME`"),
            );
        }
    } else {
        let link = config.on_link(via);
        let on_named = named.is_none_or(|(_, index)| link == index);
        if link.is_none() || !on_named {
            let text = format!("`{via}` is not on link; give a router in a prefix of `addresses` of the interface towards it");
            document.problem(way, text);
        }
    }
}

/// What both roles have: an address of ours on a core interface, and a tunnel MTU that fits.
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
            MIN_MTU..=largest.max(MIN_MTU),
        );
    }
}

fn lma(document: &mut Document, config: &Config, lma: &Lma) {
    role(document, config, "lma", lma.address, lma.tunnel_mtu);
    for (index, interface) in config.interface.iter().enumerate() {
        if interface.kind == InterfaceKind::Access {
            let text = "an LMA has no host on a link of its own; use kind = \"core\"";
            document.problem(place!["interface", index, "kind"], text);
        }
    }
    for (index, pool) in lma.pools.iter().enumerate() {
        let way = place!["lma", "pools", index];
        let earlier = lma.pools.get(..index).unwrap_or_default();
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
        if pool.length > 128 || pool.length < pool.prefix.length {
            let text = format!(
                "a /{} does not fit into {}; give a `length` from {} to 128",
                pool.length, pool.prefix, pool.prefix.length
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
    in_range(
        document,
        place!["lma", "max_lifetime"],
        lma.max_lifetime,
        4..=MAX_LIFETIME,
    );
    in_range(
        document,
        place!["lma", "timestamp_window_ms"],
        lma.timestamp_window_ms,
        1..=3_600_000,
    );
    in_range(
        document,
        place!["lma", "min_delay_before_bce_delete_ms"],
        lma.min_delay_before_bce_delete_ms,
        0..=3_600_000,
    );
    in_range(
        document,
        place!["lma", "tunnel_hop_limit"],
        lma.tunnel_hop_limit,
        1..=255,
    );
}

fn mag(document: &mut Document, config: &Config, mag: &Mag) {
    role(document, config, "mag", mag.address, mag.tunnel_mtu);
    let access = |it: &Interface| it.kind == InterfaceKind::Access;
    if !config.interface.iter().any(access) {
        document.problem(
            place!["mag"],
            "no interface has kind = \"access\": a MAG needs one for its hosts",
        );
    }
    in_range(
        document,
        place!["mag", "lifetime"],
        mag.lifetime,
        4..=MAX_LIFETIME,
    );
    in_range(
        document,
        place!["mag", "refresh_at"],
        mag.refresh_at,
        0.1..=0.95,
    );
    for (index, sign) in mag.attach_on.iter().enumerate() {
        if mag
            .attach_on
            .iter()
            .take(index)
            .any(|earlier| earlier == sign)
        {
            document.problem(place!["mag", "attach_on", index], "stands here twice");
        }
    }
    let longest = mag.max_bindack_timeout_ms;
    in_range(
        document,
        place!["mag", "max_bindack_timeout_ms"],
        longest,
        10..=3_600_000,
    );
    let longest = longest.max(10);
    in_range(
        document,
        place!["mag", "initial_bindack_timeout_ms"],
        mag.initial_bindack_timeout_ms,
        10..=longest,
    );
    let first = mag.initial_bindack_timeout_first_ms;
    in_range(
        document,
        place!["mag", "initial_bindack_timeout_first_ms"],
        first,
        10..=longest,
    );
    in_range(
        document,
        place!["mag", "ra_interval"],
        mag.ra_interval,
        3..=1_800,
    );
    in_range(
        document,
        place!["mag", "router_lifetime"],
        mag.router_lifetime,
        1..=9_000,
    );
    in_range(
        document,
        place!["mag", "retrans_timer_ms"],
        mag.retrans_timer_ms,
        10..=3_600_000,
    );
    in_range(
        document,
        place!["mag", "max_unicast_solicit"],
        mag.max_unicast_solicit,
        1..=100,
    );
    in_range(
        document,
        place!["mag", "tunnel_hop_limit"],
        mag.tunnel_hop_limit,
        1..=255,
    );
}
