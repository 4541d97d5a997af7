//! What a host is told on either access link, as `anchor-mn` on the host sees it.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::host::INTERFACE;
use lab::topology::{Plan, Topology, MN_MAC};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// A solicitation from the host's link-local address, with what answered it.
fn solicit(domain: &Domain, mn: &lab::host::Host) -> Result<Value> {
    let program = domain.programs.demo.with_file_name("anchor-mn");
    let program = program.to_str().context("a path that is not text")?;
    let words = [program, "solicit", "--interface", INTERFACE, "--json"];
    let text = mn.namespace.run(&words)?;
    let mut told: Value = serde_json::from_str(text.trim())
        .with_context(|| format!("anchor-mn does not say what it heard: {text}"))?;
    Ok(told[0].take())
}

/// The host solicits on one access link, moves, and solicits on the other: each time it alone is told, at its
/// link-local address, of the same router with the same prefix, off link.
///
/// Proves S1-30, S1-31, S1-32, S1-34, S1-41.
#[test]
fn both_access_links_look_like_one_to_the_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    // Its global address may be through duplicate address detection before its link-local one.
    let end = Instant::now() + LIMIT;
    let mut own = mn.link_local()?;
    while own.is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        own = mn.link_local()?;
    }

    let at_mag1 = solicit(&domain, &mn)?;
    domain.network.plug(&mn, 1)?;
    let at_mag2 = solicit(&domain, &mn)?;
    for told in [&at_mag1, &at_mag2] {
        ensure!(told["unicast"] == true, "everybody was told: {told}");
        let destination = told["destination"].as_str().unwrap_or("?").parse()?;
        ensure!(own.contains(&destination), "not at one of {own:?}: {told}");
        let [prefix] = told["prefixes"]
            .as_array()
            .context("no prefixes")?
            .as_slice()
        else {
            anyhow::bail!("not one prefix: {told}");
        };
        ensure!(prefix["on_link"] == false, "on link: {told}");
    }
    for same in ["router", "router_mac", "prefixes"] {
        assert_eq!(at_mag1[same], at_mag2[same], "{same}");
    }
    domain.stop_well()
}
