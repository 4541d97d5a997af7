//! `anchor-perf update`: how fast bindings change while workers forward, and what it costs them.
//!
//! ```text
//!   workers  | quiet round | busy round | quiet | busy | ...    cycles per packet of each
//!   writer   | waits       | updates    | waits | ...           updates per second
//! ```
//!
//! The workers are those of `anchor-perf forward`, on the way into tunnels, and every packet is held
//! against what it must be: before the move or after it. What forwarding loses is the busy round
//! against the quiet one before it, so that a machine that changes its pace changes both.

mod report;
mod writer;

use crate::eal::{self, EalArguments};
use crate::forward::lane::Lane;
use crate::forward::world::{self, Size};
use crate::forward::{Flows, PathKind, Plan};
use anyhow::{ensure, Context, Result};
use clap::Args;
use dataplane::tables::Tables;
use dataplane::verdict::Verdict;
use dataplane::worker::Unmetered;
use dpdk::{Eal, Pool, PoolConfig};
use packet::MAX_BURST;
use report::Report;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use writer::Mix;

/// Bindings beside those that have traffic: the writer makes and removes them.
const SPARE: u32 = 4096;

/// What `anchor-perf update` takes.
#[derive(Args)]
pub struct Arguments {
    /// Bindings; all of them get packets, and are moved
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    bindings: u32,
    /// Tunnels that the bindings share [default: as many as bindings, up to 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    tunnels: Option<u32>,
    /// Workers, each on a core of its own; the writer needs one more
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Of a hundred updates so many make or remove a binding; the others move one
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    churn: u8,
    /// Updates that the writer announces at a time to the table
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Updates per second; without it, as many as the writer can make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rate: Option<u64>,
    /// Rounds, each once quiet and once with the writer
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Packets of a round and worker
    #[arg(long, value_name = "N", default_value_t = 1 << 17)]
    packets: u64,
    /// Octets of the bare frame
    #[arg(long, value_name = "OCTETS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=9000))]
    frame: u16,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    eal: EalArguments,
}

/// What the workers tell the writer.
#[derive(Default)]
pub struct Signals {
    /// It is to update.
    pub busy: AtomicBool,
    /// It is to end.
    pub stop: AtomicBool,
    /// What it tells them: it has begun to update, and has not ended that yet.
    pub at_work: AtomicBool,
    /// It has ended, and answers no more.
    pub ended: AtomicBool,
}

