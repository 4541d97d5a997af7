//! `anchor-perf receive`: the other end of a `generate` in another process.
//!
//! It has the same plan as the generator. What was lost before the first packet came, or after the
//! last, it cannot know; the generator's own count tells.

use crate::bench::ports::{PortArguments, Ports};
use crate::generate::interruptible;
use crate::traffic::plan::{Plan, PlanArguments};
use crate::traffic::receiver::{Received, Receiver};
use anyhow::{ensure, Result};
use clap::Args;
use dpdk::{cycles, hz};
use indicatif::ProgressBar;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is received.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Ports.
    #[command(flatten)]
    ports: PortArguments,
    /// Packets.
    #[command(flatten)]
    plan: PlanArguments,
    /// How long; without it, until interrupted.
    #[arg(long)]
    seconds: Option<f64>,
    /// Check every packet, octet by octet: it has lost this many hops, and its tunnel is as
    /// --tunnelled says.
    #[arg(long, value_name = "HOPS", num_args = 0..=1, default_missing_value = "1")]
    verify: Option<u8>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What a receiver alone can say.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    received: Received,
    /// Packets between the first and the last of each group that never came.
    lost: u64,
    /// Packets per second between the first and the last.
    received_pps: f64,
}

/// Receives.
///
/// # Errors
/// When a port fails, or a packet came that is not what it should be.
pub fn run(arguments: &Arguments) -> Result<()> {
    let plan = Arc::new(Plan::new(&arguments.plan)?);
    let stop = interruptible()?;
    let mut ports = Ports::open(&arguments.ports, plan.given())?;
    let outcome = receive(arguments, &mut ports, plan, &stop);
    ports.close()?;
    let received = outcome?;
    let report = Report {
        lost: received.spanned - received.sums.unique,
        received_pps: received.sums.unique as f64 / received.seconds.max(1e-9),
        received,
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => print!(
            "lost        {} between the first and the last\n{}",
            report.lost, report.received
        ),
    }
    let verified = report.received.verified.as_ref();
    let wrong = verified.map_or(0, |it| it.total_wrong());
    ensure!(wrong == 0, "{wrong} packets came wrong");
    Ok(())
}

fn receive(
    arguments: &Arguments,
    ports: &mut Ports,
    plan: Arc<Plan>,
    stop: &Arc<AtomicBool>,
) -> Result<Received> {
    let mut receiver = Receiver::new(plan, None, arguments.verify)?;
    let (mut side, back) = ports.take()?;
    let end = Arc::clone(stop);
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let [core, _] = ports.cores();
    let thread = ports.eal().spawn_worker("receive", core, move || {
        while !end.load(Ordering::Relaxed) {
            side.receive(&mut receiver, cycles);
            counted.store(receiver.unique(), Ordering::Relaxed);
        }
        (side, receiver)
    })?;
    let bar = ProgressBar::new_spinner();
    let start = Instant::now();
    while !thread.is_finished() {
        let unique = count.load(Ordering::Relaxed);
        bar.set_message(format!("{unique} packets"));
        bar.tick();
        let passed = start.elapsed().as_secs_f64();
        if arguments.seconds.is_some_and(|seconds| passed > seconds) {
            stop.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bar.finish_and_clear();
    let (side, receiver) = thread.join()?;
    ports.give((side, back));
    Ok(receiver.received(hz()))
}
