//! `anchor-perf generate`: plays the hosts and correspondents of a gateway, in tunnels and out.

use crate::bench::ports::{PortArguments, Ports};
use crate::bench::rate::Rate;
use crate::bench::trial::{Trial, Trials};
use crate::traffic::plan::{Plan, PlanArguments};
use anyhow::{ensure, Result};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// What is generated.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Ports.
    #[command(flatten)]
    ports: PortArguments,
    /// Packets.
    #[command(flatten)]
    plan: PlanArguments,
    /// Packets per second: 1000, 250k, 1.5M, or max.
    #[arg(long, default_value = "100k")]
    rate: Rate,
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Keep the books of what comes back: loss, reordering, duplication, latency.
    #[arg(long)]
    receive: bool,
    /// Check every packet that comes back, octet by octet: it has lost this many hops, and its tunnel
    /// is as --tunnelled says.
    #[arg(long, value_name = "HOPS", requires = "receive", num_args = 0..=1, default_missing_value = "1")]
    verify: Option<u8>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A flag that the user's interrupt sets.
///
/// # Errors
/// When the kernel refuses the handler.
pub fn interruptible() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Generates.
///
/// # Errors
/// When a port fails, or a packet came back that is not what it should be.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.seconds.is_finite() && arguments.seconds > 0.0,
        "--seconds is a number above 0"
    );
    let plan = Arc::new(Plan::new(&arguments.plan)?);
    let stop = interruptible()?;
    let ports = Ports::open(&arguments.ports, plan.given())?;
    let mut trials = Trials::new(ports, stop);
    let outcome = trials.run(&Trial {
        plan,
        rate: arguments.rate.0,
        seconds: arguments.seconds,
        verify: arguments.verify,
        receive: arguments.receive,
        title: Some(format!("{}", arguments.rate)),
    });
    let closed = trials.into_ports().close();
    let outcome = outcome?;
    closed?;
    match arguments.json {
        true => println!("{}", serde_json::to_string(&outcome)?),
        false => print!("{outcome}"),
    }
    let wrong = outcome.wrong();
    ensure!(wrong == 0, "{wrong} packets came back wrong");
    Ok(())
}
