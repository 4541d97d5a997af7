//! MAG and LMA over IPv4, in UDP where that is forced, and with GRE keys (RFC 5844 section 4, RFC 5845): a
//! host of both families moves with sessions of both open. tshark reads what passes the core.

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::dhcpv4::Client;
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::INTERFACE;
use lab::judge::{count, read};
use lab::network::End;
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use lab::transfer::Transfer;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// The correspondent's IPv4 address.
const CN4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);

/// IPv4 addresses of the gateways on the core.
const LMA4: &str = "192.0.2.1";
const MAGS4: [&str; 2] = ["192.0.2.11", "192.0.2.12"];

/// The host's IPv4 home address.
const FIXED: &str = "10.1.0.77";

/// What the gateways of a test are set to.
#[derive(Clone, Copy, Default)]
struct Kind {
    ipv4: bool,
    udp: bool,
    gre: bool,
}

/// The demonstration's domain; over IPv4, in UDP, with GRE.
fn adjust(kind: Kind) -> impl FnMut(&str, &mut Configuration) {
    move |name, configuration| {
        if let Some(host) = configuration.first_host() {
            match name {
                "lma" => {
                    host.insert("ipv4_home_address".into(), FIXED.into());
                }
                _ => {
                    host.insert("ipv4".into(), true.into());
                    if kind.ipv4 {
                        host.insert("lma".into(), LMA4.into());
                    }
                }
            }
        }
        let own = match name {
            "lma" => LMA4,
            "mag1" => MAGS4[0],
            _ => MAGS4[1],
        };
        let role = if name == "lma" { "lma" } else { "mag" };
        if kind.ipv4 {
            configuration.add_address("core", &format!("{own}/24"));
            configuration.set(role, "ipv4_address", own);
        }
        if name == "lma" {
            configuration.add_address("internet", "198.51.100.1/24");
            let network = toml::Table::from_iter([("prefix".into(), "10.1.0.0/16".into())]);
            configuration.set("lma", "ipv4_networks", vec![toml::Value::Table(network)]);
            if kind.ipv4 {
                let mags: Vec<toml::Value> = MAGS4.into_iter().map(toml::Value::from).collect();
                configuration.policy().insert("mags".into(), mags.into());
            }
            if kind.udp {
                configuration.set("lma", "accept_udp_encapsulation", true);
            }
            if kind.gre {
                // The MAGs learn by status 163 that they have to ask for it.
                configuration.set("lma", "gre", "required");
            }
        } else {
            configuration.add_address("access", "169.254.0.1/32");
            if kind.udp {
                configuration.set("mag", "udp_encapsulation", true);
            }
        }
    }
}

/// A host moves from one gateway to the other with a session of each family open; what passed the core.
fn a_move(kind: Kind) -> Result<(Domain, PathBuf)> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    network.cn.namespace.ip(&format!(
        "addr add {CN4}/24 dev {INTERFACE}\n\
         route add default via 198.51.100.1 dev {INTERFACE}\n"
    ))?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust(kind))?;
    let directory = domain.network.run.directory().to_path_buf();
    let core = directory.join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let client = Client::start(&domain.network, &mn)?;
    let bound = client.wait(&["BOUND"], 1, LIMIT);
    ensure!(bound.with_context(|| domain.troubles())?[1] == FIXED);
    mn.wait_for_address(LIMIT)
        .with_context(|| domain.troubles())?;
    ensure!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    let session = |to: IpAddr, log: &str| {
        let cn = &domain.network.cn.namespace;
        let log = directory.join(log);
        Transfer::start(&programs, &mn.namespace, cn, to, 200_000, &log)
            .with_context(|| domain.troubles())
    };
    let sessions = [
        session(CN4.into(), "tcp4.log")?,
        session(CN.into(), "tcp6.log")?,
    ];
    std::thread::sleep(Duration::from_millis(500));
    domain.network.plug(&mn, 1)?;
    std::thread::sleep(Duration::from_secs(2));
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(
            outcome.intact && outcome.bytes > 200_000,
            "{outcome:?}\n{}",
            domain.troubles()
        );
    }
    drop(client);
    domain.stop_well()?;
    capture.stop()?;
    Ok((domain, core))
}

