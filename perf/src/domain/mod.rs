//! `anchor-perf domain`: a whole mobility domain on virtual time, with the gateway's own roles.
//!
//! ```text
//!   lots ──► ground, hosts, sessions, trouble        what the seed decides
//!                     │
//!                     ▼
//!   agenda ──► world ──► node: the role, unchanged   what happens, in the order of time
//!                ▲           │
//!                └── apply ──┘──► routes ──► laws     tables, messages, timers; what must hold
//!                     │
//!                     ▼
//!                  figures ──► report, plots
//! ```
//!
//! Hosts walk over a grid of gateways and hold sessions of heavy-tailed length; the gateways know of
//! them what a gateway would know, and tell each other by messages that take their time. Nothing
//! depends on the machine: a seed gives the same report to the octet, on however many threads its runs
//! are shared out. A law that does not hold ends the run and names seed, mode, time and host.

mod agenda;
mod apply;
mod crew;
mod figures;
mod ground;
mod host;
mod laws;
mod leases;
mod lots;
mod node;
mod notes;
mod part;
mod plots;
mod relay;
mod report;
mod routes;
mod share;
#[cfg(test)]
mod tests;
mod timers;
mod trace;
mod traffic;
mod trouble;
mod walk;
mod world;

use anyhow::{bail, ensure, Context, Result};
use clap::{Args, ValueEnum};
use ground::Measures;
use part::SECOND;
use report::{Report, Run};
use roles::cmd::CmdMode;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Instant;
use traffic::Habits;
use world::World;

/// Arguments of `anchor-perf domain`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// How hosts are anchored; each mode is run with each seed
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        value_delimiter = ',',
        default_value = "central,relay,locator,proxy,niq,dhcpv6"
    )]
    modes: Vec<Mode>,
    /// Access gateways
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=65_000))]
    gateways: u32,
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    hosts: u32,
    /// Simulated minutes; then all hosts leave, and what is left of them is looked for
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// First seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// Threads that runs are shared out on, and the parts of a run where there are more [default: as many as cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Mean stay of a host with a gateway, in seconds
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    residence: u64,
    /// Share of moves that lead to any gateway, and not to a neighbour
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    jumps: f64,
    /// Share of moves that lead out of the domain, for one stay
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    leaves: f64,
    /// Time in which all hosts come first, in seconds
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    ramp: u64,
    /// One-way delay between any two nodes at least, in microseconds
    #[arg(long, value_name = "US", default_value_t = 1000)]
    base_delay: u64,
    /// What a cell of distance adds, in microseconds
    #[arg(long, value_name = "US", default_value_t = 200)]
    cell_delay: u64,
    /// What the way to the central node adds, in microseconds
    #[arg(long, value_name = "US", default_value_t = 5000)]
    centre_delay: u64,
    /// Time that a node takes for a message, in microseconds
    #[arg(long, value_name = "US", default_value_t = 10)]
    service: u64,
    /// A prefix without packets for so many seconds is given up by a gateway that does not anchor it
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    idle: u64,
    /// Lifetime of bindings, in seconds
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u32).range(8..=200_000))]
    lifetime: u32,
    /// Sessions that a host begins in an hour
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    sessions: f64,
    /// The shortest session, in seconds
    #[arg(long, value_name = "S", default_value_t = 20.0)]
    session_length: f64,
    /// Exponent of the lengths of sessions, above 1: the smaller, the longer the longest
    #[arg(long, value_name = "X", default_value_t = 1.5)]
    session_exponent: f64,
    /// After so many seconds with a gateway a host is held against the laws
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    settle: u64,
    /// Lose messages, part the network, crash nodes and set clocks wrong, as the seed has it
    #[arg(long)]
    faults: bool,
    /// Print what happens to this host on standard error
    #[arg(long, value_name = "HOST")]
    trace: Option<u32>,
    /// Enter how long the runs took: the one thing that differs from run to run
    #[arg(long)]
    timed: bool,
    /// Write plots into this directory, as SVG and PNG
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How hosts are anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One anchor for all (RFC 5213): a local mobility anchor, and a mobile access gateway in every cell.
    Central,
    /// An anchor in every cell (RFC 8885), and a database that relays between them.
    Relay,
    /// The same, with a database that lets anchors find each other.
    Locator,
    /// The same, with a database that answers for the anchors.
    Proxy,
    /// An anchor in every cell and no database: a host is asked for its addresses (RFC 4620).
    Niq,
    /// The same, and a DHCPv6 server's leases tell what prefixes a host has.
    Dhcpv6,
}

impl Mode {
    /// What the database is where there is one.
    const fn database(self) -> Option<CmdMode> {
        match self {
            Self::Central | Self::Niq | Self::Dhcpv6 => None,
            Self::Relay => Some(CmdMode::Relay),
            Self::Locator => Some(CmdMode::Locator),
            Self::Proxy => Some(CmdMode::Proxy),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Central => "central",
            Self::Relay => CmdMode::Relay.name(),
            Self::Locator => CmdMode::Locator.name(),
            Self::Proxy => CmdMode::Proxy.name(),
            Self::Niq => "niq",
            Self::Dhcpv6 => "dhcpv6",
        })
    }
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// How hosts are anchored.
    mode: Mode,
    /// Seed of all that is drawn.
    seed: u64,
    gateways: u32,
    hosts: u32,
    minutes: u64,
    residence_s: u64,
    jumps: f64,
    leaves: f64,
    ramp_s: u64,
    base_delay_us: u64,
    cell_delay_us: u64,
    centre_delay_us: u64,
    service_us: u64,
    lifetime_s: u32,
    idle_s: u64,
    sessions_per_hour: f64,
    session_shortest_s: f64,
    session_exponent: f64,
    settle_s: u64,
    faults: bool,
    /// Whose history is printed.
    #[serde(skip)]
    trace: Option<u32>,
}

