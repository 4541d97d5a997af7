//! One worker of the bench and its packets, load after load.
//!
//! ```text
//!   load:  mbufs from the pool, filled (not timed) -> passes of the worker over all of them (timed)
//!          -> what it sent is checked (some loads) -> mbufs back to the pool
//! ```
//!
//! A load is thousands of packets long, so that when the worker comes to a packet, the lines that the
//! filling touched have long been pushed out of the first-level cache by those filled after it, and mostly
//! out of the second. With `--load 256` they are in the second.

use super::laps::{Laps, Watch, STAGES};
use super::packets::{self, Builder, Input};
use super::ports::Ports;
use super::verify::Verifier;
use super::world::Entry;
use super::{median, Flows, Plan};
use anyhow::{Context, Result};
use dataplane::handoff::Ends;
use dataplane::rings::{self, ControlRings};
use dataplane::tables::Tables;
use dataplane::worker::{Idle, Stage, Unmetered, Worker, WorkerConfig};
use dpdk::{cycles, Pool};
use packet::Buf;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One in so many loads of the timed rounds is checked, octet by octet.
const CHECKED: u64 = 8;

/// Forged packets that use up what strangers may send at once.
const USED_UP: f64 = 1024.0;

/// Loads of the pass that is not timed: one for every so many entries, within these bounds.
const UNTIMED: (usize, usize) = (4, 64);

/// What one round of one worker measured. Cycles per packet are the median of the round's loads, so
/// that a load during which the kernel took the core away does not count.
#[derive(Clone, Debug)]
pub struct Round {
    /// Packets.
    pub packets: u64,
    /// Cycles of the worker's passes, those of its ports included.
    pub cycles: u64,
    /// Cycles per packet in the gateway's own code.
    pub gateway: f64,
    /// Cycles per packet in the ports.
    pub io: f64,
    /// Cycles per packet by stage, where they were measured.
    pub stages: Option<[f64; STAGES]>,
}

/// What one worker measured.
#[derive(Debug)]
pub struct Outcome {
    /// Rounds without the meter of the stages: these count.
    pub plain: Vec<Round>,
    /// Rounds with it.
    pub metered: Vec<Round>,
    /// Rounds without it in which strangers forge signalling; packets are the others.
    pub forged: Vec<Round>,
    /// Packets that were checked.
    pub verified: u64,
}

/// One worker's bench.
pub struct Lane {
    index: usize,
    plan: Plan,
    tables: Arc<Tables>,
    ports: Ports,
    source: Source,
    verifier: Verifier,
}

impl Lane {
    /// For worker `index`, whose packets come from `pool`.
    ///
    /// # Errors
    /// When there are no entries to draw from.
    pub fn new(index: usize, plan: Plan, tables: Arc<Tables>, pool: Pool) -> Result<Self> {
        let builder = Builder {
            path: plan.path,
            frame: plan.frame,
        };
        let verifier = Verifier::new(builder, Arc::clone(&tables), index, plan.writer > 0.0);
        Ok(Self {
            index,
            plan,
            tables,
            ports: Ports::new(pool, plan.burst, plan.load)?,
            source: Source::new(index, plan, builder)?,
            verifier,
        })
    }

    /// Runs all rounds: one that is not timed and in which everything is checked, then plain and
    /// metered ones in turn.
    ///
    /// # Errors
    /// A packet that is missing, or is not what it must be.
    pub fn run(mut self) -> Result<Outcome> {
        self.check_all()?;
        let (mut plain, mut metered, mut forged) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.plan.rounds {
            plain.push(self.round::<Unmetered>()?);
            metered.push(self.round::<Laps>()?);
            if self.plan.forged > 0.0 {
                forged.push(self.round_with::<Unmetered>(self.plan.forged_each())?);
            }
        }
        self.verifier.finish()?;
        Ok(Outcome {
            plain,
            metered,
            forged,
            verified: self.verifier.verified(),
        })
    }

