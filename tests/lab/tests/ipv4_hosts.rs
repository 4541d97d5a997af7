//! Hosts with IPv4 in a whole domain: a real DHCPv4 client gets the home address, keeps it with its
//! sessions through a move, and renews it wherever it is (RFC 5844 section 3).

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::dhcpv4::{Client, Server, SERVER};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::{Host, INTERFACE};
use lab::judge::{count, read};
use lab::network::End;
use lab::rogue::misbehave;
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// The correspondent's IPv4 address, and the anchor's on its link.
const CN4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);

/// The host's default router, and what all gateways show as its link-layer address.
const ROUTER: &str = "10.1.0.1";
const ROUTER_MAC: &str = "02:00:5e:00:52:13";

/// The DHCPv4 server that all gateways are.
const IDENTIFIER: &str = "169.254.0.1";

/// Seconds that a gateway's own leases last; a client renews after half of it.
const LEASE: i64 = 10;

/// The address that the host has by policy.
const FIXED: &str = "10.1.0.77";

/// What a host has of IPv6 and of DHCPv4.
#[derive(Clone, Copy)]
struct Kind {
    ipv6: bool,
    relay: bool,
}

/// The demonstration's domain, with IPv4 for its host.
fn adjust(kind: Kind) -> impl FnMut(&str, &mut Configuration) {
    move |name, configuration| {
        if let Some(host) = configuration.first_host() {
            match name {
                "lma" => host.insert("ipv4_home_address".into(), FIXED.into()),
                _ => host.insert("ipv4".into(), true.into()),
            };
            host.insert("ipv6".into(), kind.ipv6.into());
        }
        if name == "lma" {
            configuration.add_address("internet", "198.51.100.1/24");
            let network = toml::Table::from_iter([("prefix".into(), "10.1.0.0/16".into())]);
            configuration.set("lma", "ipv4_networks", vec![toml::Value::Table(network)]);
            let mode = if kind.relay { "relay" } else { "server" };
            return configuration.set("lma", "dhcpv4", mode);
        }
        configuration.add_address("access", "169.254.0.1/32");
        configuration.set("mag", "dhcpv4_lease", LEASE);
        if kind.relay {
            let ours = if name == "mag1" {
                "192.0.2.11"
            } else {
                "192.0.2.12"
            };
            configuration.add_address("core", &format!("{ours}/24"));
            let relay = toml::Table::from_iter([
                ("address".into(), ours.into()),
                ("servers".into(), vec![SERVER.to_string()].into()),
            ]);
            configuration.set("mag", "dhcpv4", relay);
        }
    }
}

fn network() -> Result<Topology> {
    let network = Topology::lay(Plan::default())?;
    network.cn.namespace.ip(&format!(
        "addr add {CN4}/24 dev {INTERFACE}\n\
         route add default via 198.51.100.1 dev {INTERFACE}\n"
    ))?;
    Ok(network)
}

fn counted(domain: &Domain, gateway: &str, name: &str) -> Result<u64> {
    let counters = domain.gateway(gateway)?.call("counters", Value::Null)?;
    let groups = counters["groups"].as_array().into_iter().flatten();
    let mut all = groups.flat_map(|group| group["counters"].as_array().into_iter().flatten());
    let found = all.find(|counter| counter["name"] == name);
    let found = found.with_context(|| format!("no counter {name}"))?;
    Ok(found["value"].as_u64().unwrap_or(0))
}

fn ping(from: &Host, to: Ipv4Addr) -> Result<String> {
    let to = to.to_string();
    from.namespace
        .run(&["ping", "-4", "-n", "-i", "0.2", "-c", "2", "-w", "10", &to])
}

/// The link-layer address that a host has for its router.
fn router_of(host: &Host) -> Result<String> {
    host.namespace
        .run(&["ip", "-4", "neigh", "show", ROUTER, "dev", INTERFACE])
}

fn transfer(domain: &Domain, mn: &Host, to: std::net::IpAddr, log: &str) -> Result<Transfer> {
    let log = domain.network.run.directory().join(log);
    let (programs, cn) = (&domain.programs, &domain.network.cn.namespace);
    Transfer::start(programs, &mn.namespace, cn, to, 200_000, &log)
}

