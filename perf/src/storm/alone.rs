//! `anchor-perf registrations`: what a registration takes of an anchor's control thread, and of nothing else.
//!
//! ```text
//!   Storm ──frames──► worker ──► rings ──► Engine, timed ──► rings ──► worker ──frames──► Storm
//! ```
//!
//! Storm, worker and engine take turns on one thread, over ports in memory. Time runs for the engine's turns alone,
//! so the figure is that of a control thread which has a core to itself; `perf/registrations` counts the
//! instructions of these turns, which do not change with what else the machine does.

use super::{Course, Storm};
use crate::gateway::{self, configuration, Kept, Role, Setting};
use crate::traffic::plan::{Plan, PlanArguments};
use crate::traffic::side::Side;
use anyhow::{ensure, Context, Result};
use clap::Args;
use control::config::{Config, Machine};
use control::engine::Engine;
use control::gateway::{assemble, Applied, Gateway, PortInfo, PortQueues, Room};
use control::rpc::Notices;
use dataplane::mem::Storage;
use dataplane::rings;
use dataplane::tables::{Capacity, Options, Tables};
use dataplane::worker::{Rate, Worker, WorkerConfig};
use packet::memory::{Pool, Ports, HEAD_ROOM};
use packet::PortId;
use roles::{Event, Now};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use wire::ether::MacAddr;

/// Cycles per second of a clock that counts nanoseconds.
const HZ: u64 = 1_000_000_000;

/// Buffers of a port in memory, and octets of each.
const BUFFERS: usize = 4096;
const OCTETS: usize = HEAD_ROOM + 2304;

/// The storm's own link-layer address.
const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0xa9, 1]);