    /// The round that is not timed. Every packet goes twice, so that each flow is seen to keep its
    /// label.
    pub fn check_all(&mut self) -> Result<()> {
        let loads = (self.plan.entries as usize).div_ceil(self.plan.load);
        let (mut worker, _control) =
            worker::<Unmetered>(self.index, &self.tables, &mut self.ports)?;
        for _ in 0..loads.clamp(UNTIMED.0, UNTIMED.1) {
            self.source.draw();
            for _ in 0..2 {
                self.source.fill(worker.io_mut(), 0.0)?;
                drain(&mut worker, None);
                let sent = &worker.io_mut().sent;
                self.verifier.check(&self.source.inputs, sent)?;
                worker.io_mut().sent.clear();
            }
        }
        Ok(())
    }

    /// Packets that were checked so far.
    pub fn verified(&self) -> u64 {
        self.verifier.verified()
    }

    /// One timed round.
    pub fn round<M: Watch>(&mut self) -> Result<Round> {
        self.round_with::<M>(0.0)
    }

    /// One timed round with so many forged packets for each other one.
    fn round_with<M: Watch>(&mut self, forged_each: f64) -> Result<Round> {
        let (mut worker, mut control) = worker::<M>(self.index, &self.tables, &mut self.ports)?;
        let mut loads = Loads::default();
        // In a flood, time is what the worker took: while packets are made, no rate recovers. What may come
        // at once is used up before.
        let mut flood = (forged_each > 0.0).then(Flood::begin);
        if flood.is_some() {
            self.source.draw();
            let loads = (USED_UP / (self.plan.load as f64 * forged_each)).ceil();
            for _ in 0..loads as usize {
                self.source.fill(worker.io_mut(), forged_each)?;
                drain(&mut worker, flood.as_ref());
                control.poll(|_, _| {});
                worker.io_mut().start();
                worker.io_mut().sent.clear();
            }
        }
        let until = self.plan.seconds.map(|seconds| Instant::now() + seconds);
        loop {
            self.source.draw();
            self.source.fill(worker.io_mut(), forged_each)?;
            worker.io_mut().start();
            worker.meter_mut().start();
            let start = cycles();
            drain(&mut worker, flood.as_ref());
            let total = cycles() - start;
            if let Some(flood) = &mut flood {
                flood.takes(total);
            }
            // What control makes of it is another core's work.
            control.poll(|_, _| {});
            let stages = worker.meter_mut().sums();
            loads.add(self.plan.load, total, worker.io_mut(), stages);
            let sent = &worker.io_mut().sent;
            if loads.count % CHECKED == 1 {
                self.verifier.check(&self.source.inputs, sent)?;
            } else {
                self.verifier.count(&self.source.inputs, sent)?;
            }
            worker.io_mut().sent.clear();
            let done = match until {
                Some(until) => Instant::now() >= until,
                None => loads.packets >= self.plan.packets,
            };
            if done {
                return Ok(loads.finish());
            }
        }
    }
}

/// A worker over the ports, as a gateway makes it, and control's end of its rings.
fn worker<'a, M: Watch>(
    index: usize,
    tables: &Arc<Tables>,
    ports: &'a mut Ports,
) -> Result<(Worker<&'a mut Ports, M>, ControlRings)> {
    let (control, mut ends) = rings::channel(1)?;
    let ends = ends.pop().context("rings of one worker")?;
    let config = WorkerConfig {
        idle: Idle::Busy,
        ..WorkerConfig::default()
    };
    let meter = M::default();
    let alone = Ends::alone();
    let worker = Worker::metered(index, tables, ends, ports, alone, &config, meter);
    Ok((worker, control))
}

/// Lets the worker take all that waits. Not inlined, so that profilers can name it.
#[inline(never)]
fn drain<M: Watch>(worker: &mut Worker<&mut Ports, M>, flood: Option<&Flood>) {
    while !worker.io_mut().waiting.is_empty() {
        match flood {
            None => worker.poll_once(),
            Some(flood) => worker.poll_at(flood.now()),
        };
    }
}

/// The time of a flood.
struct Flood {
    begun: Duration,
    cycles: u64,
    nanos_per_cycle: f64,
}

impl Flood {
    fn begin() -> Self {
        Self {
            begun: Duration::from_secs(1),
            cycles: 0,
            nanos_per_cycle: 1e9 / dpdk::hz() as f64,
        }
    }

    fn takes(&mut self, cycles: u64) {
        self.cycles += cycles;
    }

