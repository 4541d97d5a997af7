//! A host with two interfaces, each behind a gateway of its own, and a session that goes from one to
//! the other.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::{Host, INTERFACE};
use lab::network::{cable, End};
use lab::topology::{Plan, Topology, ACCESS, MN_MAC};
use serde_json::Value;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// The second interface of the host, and its link-layer address.
const SECOND: &str = "eth1";
const SECOND_MAC: &str = "02:00:00:00:00:02";

/// The far end of its cable.
const CABLE: &str = "to-mn-second";

/// Both interfaces are of one host, attached at the same time.
fn adjust(name: &str, configuration: &mut Configuration) {
    if name == "lma" {
        return;
    }
    let hosts = configuration.policy().get_mut("host");
    let Some(hosts) = hosts.and_then(toml::Value::as_array_mut) else {
        return;
    };
    let Some(first) = hosts.first().cloned() else {
        return;
    };
    let mut second = first;
    if let Some(second) = second.as_table_mut() {
        second.insert("mac".into(), SECOND_MAC.into());
        second.insert("simultaneous".into(), true.into());
    }
    hosts.push(second);
}

/// A binding: its interface, its gateway and its prefixes.
type Binding = (String, String, Vec<String>);

fn bindings(domain: &Domain) -> Result<Vec<Binding>> {
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = bindings.as_array().context("not a list")?;
    let mut list: Vec<Binding> = list
        .iter()
        .map(|it| {
            let prefixes = it["prefixes"].as_array().into_iter().flatten();
            let prefixes = prefixes.map(text).collect();
            (
                text(&it["link_layer_identifier"]),
                text(&it["care_of_address"]),
                prefixes,
            )
        })
        .collect();
    list.sort();
    Ok(list)
}

fn wait_for_bindings(domain: &Domain, are: impl Fn(&[Binding]) -> bool) -> Result<Vec<Binding>> {
    let end = Instant::now() + LIMIT;
    loop {
        let now = bindings(domain)?;
        if are(&now) {
            return Ok(now);
        }
        ensure!(Instant::now() < end, "{now:?}\n{}", domain.troubles());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An address of a prefix, for the host as a whole: it is on no link.
fn own_address(prefix: &str) -> Result<Ipv6Addr> {
    let (first, _) = prefix.split_once('/').context("not a prefix")?;
    let first: Ipv6Addr = first.parse()?;
    Ok(Ipv6Addr::from_bits(first.to_bits() | 0x99))
}

/// Lets the host speak by an interface when it speaks from a prefix.
fn speak_by(mn: &Host, prefix: &str, table: u32, interface: &str) -> Result<()> {
    let namespace = &mn.namespace;
    namespace.ip6(&format!(
        "route replace default via fe80::1 dev {interface} table {table}\n"
    ))?;
    let rule = format!("rule add from {prefix} table {table} priority {table}\n");
    namespace.ip6(&rule).map(drop)
}

/// Waits until something holds of the host.
fn wait_until(domain: &Domain, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !holds()? {
        ensure!(Instant::now() < end, "{}", domain.troubles());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the first interface of the host has a default router.
fn has_router(mn: &Host) -> Result<bool> {
    let words = ["ip", "-6", "route", "show", "default", "dev", INTERFACE];
    Ok(!mn.namespace.run(&words)?.is_empty())
}

/// Whether the correspondent reaches an address of the host.
fn is_reached(domain: &Domain, address: Ipv6Addr) -> bool {
    domain.network.cn.reaches(address, LIMIT)
}

/// Both interfaces are attached at once and each is reached by its own prefix, through its own gateway. Then the
/// session of the first is handed over to the second while both are attached: the correspondent reaches the same
/// address through the other gateway, also when the first interface is gone, and its gateway has nothing of it any more.
///
/// Proves S1-20, S1-41.
#[test]
fn a_session_is_handed_over_between_interfaces() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    // The second interface, for the second gateway.
    let switch = &domain.network.switch;
    cable(End::of(&mn.namespace, SECOND), End::of(switch, CABLE))?;
    switch.ip(&format!("link set dev {CABLE} down\n"))?;
    mn.namespace.ip(&format!(
        "link set dev {SECOND} down\n\
         link set dev {SECOND} address {SECOND_MAC}\n\
         link set dev {SECOND} up\n"
    ))?;
    // It is heard of by its packets: an interface that solicits anew gets a session anew, and one that asks
    // whether its address is taken is told nothing there meanwhile.
    let conf = format!("net.ipv6.conf.{INTERFACE}");
    let [silent, certain] =
        ["router_solicitations", "dad_transmits"].map(|it| format!("{conf}.{it}=0"));
    mn.namespace.sysctl(&[&silent, &certain])?;
    domain.network.plug(&mn, 0)?;
    let one = wait_for_bindings(&domain, |all| all.len() == 1)?;
    let second = ACCESS[1];
    domain.network.switch.plug(CABLE, second)?;
    let two = wait_for_bindings(&domain, |all| all.len() == 2)?;
    assert_eq!(two[0], one[0]);
    assert_eq!([two[0].0.as_str(), two[1].0.as_str()], [MN_MAC, SECOND_MAC]);
    assert_eq!(
        [two[0].1.as_str(), two[1].1.as_str()],
        ["2001:db8:c::11", "2001:db8:c::12"]
    );
    let (first_prefix, second_prefix) = (two[0].2[0].clone(), two[1].2[0].clone());
    let first = own_address(&first_prefix)?;
    let other = own_address(&second_prefix)?;
    for (address, prefix, table, interface) in [
        (first, &first_prefix, 101, INTERFACE),
        (other, &second_prefix, 102, SECOND),
    ] {
        mn.namespace
            .ip(&format!("addr add {address}/128 dev lo nodad\n"))?;
        speak_by(&mn, prefix, table, interface)?;
    }
    ensure!(is_reached(&domain, first), "{first}: {}", domain.troubles());
    ensure!(is_reached(&domain, other), "{other}: {}", domain.troubles());
    wait_until(&domain, || has_router(&mn)).context("no router")?;

    // Both are on their links when the session goes from one to the other, and still are when it has gone.
    domain.anchorctl(
        "mag2",
        &[
            "attach",
            "access",
            SECOND_MAC,
            "--takes-over",
            &first_prefix,
        ],
    )?;
    mn.namespace.ip6(&format!(
        "route replace default via fe80::1 dev {SECOND} table 101\n"
    ))?;
    let merged = wait_for_bindings(&domain, |all| all.len() == 1)?;
    let mut both = vec![first_prefix, second_prefix];
    both.sort();
    assert_eq!(merged[0].0, SECOND_MAC);
    assert_eq!(merged[0].1, "2001:db8:c::12");
    assert_eq!(merged[0].2, both);
    // The first is told that it has nothing any more.
    wait_until(&domain, || has_router(&mn).map(|has| !has)).context("not told")?;
    domain.wait_forgotten("mag1", LIMIT)?;
    ensure!(is_reached(&domain, first), "{first}: {}", domain.troubles());
    ensure!(is_reached(&domain, other), "{other}: {}", domain.troubles());
    domain.network.unplug(&mn)?;
    ensure!(is_reached(&domain, first), "{first}: {}", domain.troubles());
    ensure!(is_reached(&domain, other), "{other}: {}", domain.troubles());
    domain.stop_well()
}