/// A host of both families, its sessions of both open through a move, and its lease renewed on each side
/// of it. tshark reads what the client and the gateways say.
///
/// Proves S1-46.
#[test]
fn both_families_survive_a_move_and_the_lease_is_renewed_after_it() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let kind = Kind {
        ipv6: true,
        relay: false,
    };
    let mut domain = Domain::start(network()?, &programs, &default_conf(), adjust(kind))?;
    let directory = domain.network.run.directory().to_path_buf();
    let (core, access) = (directory.join("core.pcap"), directory.join("access.pcap"));
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let on_access = Capture::start(End::of(&domain.network.switch, &mn.cable), &access)?;
    let client = Client::start(&domain.network, &mn)?;
    let bound = client
        .wait(&["BOUND"], 1, LIMIT)
        .with_context(|| domain.troubles())?;
    ensure!(bound[1..] == [FIXED, IDENTIFIER, "1460"], "{bound:?}");
    ping(&mn, CN4).with_context(|| domain.troubles())?;
    ensure!(router_of(&mn)?.contains(ROUTER_MAC), "{}", router_of(&mn)?);
    mn.wait_for_address(LIMIT)?;
    ensure!(mn.reaches(CN, LIMIT));

    let sessions = [
        transfer(&domain, &mn, CN4.into(), "tcp4.log")?,
        transfer(&domain, &mn, CN.into(), "tcp6.log")?,
    ];
    client.wait(&["RENEW"], 1, LIMIT)?;
    domain.network.plug(&mn, 1)?;
    let before = client.events().len();
    let moved = Instant::now();
    while client.events().len() <= before {
        ensure!(moved.elapsed() < LIMIT, "no renewal: {:?}", client.events());
        std::thread::sleep(Duration::from_millis(20));
    }
    let events = client.events();
    let renewed = &events[before];
    ensure!(
        renewed[0] == "RENEW" && renewed[1..3] == [FIXED, IDENTIFIER],
        "{events:?}"
    );
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(
            outcome.intact && outcome.bytes > 0,
            "{outcome:?}\n{}",
            domain.troubles()
        );
    }
    ensure!(counted(&domain, "mag2", "dhcpv4_leased")? > 0);
    drop(client);
    domain.stop_well()?;
    capture.stop()?;
    on_access.stop()?;

    // The client's words and the gateways', and nothing of tunnels on its link.
    ensure!(count(&access, "dhcp && _ws.malformed")? == 0, "malformed");
    ensure!(
        count(
            &access,
            "udp.checksum.status == 0 || ip.checksum.status == 0"
        )? == 0
    );
    let renewals = read(
        &access,
        "dhcp.option.dhcp == 3 && ip.src == 10.1.0.77",
        &["ip.dst"],
    )?;
    ensure!(renewals.len() >= 2 && renewals.iter().all(|to| to[0] == IDENTIFIER));
    ensure!(count(&access, "ipv6.nxt == 4 || ipv6.nxt == 41 || mipv6")? == 0);
    // Through both gateways, IPv4 in IPv6 alone.
    for gateway in ["2001:db8:c::11", "2001:db8:c::12"] {
        let inside = format!("ipv6.src == {gateway} && ipv6.nxt == 4 && ip.src == {FIXED}");
        ensure!(count(&core, &inside)? > 0, "nothing from {gateway}");
    }
    ensure!(
        count(&core, "ip && !ipv6")? == 0,
        "IPv4 outside of a tunnel"
    );
    Ok(())
}

