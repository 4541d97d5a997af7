//! `anchor-perf restart`: how long an anchor takes to come back.

use super::{anchor, Storm};
use crate::gateway::Kept;
use crate::storm::threads;
use crate::traffic::plan::Plan;
use anyhow::{ensure, Result};
use clap::{Args, Parser};
use serde::Serialize;
use std::path::PathBuf;

/// What is measured.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Bindings.
    #[arg(long, default_value_t = 100_000)]
    bindings: u64,
    /// How often it is killed and started again.
    #[arg(long, default_value_t = 5)]
    starts: u32,
    /// What the store survives.
    #[arg(long, value_enum, default_value = "process")]
    store: Kept,
    /// The anchord to start [default: the one beside this program].
    #[arg(long, value_name = "PROGRAM")]
    anchord: Option<PathBuf>,
    /// Core that all of the anchord runs on [default: where it likes].
    #[arg(long)]
    anchord_core: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Report {
    /// Bindings.
    bindings: u64,
    /// What the store survives.
    store: Kept,
    /// Seconds from the start of the process until every binding is in the tables, of each start.
    seconds: Vec<f64>,
    /// The same of a start without bindings.
    empty_seconds: f64,
    /// Octets of the store's file for each binding.
    octets_on_disk: f64,
    /// Octets of memory that the anchor has, for each binding, beyond what it has without.
    octets_in_memory: f64,
}

/// The plan's arguments, read as a command line would be.
#[derive(Parser)]
struct Planned {
    #[command(flatten)]
    plan: crate::traffic::plan::PlanArguments,
}

/// The plan of so many hosts behind four access gateways.
pub(super) fn plan(hosts: u64) -> Result<Plan> {
    let hosts = hosts.to_string();
    let line = ["plan", "--hosts", &hosts, "--access-gateways", "4"];
    Plan::new(&Planned::try_parse_from(line)?.plan)
}

/// Measures it.
///
/// # Errors
/// When the anchor fails, or does not come back with all bindings.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.starts > 0, "--starts is at least 1");
    let plan = plan(arguments.bindings)?;
    let mut gateway = anchor(
        arguments.anchord.as_ref(),
        arguments.anchord_core,
        arguments.store,
        &plan,
    )?;
    gateway.crash()?;
    let empty_seconds = gateway.again()?.as_secs_f64();
    let empty = threads::resident(gateway.id())?;
    let journal = tempfile::NamedTempFile::new()?;
    let words = [
        "--hosts",
        &arguments.bindings.to_string(),
        "--access-gateways",
        "4",
    ];
    let words = words.map(str::to_owned);
    Storm::start(&gateway, &words, journal.path())?.wait()?;
    let mut seconds = Vec::new();
    for _ in 0..arguments.starts {
        gateway.crash()?;
        seconds.push(gateway.again()?.as_secs_f64());
        let status = gateway.call("status")?;
        let (sessions, used) = (&status["sessions"], &status["tables"][0]["used"]);
        ensure!(
            *sessions == arguments.bindings && *used == arguments.bindings,
            "{sessions} bindings of {} are back, {used} of them in the table",
            arguments.bindings
        );
    }
    let full = threads::resident(gateway.id())?;
    let octets = gateway.call("status")?["store"]["octets"].as_f64();
    gateway.stop()?;
    let each = arguments.bindings.max(1) as f64;
    let report = Report {
        bindings: arguments.bindings,
        store: arguments.store,
        seconds,
        empty_seconds,
        octets_on_disk: octets.unwrap_or(0.0) / each,
        octets_in_memory: full.saturating_sub(empty) as f64 / each,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    let mut sorted = report.seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| sorted.get(part).copied().unwrap_or(0.0);
    println!(
        "restart   {} bindings back after s: min {:.3}  median {:.3}  max {:.3}; {:.3} without any",
        report.bindings,
        at(0),
        at(sorted.len() / 2),
        at(sorted.len() - 1),
        report.empty_seconds
    );
    println!(
        "binding   {:.0} octets on disk, {:.0} in memory",
        report.octets_on_disk, report.octets_in_memory
    );
    Ok(())
}