/// Longest time without an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Hosts and gateways.
    #[command(flatten)]
    plan: PlanArguments,
    /// Rounds: every host registers, then moves to the next access gateway (or refreshes, when there is only one)
    /// in each further one.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Updates that wait for an answer at most.
    #[arg(long, default_value_t = 64)]
    outstanding: usize,
    /// Whether updates and answers are authenticated, with replay protection (RFC 4285).
    #[arg(long)]
    keys: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Report {
    hosts: u64,
    keys: bool,
    /// Of each round: what it was, and nanoseconds of control for each registration.
    rounds: Vec<(&'static str, f64)>,
    /// Registrations per second that one control thread sustains, by its worst round.
    registrations_per_s: f64,
}

/// An anchor in this process.
struct Anchor {
    engine: Engine<Gateway>,
    worker: Worker<Ports>,
    start: Instant,
}

/// Measures it.
///
/// # Errors
/// When the anchor cannot be set up, or an answer is wrong or never comes.
pub fn run(arguments: &Arguments) -> Result<()> {
    let plan = Arc::new(Plan::new(&arguments.plan)?);
    let mut anchor = Anchor::new(&plan, arguments.keys)?;
    let course = Course {
        rounds: arguments.rounds,
        rate: None,
        outstanding: arguments.outstanding,
        // Nothing is lost here.
        retransmit: PATIENCE.as_secs() * HZ,
        lifetime: 3600,
        hz: HZ,
    };
    let [mac, _] = configuration::MACS;
    let mut storm = Storm::new(Arc::clone(&plan), course, mac.parse()?)?;
    if arguments.keys {
        storm.authenticate(gateway::keys(&plan));
    }
    let ports = Ports::new(1, Pool::new(BUFFERS, OCTETS));
    let mut side = Side::new(ports, PortId(0), OWN);
    let mut spent = vec![Duration::ZERO; arguments.rounds as usize];
    let (mut answered, mut heard) = (0, Instant::now());
    while !storm.is_over() {
        let round = storm.round() as usize;
        let (ports, port) = side.link();
        storm.step(ports, port, OWN, anchor.nanoseconds());
        for frame in ports.take_sent(port) {
            ensure!(
                anchor.worker.io_mut().receive(PortId(0), &frame),
                "a pool has run dry"
            );
        }
        let took = anchor.turn();
        if let Some(spent) = spent.get_mut(round) {
            *spent += took;
        }
        for frame in anchor.worker.io_mut().take_sent(PortId(0)) {
            ensure!(
                side.link().0.receive(PortId(0), &frame),
                "a pool has run dry"
            );
        }
        while side.receive(&mut storm, || anchor.nanoseconds()) > 0 {}
        if storm.total_answered() > answered {
            (answered, heard) = (storm.total_answered(), Instant::now());
        }
        ensure!(heard.elapsed() < PATIENCE, "an answer never comes");
    }
    ensure!(
        storm.wrong().is_empty(),
        "wrong answers: {:?}",
        storm.wrong()
    );
    let each = |(round, spent): (&super::book::Round, &Duration)| {
        let registered = round.registered.max(1) as f64;
        (round.kind, spent.as_nanos() as f64 / registered)
    };
    let rounds: Vec<_> = storm.rounds().iter().zip(&spent).map(each).collect();
    let worst = rounds.iter().map(|(_, each)| *each).fold(1.0, f64::max);
    let report = Report {
        hosts: plan.given().hosts,
        keys: arguments.keys,
        rounds,
        registrations_per_s: HZ as f64 / worst,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for (kind, each) in &report.rounds {
        println!(
            "{kind:<9} {each:.0} ns of control each, {:.0} a second",
            HZ as f64 / each
        );
    }
    Ok(())
}

impl Anchor {
    fn new(plan: &Plan, keys: bool) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let setting = Setting {
            role: Role::Lma,
            sockets: None,
            program: PathBuf::new(),
            core: None,
            share: true,
            hugepages: "never",
            store: Kept::Off,
            keys,
        };
        configuration::write(&setting, plan, directory.path())?;
        let config = read(directory.path())?;
        let capacity = Capacity {
            bindings: config.tables.bindings,
            tunnels: config.tables.tunnels,
            adjacencies: config.tables.adjacencies(),
        };
        let (writer, tables) = Tables::with(Options {
            capacity,
            workers: 1,
            storage: Storage::Heap,
            seed: None,
        })?;
        let (control, workers) = rings::channel(1)?;
        let ports = (0..).zip(&config.port).zip(configuration::MACS);
        let ports = ports.map(|((index, port), mac)| {
            Ok(PortInfo {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: "memory".to_owned(),
                mac: mac.parse()?,
                mtu: port.mtu,
                id: PortId(index),
                twin: None,
                queues: PortQueues::default(),
            })
        });
        let ports: Vec<_> = ports.collect::<Result<_>>()?;
        let memory = Ports::new(u16::try_from(ports.len())?, Pool::new(BUFFERS, OCTETS));
        let rings = workers.into_iter().next().context("a worker's rings")?;
        let mut limits = WorkerConfig::default();
        let most = config.workers.peer_rate;
        limits.punt_rates.peers.source = Rate::new(most, most.div_ceil(10));
        let worker = Worker::new(0, &tables, rings, memory, &limits);
        let mut applied = Applied::from(config.load_policy()?);
        let policy = applied.anchor.take().context("an anchor's policy")?;
        let room = Room {
            bindings: writer.bindings_guaranteed(),
            adjacencies: capacity.adjacencies,
        };
        let (role, setup) = assemble(&config, &ports, room, applied, Notices::new(), None)?;
        let start = Instant::now();
        let now = now(start);
        let mut engine = Engine::new(setup, role, writer, control, now);
        engine.set_associations(config.load_associations()?);
        engine.start(now);
        engine.deliver(now, Event::Policy { policy });
        Ok(Self {
            engine,
            worker,
            start,
        })
    }

    fn nanoseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Lets worker and engine have their turns; how long the engine's was.
    fn turn(&mut self) -> Duration {
        let now = now(self.start);
        self.worker.poll_at(now.monotonic);
        let begun = Instant::now();
        control(&mut self.engine, now);
        let took = begun.elapsed();
        self.worker.poll_at(now.monotonic);
        took
    }
}

/// What is measured. It is a function of its own for whoever counts its instructions.
#[inline(never)]
fn control(engine: &mut Engine<Gateway>, now: Now) {
    engine.poll(now);
    engine.tick(now);
}

fn now(start: Instant) -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Now {
        monotonic: start.elapsed(),
        wall: wall.unwrap_or_default(),
    }
}

fn read(directory: &Path) -> Result<Config> {
    let machine = Machine { cores: vec![0] };
    Ok(Config::load_for(
        &directory.join(configuration::FILE),
        &machine,
    )?)
}
