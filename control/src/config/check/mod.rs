//! What types cannot say: names that must exist, values that must agree, ranges.

mod domains;
mod links;
mod queues;
mod role;

use super::document::{place, Document, Step};
use super::schema::{Config, Handoff, Idle};
use super::Machine;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use wire::ipv4::address::never_a_source;

/// Longest path of a Unix socket that the kernel takes, in octets.
const MAX_SOCKET_PATH: usize = 107;

/// Entries that a table may have.
const TABLE_SIZES: RangeInclusive<usize> = 1..=16 << 20;

/// Adjacencies that there may be: a host behind every binding, and as many neighbours as are ever kept.
const ADJACENCIES: RangeInclusive<usize> = 1..=(16 << 20) + 65_536;

/// Notes in `document` all that is wrong with `config`.
pub(super) fn check(document: &mut Document, config: &Config, machine: &Machine) {
    gateway(document, config);
    workers(document, config, machine);
    tables(document, config);
    links::ports(document, config);
    links::interfaces(document, config);
    links::on_link_prefixes(document, config);
    domains::interfaces(document, config);
    for (index, route) in config.route.iter().enumerate() {
        links::route(document, config, index, route);
    }
    if let Some(source) = &config.error_source {
        if !is_unicast(source.address) || source.address.is_unicast_link_local() {
            let text = format!(
                "`{}` cannot be seen by a correspondent; give a global address",
                source.address
            );
            document.problem(place!["error_source", "address"], text);
        }
        if let Some(ipv4) = source.ipv4 {
            if !is_unicast(ipv4) || ipv4.is_link_local() {
                let text =
                    format!("`{ipv4}` cannot be seen by a correspondent; give a global address");
                document.problem(place!["error_source", "ipv4"], text);
            }
        }
    }
    let roles = [
        ("lma", config.lma.is_some()),
        ("mag", config.mag.is_some()),
        ("maar", config.maar.is_some()),
        ("cmd", config.cmd.is_some()),
    ];
    let mut given = roles.iter().filter(|(_, given)| *given);
    match (given.next(), given.next()) {
        (None, _) => {
            let text = "no role; add a table [lma], [mag], [maar] or [cmd]";
            return document.problem(place![], text);
        }
        (Some((first, _)), Some((second, _))) => {
            let text = format!(
                "a gateway has one role; keep [{first}] or [{second}] and remove the other"
            );
            return document.problem(place![*second], text);
        }
        (Some(_), None) => {}
    }
    if let Some(it) = &config.lma {
        role::lma(document, config, it);
    }
    if let Some(it) = &config.mag {
        role::mag(document, config, it);
    }
    if let Some(it) = &config.maar {
        role::maar(document, config, it);
    }
    if let Some(it) = &config.cmd {
        it.check(document, config);
    }
}

/// Whether a node can have the address.
pub(super) fn is_unicast(address: impl Into<IpAddr>) -> bool {
    match address.into() {
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_loopback() || v6.is_multicast()),
        IpAddr::V4(v4) => !never_a_source(v4),
    }
}

pub(super) fn in_range<T: PartialOrd + std::fmt::Display>(
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
    if workers.cores.is_empty() && config.cmd.is_none() {
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
        } else if !machine.cores.is_empty() && !machine.cores.contains(core) {
            let cores: Vec<String> = machine.cores.iter().map(usize::to_string).collect();
            let text = format!(
                "core {core} is not available; this process may use {}",
                cores.join(", ")
            );
            document.problem(way, text);
        }
    }
    queues::queues(document, config);
    let [shortest, longest] = workers.idle_sleep_us;
    if matches!(workers.idle, Idle::Sleep | Idle::Monitor)
        && (shortest == 0 || shortest > longest || longest > 1_000_000)
    {
        document.problem(
            place!["workers", "idle_sleep_us"],
            "give [shortest, longest] in microseconds, from 1 to 1000000, the shorter one first",
        );
    }
    let handed = workers.handoff != Handoff::Never && workers.cores.len() > 1;
    if workers.idle == Idle::Monitor && handed {
        document.problem(
            place!["workers", "idle"],
            "a processor cannot watch what other workers hand over; give \"pause\" or \"sleep\", \
             or set handoff = \"never\"",
        );
    }
    in_range(
        document,
        place!["workers", "stall_after"],
        workers.stall_after,
        1..=3_600,
    );
    in_range(
        document,
        place!["workers", "icmp_rate"],
        workers.icmp_rate,
        0..=10_000_000,
    );
    let rates = [
        ("punt_rate", workers.punt_rate),
        ("punt_source_rate", workers.punt_source_rate),
        ("peer_rate", workers.peer_rate),
    ];
    for (key, rate) in rates {
        in_range(document, place!["workers", key], rate, 1..=10_000_000);
    }
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
        tables.adjacencies(),
        ADJACENCIES,
    );
}
