//! `anchor-perf storm`: many hosts register at a real anchor, every answer is checked.
//!
//! ```text
//!            updates ──>              punted        effects
//!   Storm ── core port ── memif ── worker ──> control ──> tables
//!            <── answers                └──<── answers ──┘
//!            <── tunnelled ───────────  worker <── traffic to the hosts, with --traffic
//! ```
//!
//! By default the anchor is an `anchord` that is started here, all of it on one core, so that the rate
//! is one core's. Beside the rate stands the processor time that each of its threads took, which does
//! not change with what else the machine does.

pub mod alone;
mod book;
pub mod message;
mod revocation;
pub mod threads;

pub use book::{Course, Storm};

use crate::bench::ports::{find, PortArguments, Ports};
use crate::bench::rate::{in_words, Rate};
use crate::eal::EalArguments;
use crate::gateway::{self, Gateway, Kept, Role, Setting, OUTSIDE};
use crate::generate::interruptible;
use crate::traffic::pace::Pace;
use crate::traffic::plan::{Plan, PlanArguments};
use crate::traffic::receiver::{Latency, Receiver};
use crate::traffic::sender::Sender;
use crate::traffic::side::Side;
use crate::traffic::template::Templates;
use anyhow::{ensure, Result};
use book::Round;
use clap::Args;
use dpdk::{cycles, hz, Mbuf, WorkerIo};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// What kind of storm.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Hosts and gateways. What is said of frames and flows goes for --traffic.
    #[command(flatten)]
    plan: PlanArguments,
    /// Updates per second: 1000, 250k, or max: as fast as answers come.
    #[arg(long, default_value = "max")]
    rate: Rate,
    /// Updates that wait for an answer at most.
    #[arg(long, default_value_t = 256)]
    outstanding: usize,
    /// Rounds: every host registers, then moves to the next access gateway (or refreshes, when there
    /// is only one) in each further round.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Milliseconds after which an update is sent again.
    #[arg(long, default_value_t = 1000)]
    retransmit_ms: u64,
    /// Lifetime that is asked for, in seconds.
    #[arg(long, default_value_t = 3600)]
    lifetime: u32,
    /// Packets per second to registered hosts, from the second round on.
    #[arg(long, value_name = "RATE")]
    traffic: Option<Rate>,
    /// The anchord to start [default: the one beside this program].
    #[arg(long, value_name = "PROGRAM", conflicts_with = "port")]
    anchord: Option<PathBuf>,
    /// Core that all of the anchord runs on.
    #[arg(long, default_value_t = 1, conflicts_with = "port")]
    anchord_core: usize,
    /// Leave the anchor's control thread a core of its own: its worker shares the storm's, core 0, and the
    /// storm gives that away whenever it has done what there is to do.
    #[arg(long, conflicts_with_all = ["port", "anchord_core", "core"])]
    control_apart: bool,
    /// Whether that anchord keeps its bindings.
    #[arg(long, value_enum, default_value = "off", conflicts_with = "port")]
    store: Kept,
    /// Whether updates and answers are authenticated, with replay protection (RFC 4285).
    #[arg(long, conflicts_with = "port")]
    keys: bool,
    /// Write a line to this file for each host that is answered, at once: host, access gateway and the
    /// timestamp of the update.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Port on the core link of an anchor that runs already, as DPDK devargs.
    #[arg(long, value_name = "DEVARGS")]
    port: Option<String>,
    /// Port on the correspondents' link of that anchor, for --traffic.
    #[arg(long, value_name = "DEVARGS", requires = "port")]
    outside_port: Option<String>,
    /// Core of the storm itself.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// How DPDK starts.
    #[command(flatten)]
    eal: EalArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What a storm gave.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Hosts.
    hosts: u64,
    /// Answers per second of the first round.
    registrations_per_s: f64,
    /// Updates per second that were asked for; none: as fast as answers came.
    offered_per_s: Option<f64>,
    /// Each round.
    rounds: Vec<Round>,
    /// Answers that were wrong, by what was wrong.
    wrong: BTreeMap<String, u64>,
    /// Right answers beyond the first for a host and round.
    repeated: u64,
    /// Answers that an update came too late to be believed.
    late: u64,
    /// Revocations that the anchor sent to gateways that hosts had left; each was acknowledged.
    revocations: u64,
    /// From the due time of an update to its answer.
    latency_us: Latency,
    /// Processor seconds of the anchor's threads, by name; absent for one that we did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchord_cpu_seconds: Option<BTreeMap<String, f64>>,
    /// Of these, control's per registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    control_us_per_registration: Option<f64>,
    /// Octets of memory that the anchor took during the storm, per host.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchord_octets_per_binding: Option<f64>,
    /// What the anchor itself says of its signalling.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchord_signalling: Option<Value>,
    /// Whether signalling was authenticated.
    keys: bool,
    /// Whether the anchor keeps its bindings, and what it says of its store.
    store: Kept,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchord_store: Option<Value>,
    /// Packets to hosts that were sent and lost during the rounds of moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<Traffic>,
}

