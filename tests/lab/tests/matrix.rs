//! Hosts of every kind side by side: each way of getting an address, with IPv4, IPv6 or both, that no other test
//! moves a session of.
//!
//! | address by | IPv6 alone | both | IPv4 alone |
//! |---|---|---|---|
//! | advertisement | `story` | `ipv4_hosts` | |
//! | DHCP | `dhcp` | here | `ipv4_hosts` |
//! | hand | `attach` | here | here |

use anyhow::{ensure, Context, Result};
use lab::dhcp::{self, Server};
use lab::dhcpv4;
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::{Host, INTERFACE};
use lab::topology::{Plan, Topology};
use lab::transfer::Transfer;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant};
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);

/// A host: what it is called, its link-layer address, its prefix and its IPv4 home address by policy, and whether
/// it gets them by DHCP.
struct Kind {
    name: &'static str,
    mac: &'static str,
    prefix: Option<&'static str>,
    ipv4: &'static str,
    leased: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "leased",
        mac: "02:00:00:00:0a:01",
        prefix: Some("2001:db8:2000:1::"),
        ipv4: "10.1.0.71",
        leased: true,
    },
    Kind {
        name: "manual",
        mac: "02:00:00:00:0a:02",
        prefix: Some("2001:db8:2000:2::"),
        ipv4: "10.1.0.72",
        leased: false,
    },
    Kind {
        name: "static",
        mac: "02:00:00:00:0a:03",
        prefix: None,
        ipv4: "10.1.0.73",
        leased: false,
    },
];

/// The default router of hosts with IPv4.
const ROUTER: &str = "10.1.0.1";

/// Where the correspondent talks with the nth host, in either family.
fn peers(nth: usize) -> (Ipv6Addr, Ipv4Addr) {
    let nth = u8::try_from(nth).unwrap_or_default();
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x20 + u16::from(nth));
    (v6, Ipv4Addr::new(198, 51, 100, 20 + nth))
}

fn adjust(name: &str, configuration: &mut Configuration) {
    for kind in &KINDS {
        let identifier = format!("{}@example.net", kind.name);
        let mut host = Table::from_iter([("identifier".into(), identifier.into())]);
        host.insert("ipv6".into(), kind.prefix.is_some().into());
        if name == "lma" {
            host.insert("ipv4_home_address".into(), kind.ipv4.into());
            let prefixes = kind.prefix.map(|it| format!("{it}/64"));
            let prefixes: Vec<String> = prefixes.into_iter().collect();
            host.insert("home_network_prefixes".into(), prefixes.into());
        } else {
            host.insert("mac".into(), kind.mac.into());
            host.insert("lma".into(), "2001:db8:c::1".into());
            host.insert("ipv4".into(), true.into());
            host.insert("managed".into(), kind.leased.into());
        }
        configuration.add_host(host);
    }
    if name == "lma" {
        configuration.add_address("internet", "198.51.100.1/24");
        let network = Table::from_iter([("prefix".into(), "10.1.0.0/16".into())]);
        return configuration.set("lma", "ipv4_networks", vec![toml::Value::Table(network)]);
    }
    configuration.add_address("access", "169.254.0.1/32");
    let servers = vec![dhcp::SERVER.to_string()];
    let relay = Table::from_iter([("servers".into(), servers.into())]);
    configuration.set("mag", "dhcpv6", relay);
}

/// Sets a host up before it is plugged in, by hand where nobody leases it anything.
fn set_up(host: &Host, kind: &Kind) -> Result<()> {
    let autoconf = format!("net.ipv6.conf.{INTERFACE}.autoconf=0");
    host.namespace.sysctl(&[&autoconf])?;
    if kind.leased {
        return Ok(());
    }
    let mut lines = format!(
        "addr add {}/16 dev {INTERFACE}\nroute add default via {ROUTER} dev {INTERFACE}\n",
        kind.ipv4
    );
    match kind.prefix {
        Some(prefix) => {
            let accept = format!("net.ipv6.conf.{INTERFACE}.accept_ra=0");
            host.namespace.sysctl(&[&accept])?;
            lines += &format!(
                "addr add {prefix}7/64 dev {INTERFACE}\nroute add default via fe80::1 dev {INTERFACE}\n"
            );
        }
        // It says nothing but in IPv4 and ARP.
        None => {
            let none = format!("net.ipv6.conf.{INTERFACE}.disable_ipv6=1");
            host.namespace.sysctl(&[&none])?;
        }
    }
    host.namespace.ip(&lines).map(drop)
}

