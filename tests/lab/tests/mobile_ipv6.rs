//! A host that leaves the domain and goes on by Mobile IPv6: its kernel is its end of the tunnel, and its
//! registration comes to the anchor by the control socket, as a home agent's signalling would bring it.

use anyhow::{Context, Result};
use lab::capture::Capture;
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::host::{Host, INTERFACE};
use lab::judge::count;
use lab::network::End;
use lab::ping::{now_us, Pinger};
use lab::topology::{Plan, Topology, CN, CORE, LMA, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Where the host is when it is away: a network that no gateway of the domain serves.
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x77);

/// The host's interface goes down and comes up, and everything that it had is gone; what a router says is
/// heard or not.
fn begin_anew(mn: &Host, accept_ra: u8) -> Result<()> {
    mn.namespace
        .ip(&format!("link set dev {INTERFACE} down\n"))?;
    mn.namespace
        .sysctl(&[&format!("net.ipv6.conf.{INTERFACE}.accept_ra={accept_ra}")])?;
    let up = format!("link set dev {INTERFACE} up\n");
    mn.namespace.ip(&up).map(drop)
}

/// The host's own end of the tunnel (RFC 6275 section 11.3.1): all that it sends from `home` goes to its
/// home agent, and what comes out of the tunnel is its own.
fn leave(mn: &Host, home: Ipv6Addr) -> Result<()> {
    begin_anew(mn, 0)?;
    let source = CARE_OF.to_string();
    mn.namespace.ip(&format!(
        "addr add {CARE_OF}/64 dev {INTERFACE} nodad\n\
         addr add {home}/128 dev lo nodad\n"
    ))?;
    mn.namespace.run(&["ip", "sr", "tunsrc", "set", &source])?;
    // What is tunnelled (next header 41) is looked up before the host's addresses.
    mn.namespace.ip6(&format!(
        "route add default encap seg6 mode encap.red segs {LMA} dev {INTERFACE} src {home}\n\
         route add {CARE_OF}/128 encap seg6local action End.DT6 table local dev {INTERFACE} table 41\n\
         rule add pref 1 table local\n\
         rule del pref 0\n\
         rule add pref 0 ipproto 41 iif {INTERFACE} table 41\n"
    ))?;
    Ok(())
}

/// The kinds of the anchor's bindings.
fn kinds(domain: &Domain) -> Result<Vec<String>> {
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    let kinds = bindings.as_array().context("not a list")?.iter();
    let mut kinds: Vec<String> = kinds
        .filter_map(|it| it["kind"].as_str().map(str::to_owned))
        .collect();
    kinds.sort_unstable();
    Ok(kinds)
}

/// A TCP session and a ping that were begun in the domain go on outside of it, from the same address, while
/// the prefix around it is still a gateway's and when that is revoked; and at another gateway when the
/// host has come back.
///
/// Proves S1-17, S1-47.
#[test]
fn a_host_leaves_the_domain_with_its_sessions_and_comes_back() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let home = mn.wait_for_address(LIMIT)?;
    let log = domain.network.run.directory().join("hosts.log");
    let every = Duration::from_millis(20);
    let (here, there) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&programs, here, there, CN, 200_000, &log)?;

    // Out of the domain.
    let core = domain.network.run.directory().join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    domain.network.switch.plug(&mn.cable, CORE)?;
    leave(&mn, home)?;
    let register = |lifetime: &str| {
        let (home, away) = (home.to_string(), CARE_OF.to_string());
        let words = ["register", "mn1@example.net", &home, &away, "-l", lifetime];
        domain.anchorctl("lma", &words)
    };
    let said = register("300")?;
    assert!(
        said.starts_with(&format!("{home} is registered for 300 s")),
        "{said}"
    );
    assert_eq!(kinds(&domain)?, ["mobile", "proxy"]);
    let pinger = Pinger::start(&programs, &mn, CN, every, &log)?;
    pinger
        .wait_through(0, LIMIT)
        .with_context(|| domain.troubles())?;
    domain.anchorctl("lma", &["revoke", "--all"])?;
    assert_eq!(kinds(&domain)?, ["mobile"]);
    pinger.wait_through(now_us(), LIMIT)?;

    // Back, at the other gateway.
    let said = register("0")?;
    assert_eq!(said, format!("the binding of {home} has ended\n"));
    capture.stop()?;
    domain.network.plug(&mn, 1)?;
    mn.namespace.ip(&format!("addr del {home}/128 dev lo\n"))?;
    begin_anew(&mn, 1)?;
    assert_eq!(mn.wait_for_address(LIMIT)?, home);
    pinger
        .wait_through(now_us(), LIMIT)
        .with_context(|| domain.troubles())?;
    assert_eq!(kinds(&domain)?, ["proxy"]);
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    pinger.stop()?;
    domain.stop_well()?;

    // Both ways between the host and its anchor, and not by a gateway.
    for (from, to) in [(CARE_OF, LMA), (LMA, CARE_OF)] {
        let outer = format!("ipv6.src=={from} && ipv6.dst=={to} && ipv6.addr=={home} && tcp");
        assert!(count(&core, &outer)? > 0, "{outer}");
    }
    Ok(())
}
