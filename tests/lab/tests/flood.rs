//! A stranger on the core floods the LMA with updates under made-up names.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::forge::Flood;
use lab::gateway::Programs;
use lab::topology::{Plan, Topology, CN, LMA, MN_MAC};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// While the flood goes on, a host attaches, talks, moves and talks on: what the MAGs signal gets
/// through, what the stranger makes up is limited, counted, and leaves nothing behind.
#[test]
fn forged_signalling_keeps_no_host_out() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let stranger = network.stranger()?;
    let mn = network.mobile_node("mn", MN_MAC)?;
    let log = network.run.directory().join("flood.log");
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let flood = Flood::start(&programs, &stranger, LMA, &log)?;
    let limited = || domain.gateway("lma")?.counter("drop_signalling_limited");
    let until = Instant::now() + LIMIT;
    while limited()? < 10_000 {
        ensure!(Instant::now() < until, "the flood is not felt");
        std::thread::sleep(Duration::from_millis(50));
    }
    domain.network.plug(&mn, 0)?;
    let address = mn
        .wait_for_address(LIMIT)
        .with_context(|| domain.troubles())?;
    ensure!(
        mn.reaches(CN, LIMIT),
        "no packet gets through at mag1\n{}",
        domain.troubles()
    );
    let before = limited()?;
    domain.network.plug(&mn, 1)?;
    ensure!(
        mn.reaches(CN, LIMIT),
        "no packet gets through at mag2\n{}",
        domain.troubles()
    );
    ensure!(limited()? > before, "the flood had ended");
    let sent = flood.stop()?;
    ensure!(sent > 10_000, "the stranger sent {sent} packets only");
    ensure!(mn.addresses()? == [address], "the host has another address");
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    let bindings = bindings.as_array().context("not a list")?;
    assert_eq!(bindings.len(), 1, "a forged update made a binding");
    domain.stop_well()
}