/// Each of these frames is there, and none of those.
fn judge(core: &Path, there: &[String], not_there: &[&str]) -> Result<()> {
    for filter in there {
        ensure!(count(core, filter)? > 0, "no {filter}");
    }
    for filter in not_there {
        ensure!(count(core, filter)? == 0, "{filter}");
    }
    ensure!(count(core, "_ws.malformed")? == 0, "malformed");
    Ok(())
}

/// Proves S1-46.
#[test]
fn over_ipv4_alone() -> Result<()> {
    let kind = Kind {
        ipv4: true,
        ..Kind::default()
    };
    let (_domain, core) = a_move(kind)?;
    let mut there = Vec::new();
    for mag in MAGS4 {
        for inner in [4, 41] {
            there.push(format!(
                "ip.src == {mag} && ip.dst == {LMA4} && ip.proto == {inner}"
            ));
            there.push(format!(
                "ip.src == {LMA4} && ip.dst == {mag} && ip.proto == {inner}"
            ));
        }
        there.push(format!("ip.src == {mag} && udp.dstport == 5436"));
        there.push(format!("ip.dst == {mag} && udp.srcport == 5436"));
    }
    let none = [
        "mipv6 && !udp",
        "udp.port == 5437",
        "eth.type == 0x86dd && !icmpv6",
    ];
    judge(&core, &there, &none)?;
    // The mobility header right behind UDP, its own checksum zero (RFC 5844 section 4.2.2.1).
    let signalling = read(&core, "udp.port == 5436", &["udp.payload", "udp.checksum"])?;
    for message in &signalling {
        let octets = message[0].replace(':', "");
        ensure!(
            octets.starts_with("3b") && &octets[8..12] == "0000",
            "{message:?}"
        );
        ensure!(message[1] != "0x0000", "{message:?}");
    }
    Ok(())
}

/// Proves S1-46.
#[test]
fn over_ipv4_in_udp() -> Result<()> {
    let kind = Kind {
        ipv4: true,
        udp: true,
        ..Kind::default()
    };
    let (_domain, core) = a_move(kind)?;
    let mut there = Vec::new();
    for mag in MAGS4 {
        there.push(format!(
            "ip.src == {mag} && udp.srcport == 5437 && udp.dstport == 5437"
        ));
        there.push(format!(
            "ip.dst == {mag} && udp.srcport == 5437 && udp.dstport == 5437"
        ));
    }
    judge(&core, &there, &["ip.proto == 41", "ip.proto == 4"])
}

/// The keys of both directions are those that were exchanged, over IPv6 and over IPv4.
///
/// Proves S1-46.
#[test]
fn with_gre_keys() -> Result<()> {
    for ipv4 in [false, true] {
        let kind = Kind {
            ipv4,
            gre: true,
            ..Kind::default()
        };
        let (_domain, core) = a_move(kind)?;
        let (to, from) = match ipv4 {
            true => (format!("ip.dst == {LMA4}"), format!("ip.src == {LMA4}")),
            false => (
                "ipv6.dst == 2001:db8:c::1".to_owned(),
                "ipv6.src == 2001:db8:c::1".to_owned(),
            ),
        };
        let there = [
            format!("gre.key && {to} && gre.proto == 0x0800"),
            format!("gre.key && {to} && gre.proto == 0x86dd"),
            format!("gre.key && {from} && gre.proto == 0x0800"),
            format!("gre.key && {from} && gre.proto == 0x86dd"),
        ];
        judge(&core, &there, &["gre && !gre.key", "udp.port == 5437"])?;
        // One session at the anchor keeps its uplink key through the move (section 3.3.2).
        let mut keys = read(&core, &format!("gre.key && {to}"), &["gre.key"])?;
        keys.dedup();
        ensure!(keys.len() == 1, "{keys:?}");
    }
    Ok(())
}
