//! Two networks with the same private addresses at one anchor: a real DHCPv4 client in each, both with the
//! same address at the same time, and each reaches its own network and no other (RFC 5845, RFC 5149).
//!
//! ```text
//!   host red  10.1.0.77 ── red1, red2   ─┐                           ┌─ red0 ── 10.9.0.20, red's
//!                                        ├─ MAGs ── GRE keys ── LMA ─┤
//!   host blue 10.1.0.77 ── blue1, blue2 ─┘                           └─ blue0 ─ 10.9.0.20, blue's
//! ```

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::dhcpv4::Client;
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::{Host, INTERFACE};
use lab::judge::{count, read};
use lab::network::{cable, End, Namespace};
use lab::topology::{Plan, Topology, CORE};
use lab::transfer::Transfer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);

const DOMAINS: [&str; 2] = ["red", "blue"];

/// Link-layer addresses of the hosts, and the first uplink key of each domain.
const MACS: [&str; 2] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];
const KEYS: [i64; 2] = [0x1000, 0x2000];

/// The address that both hosts have, and the one that both correspondents have.
const HOME: &str = "10.1.0.77";
const CN4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 20);

fn table<const N: usize>(entries: [(&str, toml::Value); N]) -> Table {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn push(array: &mut Table, key: &str, entry: Table) {
    let all = array
        .entry(key)
        .or_insert_with(|| toml::Value::Array(Vec::new()));
    if let Some(all) = all.as_array_mut() {
        all.push(entry.into());
    }
}

/// Cables for both domains: to correspondents at the anchor, and to two access links at each gateway.
fn network() -> Result<(Topology, [Namespace; 2])> {
    let network = Topology::lay(Plan::default())?;
    let correspondent = |domain: &str| -> Result<Namespace> {
        let namespace = Namespace::host(&network.run, domain)?;
        let port = format!("{domain}0");
        cable(End::of(&namespace, INTERFACE), End::of(&network.lma, &port))?;
        namespace.ip(&format!(
            "addr add {CN4}/24 dev {INTERFACE}\nroute add default via 10.9.0.1 dev {INTERFACE}\n"
        ))?;
        for (mag, number) in network.mags.iter().zip([1, 2]) {
            let (bridge, end) = (format!("{domain}{number}"), format!("end-{domain}{number}"));
            network.switch.bridge(&bridge)?;
            cable(End::of(mag, &port), End::of(&network.switch, &end))?;
            network.switch.plug(&end, &bridge)?;
        }
        Ok(namespace)
    };
    let namespaces = [correspondent("red")?, correspondent("blue")?];
    Ok((network, namespaces))
}

/// Both domains at every gateway, and the hosts in their policies.
fn adjust(name: &str, configuration: &mut Configuration) {
    for (number, domain) in (2..).zip(DOMAINS) {
        let port = format!("{domain}0");
        let device = format!("net_af_packet{number},iface={port}");
        let ports = [("name", port.clone().into()), ("device", device.into())];
        push(configuration.table(), "port", table(ports));
        let mut interface = table([
            ("name", domain.into()),
            ("port", port.into()),
            ("domain", domain.into()),
        ]);
        if name == "lma" {
            interface.extend(table([
                ("kind", "core".into()),
                ("addresses", vec!["10.9.0.1/24"].into()),
            ]));
        } else {
            interface.extend(table([
                ("kind", "access".into()),
                ("addresses", vec!["169.254.0.1/32"].into()),
                ("router", "fe80::1".into()),
                ("mac", "02:00:5e:00:52:13".into()),
            ]));
        }
        push(configuration.table(), "interface", interface);
    }
    if name != "lma" {
        configuration.set("mag", "gre", true);
    } else {
        configuration.set("lma", "gre", "accepted");
        for (domain, first) in DOMAINS.into_iter().zip(KEYS) {
            let network = table([("prefix", "10.1.0.0/16".into())]);
            let entry = table([
                ("name", domain.into()),
                ("ipv4_networks", vec![toml::Value::Table(network)].into()),
                ("keys", vec![first, first + 0xff].into()),
            ]);
            if let Some(lma) = configuration.table()["lma"].as_table_mut() {
                push(lma, "domain", entry);
            }
        }
    }
    for (domain, mac) in DOMAINS.into_iter().zip(MACS) {
        let identifier = format!("host@{domain}.example");
        let mut host = table([("identifier", identifier.into())]);
        host.extend(match name {
            "lma" => table([
                ("domain", domain.into()),
                ("ipv4_home_address", HOME.into()),
            ]),
            _ => table([("mac", mac.into()), ("lma", "2001:db8:c::1".into())]),
        });
        push(configuration.policy(), "host", host);
    }
}

/// Whether a host's echo request is answered.
fn reaches(host: &Host) -> bool {
    let to = CN4.to_string();
    let words = ["ping", "-4", "-n", "-i", "0.2", "-c", "1", "-w", "3", &to];
    host.namespace.run(&words).is_ok()
}

/// Both hosts have sessions with correspondents of the same address; one moves, and then one network is
/// gone.
///
/// Proves S1-46.
#[test]
fn the_same_address_in_two_networks_reaches_its_own_from_each() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let (network, correspondents) = network()?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let directory = domain.network.run.directory().to_path_buf();
    let core = directory.join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mut hosts = Vec::new();
    for (name, mac) in DOMAINS.into_iter().zip(MACS) {
        let host = domain.network.mobile_node(&format!("mn-{name}"), mac)?;
        domain
            .network
            .switch
            .plug(&host.cable, &format!("{name}1"))?;
        let client = Client::start(&domain.network, &host)?;
        hosts.push((host, client));
    }
    let mut sessions = Vec::new();
    for (((host, client), cn), name) in hosts.iter().zip(&correspondents).zip(DOMAINS) {
        let bound = client.wait(&["BOUND"], 1, LIMIT);
        let bound = bound.with_context(|| domain.troubles())?;
        ensure!(bound[1..3] == [HOME, "169.254.0.1"], "{bound:?}");
        let log = directory.join(format!("{name}.log"));
        let to = std::net::IpAddr::V4(CN4);
        let session = Transfer::start(&programs, &host.namespace, cn, to, 200_000, &log);
        sessions.push(session.with_context(|| domain.troubles())?);
    }
    let shown = domain.anchorctl("lma", &["bindings"])?;
    for name in DOMAINS {
        ensure!(shown.contains(&format!("{HOME}%{name}")), "{shown}");
    }
    std::thread::sleep(Duration::from_secs(1));
    domain.network.switch.plug(&hosts[0].0.cable, "red2")?;
    let moved = || -> Result<bool> {
        let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
        let all = bindings.as_array().into_iter().flatten();
        let mut of_red = all.filter(|it| it["domain"] == "red");
        Ok(of_red.any(|it| it["proxy_care_of_address"] == "2001:db8:c::12"))
    };
    let end = std::time::Instant::now() + LIMIT;
    while !moved()? {
        ensure!(std::time::Instant::now() < end, "{}", domain.troubles());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    for (session, name) in sessions.into_iter().zip(DOMAINS) {
        let outcome = session.stop()?;
        let well = outcome.intact && outcome.bytes > 0;
        ensure!(well, "{name}: {outcome:?}\n{}", domain.troubles());
    }
    // Without its own network a host reaches nobody, though the other's correspondent has that address.
    let line = format!("link set dev {INTERFACE} down\n");
    correspondents[1].ip(&line)?;
    ensure!(reaches(&hosts[0].0), "{}", domain.troubles());
    ensure!(!reaches(&hosts[1].0), "blue reached red's correspondent");
    drop(hosts);
    domain.stop_well()?;
    capture.stop()?;

    // Every packet of either is in GRE, with a key of its domain on the way to the anchor.
    ensure!(count(&core, "ip && !gre")? == 0, "IPv4 outside of GRE");
    let filter = format!("gre && ipv6.dst == 2001:db8:c::1 && ip.src == {HOME}");
    let keys: BTreeSet<String> = read(&core, &filter, &["gre.key"])?
        .concat()
        .into_iter()
        .collect();
    let first = KEYS.map(|key| format!("0x{key:08x}"));
    ensure!(keys == BTreeSet::from(first), "{keys:?}");
    // Each update says which service its host has (RFC 5149).
    let services = read(&core, "mip6.mhtype == 5", &["mip6.ss.identifier"])?;
    let services: BTreeSet<String> = services.concat().into_iter().collect();
    ensure!(services == DOMAINS.map(String::from).into(), "{services:?}");
    ensure!(count(&core, "mipv6 && _ws.malformed")? == 0, "malformed");
    Ok(())
}
