//! How a host comes onto an access link: what it must show, what it is told, and who is let in.

use anyhow::{Context, Result};
use lab::capture::Capture;
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::INTERFACE;
use lab::judge::{count, read};
use lab::network::End;
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const ROUTER_MAC: &str = "02:00:5e:00:52:13";
const LIMIT: Duration = Duration::from_secs(20);

fn domain() -> Result<Domain> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    Domain::start(network, &programs, &default_conf(), |_, _| {})
}

fn list(domain: &Domain, gateway: &str, method: &str) -> Result<Vec<Value>> {
    let answer = domain.gateway(gateway)?.call(method, Value::Null)?;
    Ok(answer.as_array().context("not a list")?.clone())
}

/// A host's first solicitation is answered by an advertisement to it alone, whose prefix is its own; it
/// configures an address, finds its default router under the shared link-layer address, and reaches the
/// correspondent. Both gateways show the binding with both ends of the tunnel.
///
/// Proves S1-14, S1-23, S1-26, S1-30, S1-31, S1-32, S1-33, S1-34.
#[test]
fn a_solicitation_attaches_a_host() -> Result<()> {
    let mut domain = domain()?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    let access = domain.network.run.directory().join("access.pcap");
    let core = domain.network.run.directory().join("core.pcap");
    let switch = &domain.network.switch;
    let captures = [
        Capture::start(End::of(switch, "access1"), &access)?,
        Capture::start(End::of(switch, CORE), &core)?,
    ];
    domain.network.plug(&mn, 0)?;
    let address = mn.wait_for_address(LIMIT)?;
    assert!(mn.reaches(CN, LIMIT));
    // Forgetting the router makes the host ask who has its address.
    mn.namespace.ip(&format!("neigh flush dev {INTERFACE}\n"))?;
    assert!(mn.reaches(CN, LIMIT));

    let bindings = list(&domain, "lma", "bindings")?;
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    assert_eq!(bindings[0]["identifier"], "mn1@example.net");
    assert_eq!(bindings[0]["care_of_address"], "2001:db8:c::11");
    assert_eq!(bindings[0]["state"], "active");
    let visitors = list(&domain, "mag1", "visitors")?;
    assert_eq!(visitors.len(), 1, "{visitors:?}");
    assert_eq!(visitors[0]["mac"], MN_MAC);
    assert_eq!(visitors[0]["identifier"], "mn1@example.net");
    let prefix = bindings[0]["prefixes"][0].as_str().context("no prefix")?;
    let network = prefix.strip_suffix("::/64").context("not a /64")?;
    assert!(
        address.to_string().starts_with(network),
        "{address} is not of {prefix}"
    );

    domain.stop_well()?;
    for capture in captures {
        capture.stop()?;
    }
    let fields = [
        "eth.dst",
        "ipv6.src",
        "ipv6.dst",
        "icmpv6.opt.prefix",
        "icmpv6.opt.prefix.flag.l",
        "icmpv6.opt.linkaddr",
    ];
    let advertisements = read(&access, "icmpv6.type == 134", &fields)?;
    assert!(!advertisements.is_empty());
    let links: Vec<String> = mn.link_local()?.iter().map(ToString::to_string).collect();
    for advertisement in advertisements {
        assert_eq!(advertisement[..2], [MN_MAC, "fe80::1"]);
        let to = &advertisement[2];
        assert!(to == "ff02::1" || links.contains(to), "sent to {to}");
        assert_eq!(advertisement[3], format!("{network}::"));
        assert!(
            matches!(&*advertisement[4], "0" | "False"),
            "{advertisement:?}"
        );
        assert_eq!(advertisement[5], ROUTER_MAC);
    }
    // Each solicitation was answered to its own sender.
    assert!(count(&access, "icmpv6.type == 133")? >= 1);
    let asked = "icmpv6.type == 136 && icmpv6.nd.na.target_address == fe80::1";
    let answers = read(&access, asked, &["eth.src", "icmpv6.opt.linkaddr"])?;
    assert!(!answers.is_empty(), "nobody answered for the router");
    for answer in answers {
        assert_eq!(answer, [ROUTER_MAC, ROUTER_MAC]);
    }
    // The acknowledgement comes after the update and before the first tunnelled packet.
    let first = |filter: &str| -> Result<u64> {
        let frames = read(&core, filter, &["frame.number"])?;
        Ok(frames.first().with_context(|| format!("no {filter}"))?[0].parse()?)
    };
    let (update, answer) = (first("mip6.mhtype == 5")?, first("mip6.mhtype == 6")?);
    assert!(update < answer && answer < first("ipv6.nxt == 41")?);
    Ok(())
}

