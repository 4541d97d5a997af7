//! `anchor-perf restart`: how long a gateway takes to come back.

use super::probe::{self, Probe};
use super::{kept, visitors, Storm};
use crate::eal::EalArguments;
use crate::gateway::{Gateway, Kept, Role};
use crate::storm::threads;
use crate::traffic::plan::Plan;
use anyhow::{anyhow, ensure, Result};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// What is measured.
#[derive(Args, Debug)]
pub struct Arguments {
    /// What it is: an anchor, or an access gateway, whose hosts are entered into its store.
    #[arg(long, value_enum, default_value = "lma")]
    role: Role,
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
    /// How DPDK starts.
    #[command(flatten)]
    eal: EalArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Report {
    /// What it is.
    role: Role,
    /// Bindings.
    bindings: u64,
    /// What the store survives.
    store: Kept,
    /// Seconds from the start of the process until its socket answers, of each start.
    seconds: Vec<f64>,
    /// Until the first packet to a host came through.
    first_packet_seconds: Vec<f64>,
    /// Until a packet had come through for every host.
    all_packets_seconds: Vec<f64>,
    /// Until the socket answers, without bindings.
    empty_seconds: f64,
    /// Processor seconds of the gateway's threads, by then, but for its workers.
    control_seconds: Vec<f64>,
    /// Octets of the store's file for each binding.
    octets_on_disk: f64,
    /// Octets of memory that the gateway has, for each binding, beyond what it has without.
    octets_in_memory: f64,
}

/// The plan of so many hosts behind four access gateways.
pub(super) fn plan(hosts: u64) -> Result<Plan> {
    probe::plan(Role::Lma, hosts)
}

/// Measures it.
///
/// # Errors
/// When the gateway fails, or does not come back with all bindings.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.starts > 0, "--starts is at least 1");
    let plan = Arc::new(probe::plan(arguments.role, arguments.bindings)?);
    let mut gateway = kept(
        arguments.role,
        arguments.anchord.as_ref(),
        arguments.anchord_core,
        arguments.store,
        &plan,
    )?;
    gateway.crash()?;
    let empty_seconds = gateway.again()?.as_secs_f64();
    let empty = threads::resident(gateway.id())?;
    fill(arguments, &mut gateway, &plan)?;
    let mut probe = Probe::open(&arguments.eal, arguments.role, &plan, arguments.bindings)?;
    gateway.connect_to(probe.sockets(), &plan)?;
    let mut report = Report {
        role: arguments.role,
        bindings: arguments.bindings,
        store: arguments.store,
        seconds: Vec::new(),
        first_packet_seconds: Vec::new(),
        all_packets_seconds: Vec::new(),
        empty_seconds,
        control_seconds: Vec::new(),
        octets_on_disk: 0.0,
        octets_in_memory: 0.0,
    };
    for _ in 0..arguments.starts {
        gateway.crash()?;
        probe.gone()?;
        again(&mut gateway, &mut probe, &mut report)?;
    }
    let full = threads::resident(gateway.id())?;
    let octets = gateway.call("status")?["store"]["octets"].as_f64();
    gateway.stop()?;
    probe.close()?;
    let each = arguments.bindings.max(1) as f64;
    report.octets_on_disk = octets.unwrap_or(0.0) / each;
    report.octets_in_memory = full.saturating_sub(empty) as f64 / each;
    match arguments.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    Ok(())
}

/// Gives it its bindings: a storm registers them at an anchor; what an access gateway serves is entered into its
/// store while it does not run.
fn fill(arguments: &Arguments, gateway: &mut Gateway, plan: &Plan) -> Result<()> {
    if arguments.role == Role::Mag {
        gateway.crash()?;
        return visitors::enter(plan, gateway.store(), arguments.store);
    }
    let journal = tempfile::NamedTempFile::new()?;
    let words = [
        "--hosts",
        &arguments.bindings.to_string(),
        "--access-gateways",
        "4",
    ];
    let words = words.map(str::to_owned);
    Storm::start(gateway, &words, journal.path())?.wait()
}

/// One start.
fn again(gateway: &mut Gateway, probe: &mut Probe, report: &mut Report) -> Result<()> {
    let begun = gateway.launch_again()?;
    let (answered, through) = std::thread::scope(|scope| {
        let answers = scope.spawn(|| gateway.wait().map(|()| begun.elapsed()));
        let through = probe.run(begun);
        (answers.join(), through)
    });
    let through = through?;
    let answered = answered.map_err(|_| anyhow!("whoever asked the socket has failed"))??;
    report.seconds.push(answered.as_secs_f64());
    let spent = threads::seconds(gateway.id())?;
    report.control_seconds.push(threads::control(&spent));
    let first = through.first.as_secs_f64();
    report.first_packet_seconds.push(first);
    report.all_packets_seconds.push(through.all.as_secs_f64());
    let status = gateway.call("status")?;
    let (sessions, used) = (&status["sessions"], &status["tables"][0]["used"]);
    ensure!(
        *sessions == report.bindings && *used == report.bindings,
        "{sessions} bindings of {} are back, {used} of them in the table",
        report.bindings
    );
    Ok(())
}

impl Report {
    fn print(&self) {
        println!(
            "restart   {} bindings; {:.3} s until the socket answers without any",
            self.bindings, self.empty_seconds
        );
        for (what, seconds) in [
            ("first packet through", &self.first_packet_seconds),
            ("a packet through for each", &self.all_packets_seconds),
            ("the socket answers", &self.seconds),
            ("processor time of control and store", &self.control_seconds),
        ] {
            let mut sorted = seconds.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |part: usize| sorted.get(part).copied().unwrap_or(0.0);
            println!(
                "s         min {:.3}  median {:.3}  max {:.3}  {what}",
                at(0),
                at(sorted.len() / 2),
                at(sorted.len() - 1)
            );
        }
        println!(
            "binding   {:.0} octets on disk, {:.0} in memory",
            self.octets_on_disk, self.octets_in_memory
        );
    }
}
