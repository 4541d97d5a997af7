//! A host that policy lets in and that behaves badly, beside one that behaves well.

use anyhow::{ensure, Context, Result};
use lab::dhcp::{Client, Server, SERVER};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::{Host, INTERFACE};
use lab::rogue::misbehave;
use lab::topology::{Plan, Topology, CN, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);

const ROUTER_MAC: &str = "02:00:5e:00:52:13";
const ROGUE_MAC: &str = "02:00:00:00:66:66";

/// The prefixes of both by policy, which are the server's subnets.
const HOME: &str = "2001:db8:2000:1::/64";
const ROGUES: &str = "2001:db8:2000:66::/64";

fn adjust(name: &str, configuration: &mut Configuration) {
    let rogue = [
        ("identifier", "rogue@example.net"),
        ("mac", ROGUE_MAC),
        ("lma", "2001:db8:c::1"),
    ];
    let known = if name == "lma" { 1 } else { 3 };
    let rogue = rogue.into_iter().take(known);
    configuration.add_host(
        rogue
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    );
    let hosts = configuration.policy().get_mut("host");
    let hosts = hosts.and_then(toml::Value::as_array_mut);
    for (host, prefix) in hosts.into_iter().flatten().zip([HOME, ROGUES]) {
        if let Some(host) = host.as_table_mut() {
            match name {
                "lma" => host.insert("home_network_prefixes".into(), vec![prefix].into()),
                _ => host.insert("managed".into(), true.into()),
            };
        }
    }
    if name != "lma" {
        let servers = vec![SERVER.to_string()];
        let relay = Table::from_iter([("servers".into(), servers.into())]);
        configuration.set("mag", "dhcpv6", relay);
    }
}

/// The link-layer address that a host has for its router.
fn router_of(host: &Host) -> Result<String> {
    let words = ["ip", "-6", "neigh", "show", "fe80::1", "dev", INTERFACE];
    host.namespace.run(&words)
}

/// How many hosts the gateway serves, and how many bindings the anchor has.
fn served(domain: &Domain) -> Result<[usize; 2]> {
    let mut served = [0; 2];
    for (place, (gateway, method)) in served
        .iter_mut()
        .zip([("mag1", "visitors"), ("lma", "bindings")])
    {
        let list = domain.gateway(gateway)?.call(method, Value::Null)?;
        *place = list.as_array().context("not a list")?.len();
    }
    Ok(served)
}

/// The rogue asks the DHCPv6 server under names without number, in its own frames and in those of hosts that it makes up. A
/// host that comes then gets its address and opens a TCP session. The rogue says that it was the router, that it had the
/// host's address, and advertises a prefix of its own. All of it is counted and limited, the anchor hears of none of it, and
/// the host's session goes on.
///
/// Proves S1-24, S1-34.
#[test]
fn a_rogue_beside_a_host_takes_nothing_from_it() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let _server = Server::start(&network, &[HOME, ROGUES])?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let rogue = domain.network.mobile_node("rogue", ROGUE_MAC)?;
    let from = domain.notices.count();
    domain.network.plug(&rogue, 0)?;
    domain.notices.wait("the rogue", from, LIMIT, |notice| {
        notice.gateway == "mag1" && notice.kind == "binding_up"
    })?;
    let counted = |name: &str| domain.gateway("mag1")?.counter(name);
    let told = || domain.troubles();
    misbehave(&rogue, &["solicit", "60", "1500"])?;
    ensure!(counted("dhcp_starved")? > 0, "{}", told());
    let limited = counted("drop_punt_source_limited")?;
    ensure!(limited >= 40, "{}", told());
    misbehave(&rogue, &["strangers", "300"])?;
    assert_eq!(served(&domain)?, [1, 1]);

    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    let autoconf = format!("net.ipv6.conf.{INTERFACE}.autoconf=0");
    mn.namespace.sysctl(&[&autoconf])?;
    domain.network.plug(&mn, 0)?;
    let end = Instant::now() + LIMIT;
    while mn.link_local()?.is_empty() {
        ensure!(Instant::now() < end, "no link-local address");
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = Client::start(&domain.network, &mn)?;
    let address = mn.wait_for_address(LIMIT).with_context(told)?;
    ensure!(mn.reaches(CN, LIMIT), "{}", told());
    let log = domain.network.run.directory().join("tcp.log");
    let (here, there) = (&mn.namespace, &domain.network.cn.namespace);
    let session = Transfer::start(&programs, here, there, CN, 200_000, &log)?;

    // Both on one link, as on a switch that keeps nobody apart: the router's address is taken back.
    let before = counted("discovery_conflict")?;
    misbehave(&rogue, &["neighbour", "fe80::1"])?;
    let end = Instant::now() + LIMIT;
    while !router_of(&mn)?.contains(ROUTER_MAC) {
        ensure!(Instant::now() < end, "{}\n{}", router_of(&mn)?, told());
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(counted("discovery_conflict")? >= before + 2, "{}", told());
    ensure!(counted("discovery_defended")? > 0, "{}", told());
    misbehave(&rogue, &["neighbour", &address.to_string()])?;
    ensure!(counted("addresses_contested")? > 0, "{}", told());

    // On one that does, hosts hear advertisements of the gateway alone.
    for host in [&mn, &rogue] {
        let isolate = format!(
            "link set dev {} type bridge_slave isolated on\n",
            host.cable
        );
        domain.network.switch.ip(&isolate)?;
    }
    misbehave(&rogue, &["advertise", "fe80::66", "2001:db8:bad::", "1800"])?;
    ensure!(counted("router_advertisement_rogue")? > 0, "{}", told());
    misbehave(&rogue, &["advertise", "fe80::1", "2001:db8:bad::", "0"])?;
    misbehave(&rogue, &["solicit", "100", "100"])?;
    ensure!(counted("drop_punt_source_limited")? > limited, "{}", told());
    assert_eq!(mn.addresses()?, [address]);
    assert_eq!(mn.routers()?, ["fe80::1".parse::<std::net::Ipv6Addr>()?]);
    ensure!(mn.reaches(CN, LIMIT), "{}", told());
    let outcome = session.stop()?;
    ensure!(
        outcome.intact && outcome.bytes > 0,
        "{outcome:?}\n{}",
        told()
    );
    assert_eq!(served(&domain)?, [2, 2]);
    drop(client);
    domain.stop_well()
}