    /// Reads the clock as a worker does, for what that costs.
    fn now(&self) -> Duration {
        std::hint::black_box(Instant::now());
        self.begun + Duration::from_nanos((self.cycles as f64 * self.nanos_per_cycle) as u64)
    }
}

/// Where packets come from.
struct Source {
    inputs: Vec<Input>,
    entries: Draw,
    tunnels: u32,
    load: usize,
    random: SmallRng,
    builder: Builder,
}

/// Which entry the next packet is for.
enum Draw {
    Uniform(u32),
    Zipf(Zipf<f64>),
}

impl Source {
    fn new(index: usize, plan: Plan, builder: Builder) -> Result<Self> {
        let entries = match plan.flows {
            Flows::Uniform => Draw::Uniform(plan.entries),
            Flows::Zipf => Draw::Zipf(Zipf::new(f64::from(plan.entries), 1.0)?),
        };
        Ok(Self {
            inputs: Vec::with_capacity(plan.load),
            entries,
            tunnels: plan.tunnels,
            load: plan.load,
            random: SmallRng::seed_from_u64(plan.seed ^ (index as u64) << 32),
            builder,
        })
    }

    /// Draws the packets of the next load.
    fn draw(&mut self) {
        let (entries, random) = (&self.entries, &mut self.random);
        let draw = || Input {
            entry: Entry {
                number: match entries {
                    Draw::Uniform(entries) => random.random_range(0..*entries),
                    // Ranks begin at 1.
                    Draw::Zipf(ranks) => ranks.sample(random) as u32 - 1,
                },
                tunnels: self.tunnels,
            },
            seed: random.random(),
        };
        self.inputs.clear();
        self.inputs
            .extend(std::iter::repeat_with(draw).take(self.load));
    }

    /// Puts them into fresh mbufs, the first of them last, and so many forged ones for each of them
    /// between them.
    fn fill(&mut self, ports: &mut Ports, forged_each: f64) -> Result<()> {
        let mut forged_due = 0.0;
        for &input in self.inputs.iter().rev() {
            forged_due += forged_each;
            while forged_due >= 1.0 {
                forged_due -= 1.0;
                let mut mbuf = ports.pool().alloc().context("the pool has run dry")?;
                mbuf.set_len(packets::FORGED)
                    .ok()
                    .context("a forged frame is longer than a buffer")?;
                packets::forged(self.random.random(), mbuf.data_mut());
                ports.waiting.push(mbuf);
            }
            let mut mbuf = ports.pool().alloc().context("the pool has run dry")?;
            mbuf.set_len(self.builder.received_len())
                .ok()
                .context("a frame is longer than a buffer")?;
            self.builder.received(input, mbuf.data_mut());
            ports.waiting.push(mbuf);
        }
        Ok(())
    }
}

/// The loads of a round, in cycles per packet.
#[derive(Default)]
struct Loads {
    count: u64,
    packets: u64,
    cycles: u64,
    gateway: Vec<f64>,
    io: Vec<f64>,
    stages: [Vec<f64>; STAGES],
}

impl Loads {
    fn add(&mut self, load: usize, total: u64, ports: &Ports, stages: Option<[u64; STAGES]>) {
        let per_packet = |cycles: u64| cycles as f64 / load as f64;
        let io = ports.rx_cycles + ports.tx_cycles;
        self.count += 1;
        self.packets += load as u64;
        self.cycles += total;
        self.gateway.push(per_packet(total.saturating_sub(io)));
        self.io.push(per_packet(io));
        for (stage, (sums, sum)) in
            (Stage::ALL.iter()).zip(self.stages.iter_mut().zip(stages.iter().flatten()))
        {
            // The ports' own time is not the gateway's.
            let ports = match stage {
                Stage::Receive => ports.rx_cycles,
                Stage::Output => ports.tx_cycles,
                _ => 0,
            };
            sums.push(per_packet(sum.saturating_sub(ports)));
        }
    }

    fn finish(mut self) -> Round {
        let metered = self.stages.iter().all(|loads| !loads.is_empty());
        Round {
            packets: self.packets,
            cycles: self.cycles,
            gateway: median(&mut self.gateway),
            io: median(&mut self.io),
            stages: metered.then(|| self.stages.map(|mut loads| median(&mut loads))),
        }
    }
}