impl Signals {
    /// Has the writer update or wait, and returns when it does so: a writer whose core is taken by
    /// another program begins much later than it is told, and would be measured at rest.
    fn order(&self, busy: bool) {
        self.busy.store(busy, Ordering::Release);
        while self.at_work.load(Ordering::Acquire) != busy && !self.ended.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}

/// One round of one worker: cycles per packet, ports included.
#[derive(Clone, Copy)]
pub struct Round {
    pub quiet: f64,
    pub busy: f64,
}

/// What one worker measured.
pub struct Outcome {
    pub rounds: Vec<Round>,
    pub packets: u64,
    pub verified: u64,
}

/// Runs it.
///
/// # Errors
/// When DPDK or the memory for the tables cannot be had, a packet came out wrong, or the table
/// refused an update.
pub fn run(arguments: &Arguments) -> Result<()> {
    let plan = Plan {
        path: PathKind::Encap,
        entries: arguments.bindings,
        tunnels: arguments.tunnels.unwrap_or(arguments.bindings.min(1024)),
        flows: Flows::Uniform,
        frame: arguments.frame.into(),
        workers: arguments.workers.into(),
        // Not paced: any rate says that bindings move.
        forged: 0.0,
        writer: f64::INFINITY,
        packets: arguments.packets,
        seconds: None,
        rounds: arguments.rounds,
        burst: MAX_BURST,
        // Short enough that a load seldom meets the end of a time slice, long enough that its lines leave
        // the first-level cache between being filled in and being forwarded.
        load: 512,
        seed: arguments.seed,
    };
    let eal = eal::start(&arguments.eal, plan.memory_mb(), Vec::new())?;
    let cores = eal.cores().to_vec();
    ensure!(
        cores.len() > plan.workers,
        "--workers {} and a writer need {} cores, and the process has {}",
        plan.workers,
        plan.workers + 1,
        cores.len()
    );
    let size = Size {
        entries: plan.entries,
        tunnels: plan.tunnels,
        spare: SPARE,
        workers: plan.workers,
        frame: plan.largest(),
    };
    let (writer, tables) = world::build(plan.path, size, plan.seed)?;
    let mix = Mix {
        moved: plan.entries,
        spare: SPARE,
        tunnels: plan.tunnels,
        churn: arguments.churn,
        batch: arguments.batch.into(),
        rate: arguments.rate,
        seed: plan.seed,
    };
    let signals = Arc::new(Signals::default());
    let updates = eal.spawn_worker("writer", cores.first().copied(), {
        let signals = Arc::clone(&signals);
        move || {
            let times = writer::run(writer, mix, &signals);
            signals.ended.store(true, Ordering::Release);
            times
        }
    })?;
    let outcomes = lanes(&eal, plan, &tables, &cores, &signals);
    signals.stop.store(true, Ordering::Relaxed);
    let updates = updates.join()?.context("the table refused an update")?;
    let counts = tables.verdict_totals();
    let lost = counts
        .iter()
        .filter(|(verdict, _)| matches!(verdict, Verdict::Drop(_)))
        .map(|(_, count)| count)
        .sum();
    let report = Report::new(arguments, &outcomes?, &updates, lost);
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// Runs all workers to their ends, round by round together.
fn lanes(
    eal: &Eal,
    plan: Plan,
    tables: &Arc<Tables>,
    cores: &[usize],
    signals: &Arc<Signals>,
) -> Result<Vec<Outcome>> {
    let barrier = Arc::new(Barrier::new(plan.workers));
    let mut lanes = Vec::new();
    for index in 0..plan.workers {
        let config = PoolConfig {
            name: format!("worker {index}"),
            mbufs: plan.mbufs(),
            data_room: plan.room(),
            socket: None,
        };
        let pool = Pool::new(eal, config)?;
        lanes.push(Lane::new(index, plan, Arc::clone(tables), pool)?);
    }
    let mut threads = Vec::new();
    for ((index, lane), &core) in lanes.into_iter().enumerate().zip(cores.iter().rev()) {
        let (barrier, signals) = (Arc::clone(&barrier), Arc::clone(signals));
        let name = format!("worker-{index}");
        let rounds = usize::from(plan.rounds);
        let work = move || forward(lane, rounds, &barrier, &signals);
        threads.push(eal.spawn_worker(&name, Some(core), work)?);
    }
    // All are waited for before the first error is told.
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
    ended.into_iter().map(|end| end?).collect()
}

/// The rounds of one worker. One that has failed keeps step, so that the others end.
fn forward(mut lane: Lane, rounds: usize, barrier: &Barrier, signals: &Signals) -> Result<Outcome> {
    let mut failed = lane.check_all().err();
    let mut outcome = Outcome {
        rounds: Vec::new(),
        packets: 0,
        verified: 0,
    };
    for _ in 0..rounds {
        let mut cycles = [0.0; 2];
        for (busy, cycles) in [false, true].into_iter().zip(&mut cycles) {
            if barrier.wait().is_leader() {
                signals.order(busy);
            }
            barrier.wait();
            if failed.is_some() {
                continue;
            }
            match lane.round::<Unmetered>() {
                Ok(round) => {
                    outcome.packets += round.packets;
                    *cycles = round.gateway + round.io;
                }
                Err(error) => failed = Some(error),
            }
        }
        let [quiet, busy] = cycles;
        outcome.rounds.push(Round { quiet, busy });
    }
    if barrier.wait().is_leader() {
        signals.order(false);
    }
    outcome.verified = lane.verified();
    failed.map_or(Ok(outcome), Err)
}
