//! `anchor-perf forward`: what forwarding costs, in cycles of the gateway's own code.
//!
//! ```text
//!   Source ──> mbufs ──> dataplane::worker::Worker ──> mbufs ──> Verifier
//!   (world's numbers)       │ reads                   (octet by octet against packets.rs)
//!                        tables <── churn: moves at --writer per second
//! ```
//!
//! It is the worker of the gateway itself, over ports that hand over pointers ([`ports`]); all it does
//! for every packet is on: per-binding counters, hop limit, MTU, and the source check of what comes
//! out of a tunnel. Destinations are drawn over all bindings, every packet is a new one, and its
//! lines are not in the first-level cache ([`lane`] says why). A packet that is not, octet for octet,
//! what RFC 2473, 6040 and 6438 make of it, fails the run.

mod churn;
pub mod lane;
mod laps;
mod packets;
mod ports;
mod report;
mod verify;
pub mod world;

use crate::eal::{self, EalArguments};
use anyhow::{ensure, Context, Result};
use churn::Churn;
use clap::{Args, ValueEnum};
use dataplane::tables::Tables;
use dpdk::{Eal, Pool, PoolConfig};
use lane::{Lane, Outcome};
use packet::MAX_BURST;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use world::Size;

/// Which way packets take through the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PathKind {
    /// To hosts, into tunnels
    Encap,
    /// From hosts, out of tunnels, their sources checked
    Decap,
    /// By route, no tunnel
    Route,
    /// IPv4 into tunnels
    #[value(name = "4in6")]
    Ipv4,
}

impl PathKind {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Encap => "encap",
            Self::Decap => "decap",
            Self::Route => "route",
            Self::Ipv4 => "4in6",
        }
    }
}

/// How packets spread over bindings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Flows {
    /// All bindings alike
    Uniform,
    /// Few have most: exponent 1
    Zipf,
}

impl Flows {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
        }
    }
}

/// Measures what forwarding costs.
#[derive(Args)]
pub struct Arguments {
    /// Way of the packets
    #[arg(long, value_enum)]
    path: PathKind,
    /// Bindings, or on path route the routes of 64 bits; all of them get packets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    bindings: u32,
    /// Tunnels that the bindings share [default: as many as bindings, up to 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    tunnels: Option<u32>,
    /// How packets spread over bindings
    #[arg(long, value_enum, default_value_t = Flows::Uniform)]
    flows: Flows,
    /// Octets of the bare frame, without tunnel header and frame check sequence
    #[arg(long, value_name = "OCTETS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=9000))]
    frame: u16,
    /// Workers, each on a core of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Changes of bindings per second meanwhile, of which eight in ten are moves
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    writer: f64,
    /// Share of all packets that are forged binding updates from strangers; their cost is that of a round
    /// with them less that of one without
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    forged: f64,
    /// Packets of a round and worker
    #[arg(long, value_name = "N", default_value_t = 1 << 18, conflicts_with = "seconds")]
    packets: u64,
    /// Time of a round instead, packets being made and checked included
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Rounds, each once plain and once with the meter of the stages
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// The most packets that a receive call gives
    #[arg(long, value_name = "N", default_value_t = MAX_BURST as u16, value_parser = clap::value_parser!(u16).range(1..=MAX_BURST as i64))]
    burst: u16,
    /// Packets that are made at a time, before the worker gets the first of them
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..=1 << 20))]
    load: u32,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    eal: EalArguments,
}

/// What a run does, as every worker needs it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub path: PathKind,
    pub entries: u32,
    pub tunnels: u32,
    pub flows: Flows,
    pub frame: usize,
    pub workers: usize,
    pub writer: f64,
    /// Share of all packets that are forged signalling.
    pub forged: f64,
    pub packets: u64,
    pub seconds: Option<Duration>,
    pub rounds: u16,
    pub burst: usize,
    pub load: usize,
    pub seed: u64,
}