/// Waits until a host is answered in each family that it has.
fn is_answered(host: &Host, kind: &Kind, nth: usize) -> Result<()> {
    let (v6, v4) = peers(nth);
    if kind.prefix.is_some() {
        ensure!(host.reaches(v6, LIMIT), "{}: no answer of {v6}", kind.name);
    }
    ensure!(host.reaches(v4, LIMIT), "{}: no answer of {v4}", kind.name);
    Ok(())
}

/// The names of the hosts behind a gateway that are bound.
fn bound(domain: &Domain, gateway: &str) -> Result<Vec<String>> {
    let visitors = domain.gateway(gateway)?.call("visitors", Value::Null)?;
    let bound = visitors.as_array().context("not a list")?.iter();
    let bound = bound.filter(|it| it["state"] == "bound");
    let mut names: Vec<String> = bound
        .filter_map(|it| it["identifier"].as_str()?.strip_suffix("@example.net"))
        .map(str::to_owned)
        .collect();
    names.sort();
    Ok(names)
}

/// A host with both families by DHCP, one with both by hand, and one with IPv4 alone by hand come to a gateway,
/// open a TCP session in each family that they have, and go over to the next gateway, all at once. Every session goes on byte
/// for byte, and every host has the addresses that it had.
///
/// Proves S1-36, S1-38, S1-41, S1-46.
#[test]
fn hosts_of_every_kind_move_with_their_sessions() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let subnet = format!("{}/64", KINDS[0].prefix.context("a prefix")?);
    let _server = Server::start(&network, &[&subnet])?;
    let mut lines = format!("route add default via 198.51.100.1 dev {INTERFACE}\n");
    for nth in 0..KINDS.len() {
        let (v6, v4) = peers(nth);
        lines = format!(
            "addr add {v6}/64 dev {INTERFACE} nodad\naddr add {v4}/24 dev {INTERFACE}\n{lines}"
        );
    }
    network.cn.namespace.ip(&lines)?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let mut hosts = Vec::new();
    let mut clients = Vec::new();
    for kind in &KINDS {
        let host = domain.network.mobile_node(kind.name, kind.mac)?;
        set_up(&host, kind)?;
        domain.network.plug(&host, 0)?;
        if kind.leased {
            let v4 = dhcpv4::Client::start(&domain.network, &host)?;
            // The other client needs a link-local address that has been tested.
            let end = Instant::now() + LIMIT;
            while host.link_local()?.is_empty() {
                ensure!(Instant::now() < end, "no link-local address");
                std::thread::sleep(Duration::from_millis(20));
            }
            clients.push((v4, dhcp::Client::start(&domain.network, &host)?));
        }
        hosts.push(host);
    }
    let all = || hosts.iter().zip(&KINDS).enumerate();
    let mut sessions = Vec::new();
    for (nth, (host, kind)) in all() {
        if kind.leased {
            host.wait_for_address(LIMIT)
                .with_context(|| domain.troubles())?;
            let (v4, _) = clients.first().context("no client")?;
            let lease = v4.wait(&["BOUND"], 1, LIMIT)?;
            assert_eq!(lease[1], kind.ipv4);
        }
        is_answered(host, kind, nth).with_context(|| domain.troubles())?;
        let (v6, v4) = peers(nth);
        let in_v6 = kind.prefix.map(|_| IpAddr::V6(v6));
        for to in in_v6.into_iter().chain([IpAddr::V4(v4)]) {
            let log = domain.network.run.directory().join(format!("{to}.log"));
            let (from, cn) = (&host.namespace, &domain.network.cn.namespace);
            let session = Transfer::start(&programs, from, cn, to, 100_000, &log)?;
            sessions.push((kind.name, to, session));
        }
    }
    let names = ["leased", "manual", "static"];
    assert_eq!(bound(&domain, "mag1")?, names);
    let addresses: Vec<_> = hosts.iter().map(Host::addresses).collect::<Result<_>>()?;

    domain
        .network
        .plug_all(hosts.iter().map(|host| (host, 1)))?;
    let end = Instant::now() + LIMIT;
    while bound(&domain, "mag2")? != names {
        ensure!(Instant::now() < end, "{}", domain.troubles());
        std::thread::sleep(Duration::from_millis(50));
    }
    domain.wait_forgotten("mag1", LIMIT)?;
    for (nth, (host, kind)) in all() {
        is_answered(host, kind, nth).with_context(|| domain.troubles())?;
    }
    for (name, to, session) in sessions {
        let outcome = session.stop()?;
        ensure!(
            outcome.intact && outcome.bytes > 0,
            "{name} to {to}: {outcome:?}"
        );
    }
    let after: Vec<_> = hosts.iter().map(Host::addresses).collect::<Result<_>>()?;
    assert_eq!(after, addresses);
    drop(clients);
    domain.stop_well()
}