/// A host whose link-layer address no policy lists gets no advertisement, causes no update and has
/// nothing forwarded, even with an address and a route of its own making.
///
/// Proves S1-24.
#[test]
fn a_stranger_is_not_served() -> Result<()> {
    let domain = domain()?;
    let stranger = domain
        .network
        .mobile_node("stranger", "02:00:00:00:00:99")?;
    let directory = domain.network.run.directory();
    let (access, core) = (directory.join("access.pcap"), directory.join("core.pcap"));
    let switch = &domain.network.switch;
    let captures = [
        Capture::start(End::of(switch, "access1"), &access)?,
        Capture::start(End::of(switch, CORE), &core)?,
    ];
    let from = domain.notices.count();
    domain.network.plug(&stranger, 0)?;
    domain.notices.wait("a refusal", from, LIMIT, |notice| {
        notice.kind == "attach_refused"
    })?;
    stranger.namespace.ip(&format!(
        "addr add 2001:db8:1000:99::1/64 dev {INTERFACE} nodad\n\
         route add default via fe80::1 dev {INTERFACE}\n\
         neigh replace fe80::1 lladdr {ROUTER_MAC} dev {INTERFACE}\n"
    ))?;
    assert!(!stranger.reaches(CN, Duration::from_secs(2)));
    for capture in captures {
        capture.stop()?;
    }
    assert!(count(&access, "eth.src == 02:00:00:00:00:99")? > 0);
    assert_eq!(count(&access, "icmpv6.type == 134")?, 0);
    assert_eq!(count(&core, "mip6.mhtype == 5")?, 0);
    assert_eq!(count(&core, "ipv6.nxt == 41")?, 0);
    assert_eq!(count(&core, "ipv6.addr == 2001:db8:1000:99::1")?, 0);
    assert!(list(&domain, "lma", "bindings")?.is_empty());
    Ok(())
}

/// A host that is switched off and on again, its namespace made anew, gets the address it had.
///
/// Proves S1-40.
#[test]
fn a_rebooted_host_gets_its_address_again() -> Result<()> {
    let domain = domain()?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let before = mn.wait_for_address(LIMIT)?;
    drop(mn);
    let mn = domain.network.mobile_node("mn-again", MN_MAC)?;
    domain.network.plug(&mn, 1)?;
    assert_eq!(mn.wait_for_address(LIMIT)?, before);
    assert!(mn.reaches(CN, LIMIT));
    Ok(())
}

/// The prefix that policy fixes for a host, and the address of it that the host has been given by hand.
const BY_HAND: [&str; 2] = ["2001:db8:2000:3::/64", "2001:db8:2000:3::7"];

/// A host whose address and default router were set up by hand takes no prefix out of an advertisement and
/// asks no server. It is found by what it says, goes on to another gateway with a TCP session open, and the
/// session goes on byte for byte.
///
/// Proves S1-36, S1-41.
#[test]
fn a_host_that_is_set_up_by_hand_moves_with_its_session() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let fix = |name: &str, configuration: &mut Configuration| {
        if let Some(host) = configuration.first_host().filter(|_| name == "lma") {
            host.insert("home_network_prefixes".into(), vec![BY_HAND[0]].into());
        }
    };
    let mut domain = Domain::start(network, &programs, &default_conf(), fix)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    let [_, address] = BY_HAND;
    mn.namespace
        .sysctl(&[&format!("net.ipv6.conf.{INTERFACE}.accept_ra=0")])?;
    mn.namespace.ip(&format!(
        "addr add {address}/64 dev {INTERFACE}\nroute add default via fe80::1 dev {INTERFACE}\n"
    ))?;
    domain.network.plug(&mn, 0)?;
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    let visitors = list(&domain, "mag1", "visitors")?;
    let known = visitors[0]["addresses"].as_array().context("no list")?;
    assert!(known.iter().any(|it| it["address"] == address), "{known:?}");

    let log = domain.network.run.directory().join("tcp.log");
    let cn = &domain.network.cn.namespace;
    let session = Transfer::start(&programs, &mn.namespace, cn, CN, 200_000, &log)?;
    std::thread::sleep(Duration::from_millis(500));
    domain.network.plug(&mn, 1)?;
    domain.wait_forgotten("mag1", LIMIT)?;
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    let outcome = session.stop()?;
    assert!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    let visitors = list(&domain, "mag2", "visitors")?;
    assert_eq!(visitors[0]["prefixes"][0], BY_HAND[0]);
    domain.stop_well()
}

/// The access network's word attaches and detaches a host, by `anchorctl`; and what the policy says of a
/// home link is what its host is told in the M and O flags.
///
/// Proves S1-35.
#[test]
fn the_operator_attaches_and_detaches_a_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let domain = Domain::start(
        network,
        &programs,
        &default_conf(),
        |name, configuration| {
            let host = configuration
                .policy()
                .get_mut("host")
                .and_then(|hosts| hosts.get_mut(0));
            if let (true, Some(host)) = (name != "lma", host.and_then(toml::Value::as_table_mut)) {
                host.insert("other".into(), true.into());
            }
        },
    )?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    let access = domain.network.run.directory().join("access.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, "access1"), &access)?;
    let from = domain.notices.count();
    domain.anchorctl("mag1", &["attach", "access", MN_MAC])?;
    domain.notices.wait("the binding", from, LIMIT, |notice| {
        notice.gateway == "mag1" && notice.kind == "binding_up"
    })?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    assert!(mn.reaches(CN, LIMIT));
    domain.anchorctl("mag1", &["detach", "--identifier", "mn1@example.net"])?;
    domain.notices.wait("the goodbye", from, LIMIT, |notice| {
        notice.gateway == "mag1" && notice.kind == "binding_down"
    })?;
    assert!(!mn.reaches(CN, Duration::from_secs(2)));
    capture.stop()?;
    let fields = [
        "icmpv6.nd.ra.flag.m",
        "icmpv6.nd.ra.flag.o",
        "icmpv6.nd.ra.router_lifetime",
    ];
    let advertisements = read(&access, "icmpv6.type == 134", &fields)?;
    for flags in &advertisements {
        assert!(matches!(&*flags[0], "0" | "False"), "{flags:?}");
        assert!(matches!(&*flags[1], "1" | "True"), "{flags:?}");
    }
    let last = advertisements.last().context("no advertisement")?;
    assert_eq!(last[2], "0", "the router did not say goodbye");
    Ok(())
}
