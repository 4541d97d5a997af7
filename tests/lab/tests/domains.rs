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
use lab::dhcpv4::{Client, Server, SERVER};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::INTERFACE;
use lab::judge::{count, read};
use lab::network::{cable, End, Namespace};
use lab::radius::Radius;
use lab::topology::{Plan, Topology, CORE};
use lab::transfer::Transfer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);

/// How long a host that is to reach nobody tries.
const SILENCE: Duration = Duration::from_secs(3);

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

/// Both domains at the anchor, and at gateways on access links of their own.
fn lay_domains(name: &str, configuration: &mut Configuration, links: bool) {
    for (number, domain) in (2..).zip(DOMAINS) {
        if name != "lma" && !links {
            break;
        }
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
        return configuration.set("mag", "gre", true);
    }
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

/// Both domains at every gateway, and the hosts in their policies.
fn adjust(name: &str, configuration: &mut Configuration) {
    lay_domains(name, configuration, true);
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
        Ok(of_red.any(|it| it["care_of_address"] == "2001:db8:c::12"))
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
    ensure!(hosts[0].0.reaches(CN4, LIMIT), "{}", domain.troubles());
    ensure!(
        !hosts[1].0.reaches(CN4, SILENCE),
        "blue reached red's correspondent"
    );
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

/// The DHCPv4 servers of the domains: each knows its own network, which is the other's too.
const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 61), Ipv4Addr::new(192, 0, 2, 62)];

/// A real DHCPv4 server in each domain leases the address that a host has there, which is the other host's too. The
/// gateway of each host asks the servers of its domain and no others, also after a move, and says whose network
/// it means.
///
/// Proves S1-46.
#[test]
fn each_domain_has_dhcpv4_servers_of_its_own() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let (network, _correspondents) = network()?;
    let mut servers = Vec::new();
    for ((name, address), mac) in ["dhcp-red", "dhcp-blue"].into_iter().zip(SERVERS).zip(MACS) {
        let named = (name, address);
        servers.push(Server::at(&network, named, "10.1.0.0/16", &[(mac, HOME)])?);
    }
    let relays = |name: &str, configuration: &mut Configuration| {
        adjust(name, configuration);
        let ours = match name {
            "lma" => return configuration.set("lma", "dhcpv4", "relay"),
            "mag1" => "192.0.2.11",
            _ => "192.0.2.12",
        };
        configuration.add_address("core", &format!("{ours}/24"));
        let mut relay = table([
            ("address", ours.into()),
            ("servers", vec![SERVER.to_string()].into()),
        ]);
        for (domain, server) in DOMAINS.into_iter().zip(SERVERS) {
            let servers = vec![server.to_string()];
            let entry = [("name", domain.into()), ("servers", servers.into())];
            push(&mut relay, "domain", table(entry));
        }
        configuration.set("mag", "dhcpv4", relay);
    };
    let mut domain = Domain::start(network, &programs, &default_conf(), relays)?;
    let core = domain.network.run.directory().join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mut hosts = Vec::new();
    for (name, mac) in DOMAINS.into_iter().zip(MACS) {
        let host = domain.network.mobile_node(&format!("mn-{name}"), mac)?;
        let switch = &domain.network.switch;
        switch.plug(&host.cable, &format!("{name}1"))?;
        let client = Client::start(&domain.network, &host)?;
        hosts.push((host, client));
    }
    let logs = || -> String { servers.iter().map(Server::log).collect() };
    let told = || format!("{}\n{}", domain.troubles(), logs());
    for (host, client) in &hosts {
        let bound = client.wait(&["BOUND"], 1, LIMIT).with_context(told)?;
        ensure!(bound[1..3] == [HOME, "169.254.0.1"], "{bound:?}");
        ensure!(host.reaches(CN4, LIMIT), "{}", told());
    }
    domain.network.switch.plug(&hosts[0].0.cable, "red2")?;
    let renewals = |client: &Client| {
        let events = client.events();
        let renewed = events.iter().filter(|event| event[0] == "RENEW");
        renewed.count()
    };
    let before = renewals(&hosts[0].1);
    let renewed = hosts[0].1.wait(&["RENEW"], before + 1, LIMIT);
    ensure!(renewed.with_context(told)?[1] == HOME);
    ensure!(hosts[0].0.reaches(CN4, LIMIT), "{}", told());
    drop(hosts);
    domain.stop_well()?;
    capture.stop()?;

    for ((name, mac), server) in DOMAINS.into_iter().zip(MACS).zip(SERVERS) {
        let asked = format!("dhcp.type == 1 && dhcp.hw.mac_addr == {mac}");
        let all = read(&core, &asked, &["ip.dst", "dhcp.ip.relay"])?;
        ensure!(!all.is_empty(), "{name}: nothing was relayed");
        let server = server.to_string();
        ensure!(all.iter().all(|it| it[0] == server), "{name}: {all:?}");
        let both = ["192.0.2.11", "192.0.2.12"].map(|ours| all.iter().any(|it| it[1] == ours));
        ensure!(both == [true, name == "red"], "{name}: {all:?}");
        // Virtual subnet selection: its name, and the word that a server takes out which goes by it.
        let length = name.len() + 1;
        let octets: Vec<String> = name.bytes().map(|it| format!("{it:02x}")).collect();
        let meant = format!("97:{length:02x}:00:{}:98:00", octets.join(":"));
        let named = count(&core, &format!("{asked} && dhcp contains {meant}"))?;
        ensure!(named == all.len(), "{name}: {named} of {}", all.len());
    }
    ensure!(count(&core, "dhcp && _ws.malformed")? == 0, "malformed");
    Ok(())
}

