//! Gateways that fail and restart: their peers notice by heartbeats, and take up again what was lost.

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::judge::read;
use lab::network::End;
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);
const LMA: &str = "2001:db8:c::1";
const MAG1: &str = "2001:db8:c::11";

/// What a gateway says of a peer.
fn peer(domain: &Domain, gateway: &str, address: &str) -> Result<Value> {
    let peers = domain.gateway(gateway)?.call("peers", Value::Null)?;
    let peers = peers.as_array().context("not a list")?;
    let found = peers.iter().find(|peer| peer["address"] == address);
    found.cloned().context("no such peer")
}

/// Waits until a peer answers its gateway, and returns its Restart Counter.
fn counter(domain: &Domain, gateway: &str, address: &str) -> Result<u64> {
    let end = Instant::now() + LIMIT;
    loop {
        let it = peer(domain, gateway, address)?;
        if it["state"] == "up" {
            return it["restart_counter"].as_u64().context("no counter");
        }
        ensure!(Instant::now() < end, "{it}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn bindings(domain: &Domain) -> Result<Vec<Value>> {
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    Ok(bindings.as_array().context("not a list")?.clone())
}

/// A MAG is killed: its LMA notices, and keeps the binding. The MAG starts again, knows nothing, tells so, and
/// takes the host up again, at the prefix that it had. Then the LMA is killed and starts with nothing: the MAG
/// registers the host again before it has sent a packet.
#[test]
fn gateways_that_are_killed_are_missed_and_taken_up_again() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |name, conf| {
        let role = if name == "lma" { "lma" } else { "mag" };
        let mut heartbeat = toml::Table::new();
        heartbeat.insert("interval".into(), 1.into());
        heartbeat.insert("missing_allowed".into(), 1.into());
        conf.set(role, "heartbeat", heartbeat);
    })?;
    let core = domain.network.run.directory().join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let address = mn.wait_for_address(LIMIT)?;
    let before = counter(&domain, "lma", MAG1)?;
    counter(&domain, "mag1", LMA)?;

    let from = domain.notices.count();
    let configuration = domain.crash("mag1")?;
    let down = domain
        .notices
        .wait("the MAG to be missed", from, LIMIT, |it| {
            it.gateway == "lma" && it.kind == "peer_down"
        })?;
    assert_eq!(down.field("peer"), MAG1);
    assert!(domain.anchorctl("lma", &["peers"])?.contains("DOWN"));
    assert_eq!(bindings(&domain)?.len(), 1);

    domain.launch("mag1", configuration)?;
    domain
        .notices
        .wait("the restart to be noticed", from, LIMIT, |it| {
            it.gateway == "lma" && it.kind == "peer_restarted"
        })?;
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    assert_eq!(mn.addresses()?, [address]);
    assert!(counter(&domain, "lma", MAG1)? > before);

    // It has to know the counter that the LMA has now to see that the next is another.
    counter(&domain, "mag1", LMA)?;
    let from = domain.notices.count();
    domain.crash_and_restart("lma")?;
    domain
        .notices
        .wait("the host to be registered again", from, LIMIT, |it| {
            it.gateway == "lma" && it.kind == "binding_up"
        })?;
    let told = domain.notices.all();
    let told = |gateway: &str, kind: &str| {
        let since = told.get(from..).unwrap_or_default();
        since
            .iter()
            .any(|it| it.gateway == gateway && it.kind == kind)
    };
    assert!(told("mag1", "peer_restarted"));
    // Nothing of the host itself made it happen.
    assert!(!told("mag1", "attached"));
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    assert_eq!(mn.addresses()?, [address]);
    domain.stop_well()?;

    let core = capture.stop()?;
    let fields = ["ipv6.src", "mip6.hb.u_flag", "mip6.hb.r_flag"];
    let frames = read(&core, "mip6.mhtype == 13", &fields)?;
    let set = |field: &str| field == "1" || field == "True";
    let seen = |source: &str, unsolicited: bool, response: bool| {
        frames
            .iter()
            .any(|it| it[0] == source && set(&it[1]) == unsolicited && set(&it[2]) == response)
    };
    for source in [LMA, MAG1] {
        assert!(
            seen(source, false, false),
            "no request of {source}: {frames:?}"
        );
        assert!(
            seen(source, false, true),
            "no response of {source}: {frames:?}"
        );
        assert!(
            seen(source, true, true),
            "no notice of {source}: {frames:?}"
        );
    }
    Ok(())
}
