//! `anchor-perf crash`: whether a gateway that is killed comes back with what it has acknowledged. Here for an anchor; an
//! access gateway has [a crash of its own](super::access).
//!
//! A binding that is back may be newer than the last acknowledgement that was heard, for it is kept
//! before that is sent. It may not be missing, nor older, nor elsewhere at the same time.

use super::{access, kept, measure, Storm};
use crate::eal::EalArguments;
use crate::gateway::{Gateway, Kept, Role};
use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::mh::NtpTime;

/// Longest time that a storm may take until it is felt.
const LIMIT: Duration = Duration::from_secs(30);

/// Bindings that are asked for at once.
const PAGE: usize = 4_096;

/// Seconds by which times may differ that are the same: they come as numbers with a fraction.
const SAME: f64 = 1e-6;

/// What is tried.
#[derive(Args, Debug)]
pub struct Arguments {
    /// What is killed: an anchor whose hosts register and move, or an access gateway whose hosts attach and are
    /// revoked.
    #[arg(long, value_enum, default_value = "lma")]
    role: Role,
    /// Hosts that do so without end.
    #[arg(long, default_value_t = 2_000)]
    pub(super) hosts: u64,
    /// How often it is killed.
    #[arg(long, default_value_t = 10)]
    pub(super) rounds: u32,
    /// Fixes when [default: another one each time].
    #[arg(long)]
    seed: Option<u64>,
    /// Longest time under load before it is killed, in milliseconds.
    #[arg(long, default_value_t = 300)]
    pub(super) within_ms: u64,
    /// What the store survives.
    #[arg(long, value_enum, default_value = "process")]
    pub(super) store: Kept,
    /// The anchord to start [default: the one beside this program].
    #[arg(long, value_name = "PROGRAM")]
    pub(super) anchord: Option<PathBuf>,
    /// How DPDK starts, at the ends of an access gateway's links.
    #[command(flatten)]
    pub(super) eal: EalArguments,
}

/// The last acknowledgement of a host: to whom, and the time of its update.
type Last = (Ipv6Addr, f64);

/// Tries it.
///
/// # Errors
/// When something that was acknowledged is lost, or anything fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("crash     {} rounds, --seed {seed}", arguments.rounds);
    match arguments.role {
        Role::Lma => anchor(arguments, seed),
        Role::Mag => access::run(arguments, seed),
    }
}

fn anchor(arguments: &Arguments, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let plan = measure::plan(arguments.hosts)?;
    let program = arguments.anchord.as_ref();
    let mut gateway = kept(Role::Lma, program, None, arguments.store, &plan)?;
    let directory = tempfile::tempdir()?;
    let journal = directory.path().join("journal");
    let mut all = BTreeMap::new();
    let hosts = arguments.hosts.to_string();
    let words = [
        "--hosts",
        &hosts,
        "--access-gateways",
        "4",
        "--rounds",
        "8000",
        "--retransmit-ms",
        "200",
    ];
    let words = words.map(str::to_owned);
    for round in 1..=arguments.rounds {
        // So that what is read is this round's.
        let _ = std::fs::remove_file(&journal);
        let storm = Storm::start(&gateway, &words, &journal)?;
        felt(&journal, arguments.hosts, &gateway)?;
        let wait = Duration::from_millis(random.random_range(0..=arguments.within_ms));
        std::thread::sleep(wait);
        gateway.crash()?;
        storm.end()?;
        let heard = read(&journal)?;
        let acknowledged = heard.len();
        all.extend(heard);
        let took = gateway.again()?;
        let newer = compare(&gateway, &all)
            .with_context(|| format!("round {round} of seed {seed}\n{}", gateway.tail()))?;
        println!(
            "round {round:<3} killed after {} ms: {acknowledged} hosts acknowledged, {} known, {newer} newer, \
             back after {:.3} s",
            wait.as_millis(),
            all.len(),
            took.as_secs_f64()
        );
    }
    ensure!(!all.is_empty(), "nothing was ever acknowledged");
    gateway.stop()
}

/// Waits until the storm blows: the first answers of a gateway wait for its neighbours.
fn felt(journal: &Path, hosts: u64, gateway: &Gateway) -> Result<()> {
    let start = Instant::now();
    loop {
        let heard = std::fs::read_to_string(journal).unwrap_or_default();
        if heard.lines().count() as u64 >= hosts.div_ceil(2) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < LIMIT,
            "the storm is not felt\n{}",
            gateway.tail()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads what a storm has heard.
fn read(journal: &Path) -> Result<BTreeMap<u64, Last>> {
    let text = std::fs::read_to_string(journal)?;
    let line = |line: &str| {
        let mut words = line.split(' ');
        let host = words.next()?.parse().ok()?;
        let care_of = words.next()?.parse().ok()?;
        let time = NtpTime(words.next()?.parse().ok()?);
        Some((host, (care_of, time.to_unix().as_secs_f64())))
    };
    let lines = text.lines().map(line);
    lines.collect::<Option<_>>().context("a broken journal")
}

/// Compares what the anchor has with what was acknowledged; how many bindings are newer than that.
fn compare(gateway: &Gateway, all: &BTreeMap<u64, Last>) -> Result<usize> {
    let mut there = BTreeMap::new();
    loop {
        let page = gateway.ask("bindings", &json!({"skip": there.len(), "limit": PAGE}))?;
        let page = page.as_array().context("no list of bindings")?;
        for binding in page {
            let name = binding["identifier"].as_str().unwrap_or_default();
            let host: u64 = name.split('@').next().unwrap_or_default().parse()?;
            let care_of = binding["care_of_address"].as_str().unwrap_or_default();
            let time = binding["timestamp"].as_f64().context("no timestamp")?;
            there.insert(host, (care_of.parse::<Ipv6Addr>()?, time));
        }
        if page.len() < PAGE {
            break;
        }
    }
    let mut newer = 0;
    for (host, &(care_of, time)) in all {
        let Some(&(now_at, now)) = there.get(host) else {
            bail!("host {host} was acknowledged at {care_of} and is lost");
        };
        if now > time + SAME {
            newer += 1;
        } else if now < time - SAME || now_at != care_of {
            bail!("host {host} was acknowledged at {care_of} ({time:.6}) and is back at {now_at} ({now:.6})");
        }
    }
    Ok(newer)
}