/// Traffic beside the storm.
#[derive(Debug, Serialize)]
struct Traffic {
    /// Packets sent.
    sent: u64,
    /// Packets that did not come through.
    lost: u64,
    /// The same in percent.
    loss_percent: f64,
    /// Sums up to the end of each interval.
    timeline: Vec<Sample>,
}

/// One look at the sums.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    /// Seconds since the first round began.
    seconds: f64,
    /// Round, from 0 on.
    round: u32,
    /// Registrations answered.
    registered: u64,
    /// Packets sent.
    sent: u64,
    /// Packets that came through.
    received: u64,
}

/// Everything that the storm's thread works on, and gives back.
struct Work {
    core: Side<WorkerIo>,
    outside: Option<Side<WorkerIo>>,
    storm: Storm,
    traffic: Option<(Sender<Mbuf>, Receiver)>,
    timeline: Vec<Sample>,
}

/// Cycles of a sample: this part of a second.
const SAMPLES_PER_SECOND: u64 = 100;

/// Samples that are kept at most; a storm that lasts longer is only summed up.
const MAX_SAMPLES: usize = 20_000;

/// Runs a storm.
///
/// # Errors
/// When the anchor or a port fails, or an answer was wrong or never came.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.rounds >= 1, "--rounds is at least 1");
    ensure!(
        (1..=8191).contains(&arguments.rounds) && arguments.outstanding >= 1,
        "--rounds and --outstanding are at least 1, --rounds at most 8191"
    );
    let plan = Arc::new(Plan::new(&arguments.plan)?);
    let stop = interruptible()?;
    let report = match &arguments.port {
        Some(port) => against(
            arguments,
            &plan,
            &stop,
            port,
            arguments.outside_port.as_ref(),
            None,
        )?,
        None => {
            let program = arguments.anchord.clone().map_or_else(gateway::beside, Ok)?;
            let setting = Setting {
                role: Role::Lma,
                sockets: None,
                program,
                core: Some(arguments.anchord_core).filter(|_| !arguments.control_apart),
                share: true,
                hugepages: "auto",
                store: arguments.store,
                keys: arguments.keys,
            };
            let gateway = Gateway::start(&setting, &plan)?;
            let outside = arguments.traffic.map(|_| gateway.outside_port());
            let port = gateway.core_port();
            let report = against(
                arguments,
                &plan,
                &stop,
                &port,
                outside.as_ref(),
                Some(&gateway),
            );
            let ended = gateway.stop();
            let report = report?;
            ended?;
            report
        }
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    let wrong: u64 = report.wrong.values().sum();
    ensure!(wrong == 0, "{wrong} answers were wrong");
    let abandoned: u64 = report.rounds.iter().map(|it| it.abandoned).sum();
    ensure!(abandoned == 0, "{abandoned} hosts got no answer");
    Ok(())
}

