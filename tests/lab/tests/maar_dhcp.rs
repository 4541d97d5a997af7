//! The draft's way without a database, by DHCPv6: three MAARs, a real Kea that holds the leases, and a host
//! whose real dhclient gets its addresses from it.

use anyhow::{ensure, Result};
use lab::command;
use lab::dhcp::{Client, Server};
use lab::gateway::Programs;
use lab::host::INTERFACE;
use lab::roam::leases::{self, begin, serve, ROUTER};
use lab::roam::{Bed, MAARS, WALK};
use lab::topology::CN;
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// The address that its anchor has in the prefix of a host's address.
fn anchor_of(address: &str) -> Result<Ipv6Addr> {
    let address: Ipv6Addr = address.parse()?;
    let site = address.to_bits() >> 64 << 64;
    Ok(Ipv6Addr::from_bits(site | 0x0200_5eff_fe00_5213))
}

/// A bed without a database, whose host takes addresses from DHCPv6 alone.
fn lay(mobile: bool) -> Result<(Bed, PathBuf)> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf");
    leases::lay(&programs, &conf, MAARS, mobile)
}

/// What the operator is shown of the server, once it satisfies.
fn until_shown(bed: &Bed, satisfies: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = Instant::now() + LIMIT;
    loop {
        let shown = bed.maar(0)?.call("dhcp", json!({}))?;
        if shown["looks"].as_u64() > Some(0) && satisfies(&shown) {
            return Ok(shown);
        }
        ensure!(Instant::now() < end, "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The host's global addresses with their preferred lifetimes.
fn addresses(bed: &Bed) -> Result<Vec<(String, u64)>> {
    let name = bed.host().namespace.name();
    let words = ["ip", "-n", name, "-j", "-6", "addr", "show", "dev"];
    let shown = command::run(&[&words[..], &[INTERFACE, "scope", "global"]].concat())?;
    let shown: Value = serde_json::from_str(&shown)?;
    let known = shown[0]["addr_info"].as_array().cloned();
    let one = |it: &Value| {
        let left = it["preferred_life_time"].as_u64();
        Some((it["local"].as_str()?.to_owned(), left?))
    };
    Ok(known.iter().flatten().filter_map(one).collect())
}

/// What client and server have said.
fn told(client: &Client, server: &Server) -> String {
    format!("dhclient:\n{}\nkea:\n{}", client.log(), server.log())
}

/// The host walks 1-2-3-1-2. At each stop its client gets an address of the MAAR's prefix, its older ones
/// come back deprecated, their anchors are told, and a TCP session begins; all of them live. Every MAAR is
/// the same router to it, and its anchors answer at their addresses in its prefixes, wherever it is.
///
/// Proves S2-37, S2-38, S2-39, S2-40, S2-41, S2-42.
#[test]
fn leases_tell_the_anchors_of_a_host_that_walks() -> Result<()> {
    let (bed, place) = lay(true)?;
    let walked = walk(&bed, &place);
    walked.map_err(|error| error.context(bed.troubles()))?;
    bed.stop_well()
}

fn walk(bed: &Bed, place: &Path) -> Result<()> {
    // Said before there is a server, and in order once there is.
    until_shown(bed, |shown| {
        shown["mismatches"][0]
            .as_str()
            .is_some_and(|it| it.contains("cannot be asked"))
    })?;
    let server = serve(bed, MAARS, place)?;
    until_shown(bed, |shown| shown["mismatches"] == json!([]))?;

    let mut sessions = Vec::new();
    let mut client;
    for (index, earlier) in WALK.into_iter().zip([0, 1, 2, 2, 2]) {
        let began = bed.plug(index)?;
        client = begin(bed)?;
        let stop = bed
            .settle(index, earlier, began)
            .map_err(|error| error.context(told(&client, &server)))?;
        println!("at MAAR {}: {stop:?}", index + 1);
        let known = addresses(bed)?;
        let here = format!("2001:db8:2{}", index + 1);
        let (preferred, deprecated): (Vec<_>, Vec<_>) =
            known.iter().partition(|(_, preferred)| *preferred > 0);
        ensure!(
            preferred.len() == 1 && preferred[0].0.starts_with(&here),
            "{known:?}"
        );
        assert_eq!(deprecated.len(), earlier, "{known:?}");
        for (address, _) in &known {
            let anchor = anchor_of(address)?;
            ensure!(
                bed.host().reaches(anchor, LIMIT),
                "{anchor} does not answer"
            );
        }
        assert_eq!(bed.host().routers()?, [ROUTER.parse::<Ipv6Addr>()?]);
        sessions.push(bed.begin()?);
        std::thread::sleep(Duration::from_millis(200));
        drop(client);
    }
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    }
    Ok(())
}

/// A host without the mobility service gets an address at each stop, of each MAAR alone: nobody is told
/// of it, and nothing is kept.
///
/// Proves S2-47.
#[test]
fn a_host_without_mobility_gets_plain_dhcp() -> Result<()> {
    let (bed, place) = lay(false)?;
    let visited = visit(&bed, &place);
    visited.map_err(|error| error.context(bed.troubles()))?;
    bed.stop_well()
}

fn visit(bed: &Bed, place: &Path) -> Result<()> {
    let server = serve(bed, MAARS, place)?;
    for index in [0, 1] {
        // It has no session that would want an older address.
        let name = bed.host().namespace.name();
        command::run(&[
            "ip", "-n", name, "-6", "addr", "flush", "dev", INTERFACE, "scope", "global",
        ])?;
        let began = bed.plug(index)?;
        let client = begin(bed)?;
        bed.settle(index, 0, began)
            .map_err(|error| error.context(told(&client, &server)))?;
        assert_eq!(addresses(bed)?.len(), 1);
        assert!(bed.host().reaches(CN, LIMIT));
        assert_eq!(bed.counted(index, "updates_sent")?, 0);
    }
    Ok(())
}