impl Plan {
    fn new(arguments: &Arguments) -> Result<Self> {
        ensure!(
            arguments.writer.is_finite() && arguments.writer >= 0.0,
            "--writer {} is not a rate",
            arguments.writer
        );
        ensure!(
            (0.0..=0.9).contains(&arguments.forged),
            "--forged {} is not a share of at most 0.9",
            arguments.forged
        );
        let seconds = arguments.seconds.map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .with_context(|| format!("--seconds {seconds} is not a time"))
        });
        let tunnels = arguments.tunnels.unwrap_or(arguments.bindings.min(1024));
        Ok(Self {
            path: arguments.path,
            entries: arguments.bindings,
            tunnels,
            flows: arguments.flows,
            frame: arguments.frame.into(),
            workers: arguments.workers.into(),
            writer: arguments.writer,
            forged: arguments.forged,
            packets: arguments.packets,
            seconds: seconds.transpose()?,
            rounds: arguments.rounds,
            burst: arguments.burst.into(),
            load: arguments.load as usize,
            seed: arguments.seed,
        })
    }

    /// Largest frame on either side.
    pub fn largest(&self) -> usize {
        self.frame + packets::OVERHEAD
    }

    /// Buffers of one worker: twice a load, so that a load is not made of those that the last one
    /// left in the cache.
    pub fn mbufs(&self) -> u32 {
        let forged = (self.load as f64 * self.forged_each()).ceil() as usize;
        (2 * (self.load + forged)).next_power_of_two() as u32 - 1
    }

    /// Forged packets for each other one.
    pub fn forged_each(&self) -> f64 {
        self.forged / (1.0 - self.forged)
    }

    /// Octets of a buffer behind its head room.
    pub fn room(&self) -> u16 {
        (self.largest() as u16).max(2048)
    }

    /// MB of packet memory for all workers, with DPDK's own structures around it.
    pub fn memory_mb(&self) -> u32 {
        const AROUND: usize = 512;
        let octets = self.workers * self.mbufs() as usize * (usize::from(self.room()) + AROUND);
        64 + (octets >> 20) as u32
    }
}

/// Runs the bench and prints what it found.
///
/// # Errors
/// When DPDK or the memory for the tables cannot be had, or a packet came out wrong.
pub fn run(arguments: &Arguments) -> Result<()> {
    let plan = Plan::new(arguments)?;
    let eal = eal::start(&arguments.eal, plan.memory_mb(), Vec::new())?;
    let cores = eal.cores().to_vec();
    ensure!(
        cores.len() >= plan.workers,
        "--workers {}: the process has {} cores",
        plan.workers,
        cores.len()
    );
    let spare = if plan.writer > 0.0 { 4096 } else { 0 };
    let size = Size {
        entries: plan.entries,
        tunnels: plan.tunnels,
        spare,
        workers: plan.workers,
        frame: plan.largest(),
    };
    let (writer, tables) = world::build(plan.path, size, plan.seed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let churning = (plan.writer > 0.0).then(|| {
        let churn = Churn {
            path: plan.path,
            rate: plan.writer,
            moved: match plan.path {
                PathKind::Route => 0,
                _ => plan.entries,
            },
            // One further on than the binding that no packet meets on the path by route.
            spare_from: plan.entries + 1,
            spare,
            tunnels: plan.tunnels,
            seed: plan.seed,
        };
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || churn::run(writer, churn, &stop))
    });
    let outcomes = lanes(&eal, plan, &tables, &cores);
    stop.store(true, Ordering::Relaxed);
    let reached = churning.map_or(Ok(0.0), std::thread::JoinHandle::join);
    let reached = reached.ok().context("the writer panicked")?;
    let report = report::Report::new(&plan, &outcomes?, reached, eal.hugepages());
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// Runs all workers to their ends.
fn lanes(eal: &Eal, plan: Plan, tables: &Arc<Tables>, cores: &[usize]) -> Result<Vec<Outcome>> {
    let mut threads = Vec::new();
    for (index, &core) in cores.iter().rev().take(plan.workers).enumerate() {
        let config = PoolConfig {
            name: format!("worker {index}"),
            mbufs: plan.mbufs(),
            data_room: plan.room(),
            socket: None,
        };
        let pool = Pool::new(eal, config)?;
        let lane = Lane::new(index, plan, Arc::clone(tables), pool)?;
        let name = format!("worker-{index}");
        threads.push(eal.spawn_worker(&name, Some(core), move || lane.run())?);
    }
    // All are waited for before the first error is told.
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
    ended.into_iter().map(|end| end?).collect()
}

/// The middle one of some numbers; 0 of none.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
