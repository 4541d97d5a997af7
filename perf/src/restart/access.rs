//! `anchor-perf crash --role mag`: whether an access gateway that is killed serves whom it has served.
//!
//! ```text
//!   hosts attach and are revoked ─► kill -9, at random ─► start ─► visitors: compared with what was said
//!             ▲                                                           │
//!             └── a packet through to each host ◄── from the anchor's side ◄┘
//! ```

use super::crash::Arguments;
use super::hosts::{host_of, AnchorsLink, Hosts, HostsLink};
use super::kept;
use super::probe::{self, Probe};
use crate::gateway::configuration::MACS;
use crate::gateway::{Gateway, Role};
use anyhow::{ensure, Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::mh::HomeNetworkPrefix;

/// Prefixes that each host may have, one after the other.
const TURNS: u64 = 2_048;

/// Longest time until the first host hears something.
const LIMIT: Duration = Duration::from_secs(30);

/// Time between two looks at the links: the processor is the gateway's too.
const PAUSE: Duration = Duration::from_micros(50);

/// Visitors that are asked for at once.
const PAGE: usize = 4_096;

/// Tries it.
///
/// # Errors
/// When something that was said is not so afterwards, or anything fails.
pub(super) fn run(arguments: &Arguments, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = arguments.hosts;
    let plan = probe::plan(Role::Mag, count)?;
    let places = Arc::new(probe::plan(Role::Mag, count * TURNS)?);
    let program = arguments.anchord.as_ref();
    let mut gateway = kept(Role::Mag, program, None, arguments.store, &plan)?;
    gateway.crash()?;
    let mut probe = Probe::open(&arguments.eal, Role::Mag, &places, count)?;
    gateway.connect_to(probe.sockets(), &plan)?;
    let [to, _] = MACS;
    let stations = (probe.sides().0.own(), to.parse()?);
    let mut hosts = Hosts::new(places, usize::try_from(count)?, stations, random.random());
    let mut begun = Instant::now();
    gateway.again()?;
    let mut compared = 0;
    for round in 1..=arguments.rounds {
        probe.joined(begun)?;
        let wait = Duration::from_millis(random.random_range(0..=arguments.within_ms));
        let told = load(&mut probe, &mut hosts, wait).with_context(|| gateway.tail())?;
        // From here on nobody looks at links whose other end has gone.
        gateway.crash()?;
        probe.gone()?;
        begun = gateway.launch_again()?;
        gateway.wait()?;
        let took = begun.elapsed();
        let told_of = || format!("round {round} of seed {seed}\n{}", gateway.tail());
        let newer = hosts.compare(&served(&gateway)?).with_context(told_of)?;
        let bound = hosts.bound();
        compared += bound.len();
        let through = bound.len();
        probe.reach(begun, bound).with_context(told_of)?;
        println!(
            "round {round:<3} killed after {} ms: {told} times told something, {through} hosts served, {newer} newer, \
             back after {:.3} s",
            wait.as_millis(),
            took.as_secs_f64()
        );
    }
    ensure!(compared > 0, "nothing was ever acknowledged");
    gateway.stop()?;
    probe.close()
}

/// Lets hosts come and go until something was said, and then for `wait`; how often something was.
fn load(probe: &mut Probe, hosts: &mut Hosts, wait: Duration) -> Result<u64> {
    let before = hosts.told();
    let start = Instant::now();
    let mut first = None;
    while first.is_none_or(|first: Instant| first.elapsed() < wait) {
        let (anchors, link) = probe.sides();
        hosts.step(anchors, link);
        anchors.receive(&mut AnchorsLink(hosts), dpdk::cycles);
        link.receive(&mut HostsLink(hosts), dpdk::cycles);
        if hosts.told() > before {
            first.get_or_insert_with(Instant::now);
        }
        ensure!(start.elapsed() < LIMIT, "no host hears anything");
        std::thread::sleep(PAUSE);
    }
    Ok(hosts.told() - before)
}

/// The hosts that a gateway serves, each with its prefix.
fn served(gateway: &Gateway) -> Result<HashMap<usize, HomeNetworkPrefix>> {
    let mut served = HashMap::new();
    loop {
        let page = gateway.ask("visitors", &json!({"skip": served.len(), "limit": PAGE}))?;
        let page = page.as_array().context("no list of visitors")?;
        for visitor in page {
            let name = visitor["identifier"].as_str().unwrap_or_default();
            let host = host_of(name).with_context(|| format!("`{name}` is no host of ours"))?;
            ensure!(
                visitor["state"] == "bound" || visitor["state"] == "refreshing",
                "host {host} is {} after a start",
                visitor["state"]
            );
            let prefix = visitor["prefixes"][0].as_str().unwrap_or_default();
            served.insert(host, prefix.parse().context("a visitor without a prefix")?);
        }
        if page.len() < PAGE {
            return Ok(served);
        }
    }
}