/// A host of IPv4 alone on a link with a rogue: clients without number, clients behind one host, an address
/// declined and a router claimed cost the honest host nothing, and each is counted.
#[test]
fn a_rogue_on_the_link_starves_nobody_and_is_not_the_router_for_long() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let kind = Kind {
        ipv6: false,
        relay: false,
    };
    let mut domain = Domain::start(network()?, &programs, &default_conf(), adjust(kind))?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    let rogue = domain.network.mobile_node("rogue", "02:00:00:00:66:66")?;
    domain.network.plug(&mn, 0)?;
    domain.network.plug(&rogue, 0)?;
    let client = Client::start(&domain.network, &mn)?;
    let bound = client
        .wait(&["BOUND"], 1, LIMIT)
        .with_context(|| domain.troubles())?;
    ensure!(bound[1..3] == [FIXED, IDENTIFIER], "{bound:?}");
    ping(&mn, CN4).with_context(|| domain.troubles())?;
    let session = transfer(&domain, &mn, CN4.into(), "tcp.log")?;

    misbehave(&rogue, &["starve", "2000"])?;
    misbehave(&rogue, &["names", "200"])?;
    misbehave(&rogue, &["decline", FIXED, IDENTIFIER])?;
    let visitors = domain.gateway("mag1")?.call("visitors", Value::Null)?;
    ensure!(
        visitors.as_array().is_some_and(|all| all.len() == 1),
        "{visitors}"
    );
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    ensure!(
        bindings.as_array().is_some_and(|all| all.len() == 1),
        "{bindings}"
    );
    ensure!(
        counted(&domain, "mag1", "dhcpv4_ignored")? > 0,
        "{}",
        domain.troubles()
    );
    ensure!(counted(&domain, "mag1", "drop_punt_source_limited")? > 0);
    ensure!(counted(&domain, "mag1", "dhcpv4_offered")? == 1);

    // The host's own client may decline; the address stays its own, and it gets it again.
    misbehave(&mn, &["decline", FIXED, IDENTIFIER])?;
    misbehave(&rogue, &["router", "02:00:00:00:66:66", ROUTER])?;
    let end = Instant::now() + LIMIT;
    while !router_of(&mn)?.contains(ROUTER_MAC) {
        ensure!(
            Instant::now() < end,
            "{}\n{}",
            router_of(&mn)?,
            domain.troubles()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(
        counted(&domain, "mag1", "arp_spoofed")? >= 1,
        "{}",
        domain.troubles()
    );
    ensure!(counted(&domain, "mag1", "arp_defended")? >= 1);
    ensure!(counted(&domain, "mag1", "dhcpv4_given_up")? == 1);
    client.wait(&["RENEW"], 1, LIMIT)?;
    let outcome = session.stop()?;
    ensure!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    domain.stop_well()
}

/// A real server of the domain leases, through the relay agent of each gateway; the lease is renewed
/// behind the second one, and stays what it was.
///
/// Proves S1-46.
#[test]
fn a_relayed_lease_follows_its_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = network()?;
    let server = Server::start(&network, "10.1.0.0/16", &[(MN_MAC, FIXED)])?;
    let kind = Kind {
        ipv6: false,
        relay: true,
    };
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust(kind))?;
    let core = domain.network.run.directory().join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let client = Client::start(&domain.network, &mn)?;
    let told = || format!("{}\n{}", domain.troubles(), server.log());
    let bound = client.wait(&["BOUND"], 1, LIMIT).with_context(told)?;
    // Not the server's own identifier, and not the router that it believes in.
    ensure!(bound[1..] == [FIXED, IDENTIFIER, "1460"], "{bound:?}");
    ping(&mn, CN4).with_context(told)?;
    let session = transfer(&domain, &mn, CN4.into(), "tcp.log")?;
    domain.network.plug(&mn, 1)?;
    client.wait(&["RENEW"], 2, LIMIT).with_context(told)?;
    let outcome = session.stop()?;
    ensure!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    ensure!(counted(&domain, "mag2", "dhcpv4_relayed")? > 0);
    ensure!(counted(&domain, "mag2", "dhcpv4_replied")? > 0);
    drop(client);
    domain.stop_well()?;
    capture.stop()?;

    let fields = [
        "dhcp.ip.relay",
        "dhcp.hops",
        "dhcp.option.agent_information_option.link_selection",
        "dhcp.option.agent_information_option.agent_remote_id",
    ];
    let relayed = read(&core, "dhcp.type == 1", &fields)?;
    ensure!(!relayed.is_empty(), "nothing was relayed");
    for message in &relayed {
        let ours = ["192.0.2.11", "192.0.2.12"].contains(&message[0].as_str());
        ensure!(ours && message[1..3] == ["1", ROUTER], "{message:?}");
        let remote_id = message[3].replace(':', "");
        ensure!(remote_id == "0a01004d", "{message:?}");
    }
    ensure!(count(&core, "dhcp && _ws.malformed")? == 0, "malformed");
    ensure!(count(&core, "dhcp.option.dhcp == 5 && ip.dst == 192.0.2.12")? > 0);
    Ok(())
}