/// Runs a storm on the anchor behind `port`.
fn against(
    arguments: &Arguments,
    plan: &Arc<Plan>,
    stop: &Arc<AtomicBool>,
    port: &str,
    outside: Option<&String>,
    anchord: Option<&Gateway>,
) -> Result<Report> {
    let given = PortArguments {
        port: port.to_owned(),
        back: outside.cloned(),
        core: Some(arguments.core),
        back_core: None,
        gateway_mac: None,
        gateway: Some(plan.given().anchor),
        ask_from: Some(plan.access_gateway(0)),
        eal: arguments.eal.clone(),
    };
    let mut ports = Ports::open(&given, plan.given())?;
    let course = Course {
        rounds: arguments.rounds,
        rate: arguments.rate.0,
        outstanding: arguments.outstanding,
        retransmit: arguments.retransmit_ms * hz() / 1000,
        lifetime: arguments.lifetime,
        hz: hz(),
    };
    let mut storm = Storm::new(Arc::clone(plan), course, ports.gateway)?;
    if arguments.keys {
        storm.authenticate(gateway::keys(plan));
    }
    if let Some(path) = &arguments.journal {
        storm.journal(path)?;
    }
    let (core, mut outside) = ports.take()?;
    let traffic = match (arguments.traffic, &mut outside) {
        (Some(rate), Some(side)) => Some(traffic(plan, side, rate)?),
        _ => None,
    };
    let before = anchord.map(|it| threads::seconds(it.id())).transpose()?;
    let resident = anchord.map(|it| threads::resident(it.id())).transpose()?;
    let work = Work {
        core,
        outside,
        storm,
        traffic,
        timeline: Vec::with_capacity(MAX_SAMPLES),
    };
    let work = under_way(&ports, work, stop, arguments.control_apart)?;
    let after = anchord.map(|it| threads::seconds(it.id())).transpose()?;
    let grown = anchord.map(|it| threads::resident(it.id())).transpose()?;
    let signalling = anchord.and_then(|it| it.call("status").ok());
    let mut report = Report::new(arguments, plan, &work);
    if let Some(mut status) = signalling {
        report.anchord_signalling = Some(status["signalling"].take());
        report.anchord_store = Some(status["store"].take()).filter(|it| !it.is_null());
    }
    if let (Some(before), Some(after)) = (before, after) {
        let spent = threads::difference(&before, &after);
        let control = threads::control(&spent);
        let answered = work.storm.total_answered().max(1);
        report.control_us_per_registration = Some(control * 1e6 / answered as f64);
        report.anchord_cpu_seconds = Some(spent);
    }
    if let (Some(before), Some(after)) = (resident, grown) {
        let octets = after.saturating_sub(before) as f64;
        report.anchord_octets_per_binding = Some(octets / plan.given().hosts as f64);
    }
    ports.give((work.core, work.outside));
    ports.close()?;
    Ok(report)
}

/// What is sent to the hosts beside the storm; the sender starts when the first round is over.
fn traffic(
    plan: &Arc<Plan>,
    side: &mut Side<WorkerIo>,
    rate: Rate,
) -> Result<(Sender<Mbuf>, Receiver)> {
    let from = plan.peer_address(0);
    let gateway = find(side, from, OUTSIDE)?;
    let templates = Templates::new(plan, side.own(), gateway);
    let pace = Pace::new(u64::MAX, hz(), rate.0, u64::MAX);
    let sender = Sender::new(Arc::clone(plan), templates, pace, 0);
    let receiver = Receiver::new(Arc::clone(plan), Some(0), None)?;
    Ok((sender, receiver))
}

/// Runs the storm on its core, with a bar for whoever waits.
fn under_way(ports: &Ports, mut work: Work, stop: &Arc<AtomicBool>, shares: bool) -> Result<Work> {
    let answered = Arc::new(AtomicU64::new(0));
    let (told, stopped) = (Arc::clone(&answered), Arc::clone(stop));
    let total = work.storm.total();
    let thread = ports
        .eal()
        .spawn_worker("storm", ports.cores()[0], move || {
            work.run(&told, &stopped, shares);
            work
        })?;
    let bar = ProgressBar::new(total);
    while !thread.is_finished() {
        bar.set_position(answered.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(50));
    }
    bar.finish_and_clear();
    Ok(thread.join()?)
}

impl Work {
    /// Until all is answered. With `shares`, others have the core between two steps.
    fn run(&mut self, answered: &AtomicU64, stop: &AtomicBool, shares: bool) {
        let start = cycles();
        let mut next = start;
        while !self.storm.is_over() && !stop.load(Ordering::Relaxed) {
            let now = cycles();
            self.step(now);
            if now >= next {
                answered.store(self.storm.total_answered(), Ordering::Relaxed);
                self.sample(start, now);
                next = now + hz() / SAMPLES_PER_SECOND;
            }
            if shares {
                std::thread::yield_now();
            }
        }
        self.drain();
        self.sample(start, cycles());
    }