/// A host that the server lets in for a service, with the address that it has there.
fn user(mac: &str, service: &str, address: &str) -> String {
    let name = mac.replace(':', "-");
    format!(
        "{name} Cleartext-Password := \"{name}\"\n\tService-Selection = \"{service}\",\n\
         \tPMIP6-Home-IPv4-HoA = {address}/32\n\n"
    )
}

/// A real RADIUS server says of each host which service it has, and so which domain (RFC 6572 section 4.3): two
/// hosts on one link, each in its own network. One with a service that no domain has gets nothing.
///
/// Proves S1-23, S1-46.
#[test]
fn the_radius_server_chooses_the_domain_of_each_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let (network, correspondents) = network()?;
    let mut radius = Radius::beside(&network, "mag1")?;
    let addresses = ["10.1.0.77", "10.1.0.78"];
    let stranger = "02:00:00:00:00:0c";
    let users: String = DOMAINS
        .into_iter()
        .zip(MACS)
        .zip(addresses)
        .map(|((service, mac), address)| user(mac, service, address))
        .collect();
    radius.serve(&(users + &user(stranger, "green", "10.1.0.79")))?;
    let chooses = |name: &str, configuration: &mut Configuration| {
        lay_domains(name, configuration, false);
        match name {
            "lma" => {
                let policy = configuration.policy();
                policy.insert("serve_unlisted".into(), true.into());
            }
            "mag1" => {
                configuration.add_address("access", "169.254.0.1/32");
                configuration.policy().clear();
                Radius::configure(configuration);
            }
            _ => {}
        }
    };
    let mut domain = Domain::start(network, &programs, &default_conf(), chooses)?;
    let mut hosts = Vec::new();
    for (name, mac) in DOMAINS.into_iter().zip(MACS) {
        let host = domain.network.mobile_node(&format!("mn-{name}"), mac)?;
        domain.network.plug(&host, 0)?;
        let client = Client::start(&domain.network, &host)?;
        hosts.push((host, client));
    }
    for ((host, client), address) in hosts.iter().zip(addresses) {
        let bound = client.wait(&["BOUND"], 1, LIMIT);
        let bound = bound.with_context(|| domain.troubles())?;
        ensure!(bound[1] == address, "{bound:?}");
        ensure!(host.reaches(CN4, LIMIT), "{}", domain.troubles());
    }
    let shown = domain.anchorctl("lma", &["bindings"])?;
    for (name, address) in DOMAINS.into_iter().zip(addresses) {
        ensure!(shown.contains(&format!("{address}%{name}")), "{shown}");
    }
    correspondents[1].ip(&format!("link set dev {INTERFACE} down\n"))?;
    ensure!(hosts[0].0.reaches(CN4, LIMIT), "{}", domain.troubles());
    ensure!(
        !hosts[1].0.reaches(CN4, SILENCE),
        "blue reached red's correspondent"
    );

    let from = domain.notices.count();
    let other = domain.network.mobile_node("mn-green", stranger)?;
    domain.network.plug(&other, 0)?;
    domain.notices.wait("a refusal", from, LIMIT, |notice| {
        notice.kind == "attach_refused" && notice.field("why").contains("151")
    })?;
    drop(hosts);
    domain.stop_well()
}