impl Scenario {
    fn measures(&self) -> Measures {
        Measures {
            gateways: self.gateways,
            base_us: self.base_delay_us,
            cell_us: self.cell_delay_us,
            centre_us: self.centre_delay_us,
            jumps: self.jumps,
            seed: self.seed,
        }
    }

    const fn habits(&self) -> Habits {
        Habits {
            per_hour: self.sessions_per_hour,
            shortest_s: self.session_shortest_s,
            exponent: self.session_exponent,
        }
    }

    /// When hosts move no longer, in microseconds.
    const fn end_of_moves(&self) -> u64 {
        self.minutes * 60 * SECOND
    }

    /// How long what is wrong may stay so: a stale binding for its lifetime, which may have been
    /// refreshed at the last moment, and then a back-off at its slowest.
    const fn mend_us(&self) -> u64 {
        (2 * self.lifetime_s as u64 + 80) * SECOND
    }

    /// When all is over, leases too.
    const fn end(&self) -> u64 {
        let leases = match self.mode {
            Mode::Dhcpv6 => 2 * self.lifetime_s as u64 * SECOND,
            _ => 0,
        };
        self.end_of_moves() + 10 * SECOND + self.mend_us() + leases
    }
}

/// A law that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    seed: u64,
    mode: Mode,
    at_us: u64,
    host: Option<u32>,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at_us as f64 / 1e6;
        let (mode, seed) = (self.mode, self.seed);
        write!(f, "{mode}, seed {seed}, {seconds:.6} s")?;
        if let Some(host) = self.host {
            write!(f, ", host {host}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Arguments {
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        for (name, share) in [("jumps", self.jumps), ("leaves", self.leaves)] {
            ensure!(
                (0.0..=1.0).contains(&share),
                "--{name} {share} is not a share between 0 and 1"
            );
        }
        ensure!(
            self.session_exponent > 1.0 && self.session_exponent.is_finite(),
            "--session-exponent {} is not above 1: sessions would have no mean length",
            self.session_exponent
        );
        for (name, figure) in [
            ("sessions", self.sessions),
            ("session-length", self.session_length),
        ] {
            ensure!(
                figure.is_finite() && figure > 0.0,
                "--{name} {figure} is not above 0"
            );
        }
        let of = |seed| {
            self.modes.iter().map(move |&mode| Scenario {
                mode,
                seed,
                gateways: self.gateways,
                hosts: self.hosts,
                minutes: self.minutes,
                residence_s: self.residence,
                jumps: self.jumps,
                leaves: self.leaves,
                ramp_s: self.ramp,
                base_delay_us: self.base_delay,
                cell_delay_us: self.cell_delay,
                centre_delay_us: self.centre_delay,
                service_us: self.service,
                lifetime_s: self.lifetime,
                idle_s: self.idle,
                sessions_per_hour: self.sessions,
                session_shortest_s: self.session_length,
                session_exponent: self.session_exponent,
                settle_s: self.settle,
                faults: self.faults,
                trace: self.trace.filter(|host| *host < self.hosts),
            })
        };
        Ok((0..self.seeds)
            .flat_map(|number| of(self.seed.wrapping_add(number)))
            .collect())
    }
}

/// Runs the scenarios, shared out on threads, and returns what they found in their order.
fn simulate(arguments: &Arguments) -> Result<Report> {
    let scenarios = arguments.scenarios()?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or_else(cores).max(1);
    let at_once = threads.min(scenarios.len()).max(1);
    // What is traced is told in order by one.
    let each = match arguments.trace {
        Some(_) => 1,
        None => threads / at_once,
    };
    let next = AtomicUsize::new(0);
    let found: Vec<Mutex<Option<Result<Run>>>> =
        scenarios.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((scenario, found)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    scenarios.get(number).zip(found.get(number))
                } {
                    let run = one(scenario, each, arguments.timed);
                    if let Ok(mut found) = found.lock() {
                        *found = Some(run);
                    }
                }
            });
        }
    });
    let runs: Result<Vec<Run>> = found
        .into_iter()
        .map(|run| {
            let run = run.into_inner().ok().flatten();
            run.context("a run ended without a result")?
        })
        .collect();
    Ok(Report { runs: runs? })
}

fn one(scenario: &Scenario, threads: usize, timed: bool) -> Result<Run> {
    let start = Instant::now();
    match World::new(scenario.clone())?.run(threads) {
        Ok(figures) => {
            let wall = timed.then(|| start.elapsed().as_secs_f64());
            Ok(Run::new(scenario, &figures, wall))
        }
        Err(violation) => bail!("a law did not hold: {violation}"),
    }
}

/// Runs it.
///
/// # Errors
/// When an argument is out of range, a law does not hold, or a plot cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let report = simulate(arguments)?;
    if let Some(directory) = &arguments.plots {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        for plot in plots::all(&report) {
            plot.write(directory)?;
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