    fn step(&mut self, now: u64) {
        let own = self.core.own();
        let (link, port) = self.core.link();
        self.storm.step(link, port, own, now);
        let moving = self.storm.round() > 0;
        let (sender, receiver) = match &mut self.traffic {
            Some((sender, receiver)) => (Some(sender), Some(receiver)),
            None => (None, None),
        };
        self.core.receive(&mut (receiver, &mut self.storm), cycles);
        let Some(outside) = &mut self.outside else {
            return;
        };
        outside.receive(&mut (), cycles);
        if let Some(sender) = sender.filter(|_| moving) {
            sender.start(now);
            outside.send(sender, now);
        }
    }

    /// Takes what is still on its way when the storm is over.
    fn drain(&mut self) {
        let end = cycles() + hz() / 5;
        while cycles() < end {
            let receiver = self.traffic.as_mut().map(|(_, receiver)| receiver);
            self.core.receive(&mut (receiver, &mut self.storm), cycles);
            if let Some(outside) = &mut self.outside {
                outside.receive(&mut (), cycles);
            }
        }
    }

    fn sample(&mut self, start: u64, now: u64) {
        if self.timeline.len() >= MAX_SAMPLES {
            return;
        }
        let (sent, received) = self.traffic.as_ref().map_or((0, 0), |(sender, receiver)| {
            (sender.sent().packets, receiver.unique())
        });
        self.timeline.push(Sample {
            seconds: now.saturating_sub(start) as f64 / hz() as f64,
            round: self.storm.round(),
            registered: self.storm.total_answered(),
            sent,
            received,
        });
    }
}

impl Report {
    fn new(arguments: &Arguments, plan: &Plan, work: &Work) -> Self {
        let storm = &work.storm;
        let traffic = work.traffic.as_ref().map(|(sender, receiver)| {
            let (sent, unique) = (sender.sent().packets, receiver.unique());
            let lost = sent.saturating_sub(unique);
            Traffic {
                sent,
                lost,
                loss_percent: lost as f64 / sent.max(1) as f64 * 100.0,
                timeline: work.timeline.clone(),
            }
        });
        Self {
            hosts: plan.given().hosts,
            registrations_per_s: storm
                .rounds()
                .first()
                .map_or(0.0, |it| it.registrations_per_s),
            offered_per_s: arguments.rate.0,
            rounds: storm.rounds().to_vec(),
            wrong: storm
                .wrong()
                .iter()
                .map(|(wrong, count)| (format!("{wrong:?}"), *count))
                .collect(),
            repeated: storm.repeated(),
            late: storm.late(),
            revocations: storm.revocations(),
            latency_us: Latency::of(storm.latency(), hz()),
            anchord_cpu_seconds: None,
            control_us_per_registration: None,
            anchord_octets_per_binding: None,
            anchord_signalling: None,
            keys: arguments.keys,
            store: arguments.store,
            anchord_store: None,
            traffic,
        }
    }

    fn print(&self) {
        for (number, round) in self.rounds.iter().enumerate() {
            println!(
                "round {number}   {:<8} {} hosts in {:.3} s, {} per second; {} sent again, {} given up",
                round.kind,
                round.registered,
                round.seconds,
                in_words(round.registrations_per_s),
                round.retransmitted,
                round.abandoned
            );
        }
        let it = &self.latency_us;
        println!(
            "answer us p50 {:.1}  p90 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
            it.p50, it.p90, it.p99, it.p999, it.max
        );
        if let (Some(cpu), Some(control)) =
            (&self.anchord_cpu_seconds, self.control_us_per_registration)
        {
            let threads: Vec<String> = cpu
                .iter()
                .map(|(name, seconds)| format!("{name} {seconds:.2} s"))
                .collect();
            println!(
                "anchord   {}; control {control:.2} us per registration",
                threads.join(", ")
            );
        }
        if let Some(traffic) = &self.traffic {
            println!(
                "traffic   {} sent, {} lost ({:.4} %)",
                traffic.sent, traffic.lost, traffic.loss_percent
            );
        }
        if self.late > 0 {
            println!(
                "late      {} updates were too old when they were looked at",
                self.late
            );
        }
        for (wrong, count) in &self.wrong {
            println!("wrong     {wrong} {count}");
        }
    }
}
