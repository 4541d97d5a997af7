//! `anchor-perf wakeup`: how long a packet waits for a worker that has nothing else to do, by idle mode.
//!
//! ```text
//!   this thread                       worker, on its own core
//!   sleeps a while ─► clock ─► ring ─► idle: rx ─► path: one route ─► tx: clock ─► ring ─► this thread
//!                       └──────────────────── a sample ─────────────────┘
//! ```
//!
//! The worker is the gateway's own, over ports that are rings in memory. A sample is what lies between the two
//! readings of the time stamp counter: the wait for the worker to look, and the way of one packet. `busy` shows
//! what of it is the way.

use crate::eal::{self, EalArguments};
use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use dataplane::key::{
    AdjacencySpec, Domain, Interface, InterfaceId, InterfaceKind, NextHop, Route, Topology,
};
use dataplane::rings;
use dataplane::tables::{Capacity, Tables};
use dataplane::worker::{Idle, Worker, WorkerConfig};
use dpdk::{Eal, Mbuf, Port, PortConfig, PortShare, RxQueue, TxQueue, WorkerIo};
use hdrhistogram::Histogram;
use packet::{Buf, Burst, PortId, RxTx};
use rand::Rng;
use serde::Serialize;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::{next_header, Header};
use zerocopy::IntoBytes;

/// Memory for the rings' packets, in MB.
const MEMORY_MB: u32 = 64;

/// Longest wait for one packet.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest sample that the histogram tells apart, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// Samples that are not counted: of a worker that has just started.
const FIRST: u32 = 20;

const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const NEIGHBOUR: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const FROM: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
const TO: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2);

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Core of the worker [default: the last there is]
    #[arg(long, value_name = "CPU")]
    core: Option<usize>,
    /// Core of the thread that sends and receives [default: the first there is]
    #[arg(long, value_name = "CPU")]
    peer_core: Option<usize>,
    /// Packets per idle mode
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    samples: u32,
    /// Longest time between two packets in microseconds; each is drawn anew
    #[arg(long, value_name = "US", default_value_t = 2_000)]
    gap_us: u64,
    /// Shortest sleep of `sleep` in microseconds
    #[arg(long, value_name = "US", default_value_t = 20)]
    shortest_us: u64,
    /// Longest sleep of `sleep`, and longest wait of `monitor`, in microseconds
    #[arg(long, value_name = "US", default_value_t = 500)]
    longest_us: u64,
    /// Empty passes before `sleep` and `monitor` begin
    #[arg(long, value_name = "N", default_value_t = 64)]
    idle_after: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// How DPDK starts.
    #[command(flatten)]
    eal: EalArguments,
}

/// All modes, measured one after the other.
#[derive(Serialize)]
struct Report {
    core: usize,
    peer_core: usize,
    gap_us: u64,
    modes: Vec<Mode>,
}

/// One idle mode: its latencies in microseconds, or why it cannot be had.
#[derive(Serialize)]
struct Mode {
    mode: &'static str,
    samples: u64,
    min_us: Option<f64>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
    refused: Option<String>,
}

/// A worker's queues that write down when something leaves by them.
struct Stamped {
    io: WorkerIo,
    left: Arc<AtomicU64>,
}

impl RxTx for Stamped {
    type Buf = Mbuf;
    type Fragments = <WorkerIo as RxTx>::Fragments;

    fn fragments(&mut self) -> &mut Self::Fragments {
        self.io.fragments()
    }

    fn ports(&self) -> u16 {
        self.io.ports()
    }

    fn rx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        self.io.rx(port, burst)
    }

    fn tx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        // Before the ring takes it: whoever sees the packet sees this.
        self.left.store(dpdk::cycles(), Ordering::Release);
        self.io.tx(port, burst)
    }

    fn wait(&mut self, longest: Duration) -> bool {
        self.io.wait(longest)
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.io.alloc()
    }

    fn free(&mut self, burst: &mut Burst<Mbuf>) {
        self.io.free(burst);
    }
}

/// Measures every idle mode.
///
/// # Errors
/// What does not start, or a packet that does not come back.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.samples > 0, "--samples must be more than 0");
    ensure!(
        (1..=arguments.longest_us).contains(&arguments.shortest_us),
        "--shortest-us must be from 1 to --longest-us"
    );
    let eal = eal::start(&arguments.eal, MEMORY_MB, Vec::new())?;
    let cores = eal.cores().to_vec();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else {
        bail!("this process may run on no core");
    };
    let core = arguments.core.unwrap_or(*last);
    let peer_core = arguments.peer_core.unwrap_or(*first);
    if core == peer_core {
        eprintln!("anchor-perf: one core for both: every packet waits for a change of threads");
    }
    let longest = Duration::from_micros(arguments.longest_us);
    let after_empty_polls = arguments.idle_after;
    let sleep = Idle::Sleep {
        after_empty_polls,
        shortest: Duration::from_micros(arguments.shortest_us),
        longest,
    };
    let monitor = Idle::Monitor {
        after_empty_polls,
        longest,
    };
    let modes = [
        ("busy", Idle::Busy),
        ("pause", Idle::Pause),
        ("sleep", sleep),
        ("monitor", monitor),
    ];
    let mut report = Report {
        core,
        peer_core,
        gap_us: arguments.gap_us,
        modes: Vec::new(),
    };
    for ((mode, idle), number) in modes.into_iter().zip(0..) {
        let cores = [core, peer_core];
        let measured = measure(&eal, number, idle, cores, arguments).context(mode)?;
        report.modes.push(Mode::of(mode, measured));
    }
    let leaks = eal.shutdown(Vec::new(), Vec::new())?;
    ensure!(leaks.mbufs_in_use() == 0, "packets were lost: {leaks:?}");
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// Ring ports number `2 * number` and the next, a worker between them, and this end of both. The error is why the
/// mode cannot be had.
fn measure(
    eal: &Eal,
    number: usize,
    idle: Idle,
    [core, peer_core]: [usize; 2],
    arguments: &Arguments,
) -> Result<Result<Histogram<u64>, String>> {
    let open = |which: usize| {
        let config = PortConfig {
            mbufs: Some(1023),
            ..PortConfig::new("ring", format!("net_ring{}", 2 * number + which))
        };
        Port::attach(eal, config)
    };
    let (mut inner, mut outer) = (open(0)?, open(1)?);
    let pool = inner.pool().clone();
    let (in_rx, mut in_tx) = inner.take_ends();
    let (mut out_rx, out_tx) = outer.take_ends();
    let to_worker = in_tx.pop().context("a ring has a queue")?;
    let from_worker = out_rx.pop().context("a ring has a queue")?;
    let shares = vec![
        PortShare::new(in_rx, None, inner.link()),
        PortShare::new(Vec::new(), out_tx.into_iter().next(), outer.link()),
    ];
    let io = WorkerIo::with(shares, pool.clone())?;
    let outcome = match idle {
        Idle::Monitor { .. } => io.can_wait(),
        _ => Ok(()),
    };
    let outcome = match outcome {
        Err(why) => {
            drop((io, to_worker, from_worker));
            Err(why)
        }
        Ok(()) => {
            let left = Arc::new(AtomicU64::new(0));
            let stop = Arc::new(AtomicBool::new(false));
            let mut worker = worker(
                Stamped {
                    io,
                    left: Arc::clone(&left),
                },
                idle,
            )?;
            let stopped = Arc::clone(&stop);
            let thread = eal.spawn_worker("worker", Some(core), move || worker.run(&stopped))?;
            let (samples, gap_us) = (arguments.samples, arguments.gap_us);
            let peer = eal.spawn_worker("peer", Some(peer_core), move || {
                ping(to_worker, from_worker, &pool, &left, samples, gap_us)
            })?;
            let histogram = peer.join()?;
            stop.store(true, Ordering::Relaxed);
            thread.join()?;
            Ok(histogram?)
        }
    };
    drop(inner.close()?);
    drop(outer.close()?);
    Ok(outcome)
}

/// A worker that forwards what comes in on port 0 by a route over port 1.
fn worker(io: Stamped, idle: Idle) -> Result<Worker<Stamped>> {
    let capacity = Capacity {
        bindings: 16,
        tunnels: 16,
        adjacencies: 16,
    };
    let (mut writer, tables) = Tables::new(capacity, 1)?;
    let interface = |port: u16| Interface {
        name: format!("ring{port}"),
        port: PortId(port),
        vlan: None,
        domain: Domain(0),
        kind: InterfaceKind::Core,
        mac: GATEWAY,
        address: None,
        link_local: None,
        ipv4: None,
        mtu: 1500,
        twin: None,
    };
    let neighbour = writer.add_adjacency(AdjacencySpec {
        interface: InterfaceId(1),
        mac: NEIGHBOUR,
    })?;
    writer.publish(Topology {
        interfaces: vec![interface(0), interface(1)],
        routes: vec![Route {
            domain: Domain(0),
            prefix: IpAddr::V6(TO),
            length: 128,
            next_hop: NextHop::Adjacency(neighbour),
        }],
        ..Topology::default()
    });
    let (_control, mut rings) = rings::channel(1)?;
    let rings = rings.pop().context("one worker has its rings")?;
    let config = WorkerConfig {
        idle,
        ..WorkerConfig::default()
    };
    Ok(Worker::new(0, &tables, rings, io, &config))
}

/// Sends one packet after another and waits for each.
fn ping(
    mut to_worker: TxQueue,
    mut from_worker: RxQueue,
    pool: &dpdk::Pool,
    left: &AtomicU64,
    samples: u32,
    gap_us: u64,
) -> Result<Histogram<u64>> {
    let header = Header::new(FROM.octets(), TO.octets(), next_header::NONE, 64, 0);
    let ethernet = ether::Header::new(GATEWAY, NEIGHBOUR, ethertype::IPV6);
    let frame = [ethernet.as_bytes(), header.as_bytes()].concat();
    let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
    let mut random = rand::rng();
    let mut burst = Burst::new();
    for sample in 0..samples + FIRST {
        std::thread::sleep(Duration::from_micros(random.random_range(0..=gap_us)));
        let mut packet = pool.alloc().context("the pool has run dry")?;
        if packet.set_len(frame.len()).is_err() {
            bail!("a buffer holds no frame");
        }
        packet.data_mut().copy_from_slice(&frame);
        burst.push(packet);
        let sent = dpdk::cycles();
        ensure!(to_worker.tx(&mut burst) == 1, "the ring is full");
        let limit = Instant::now() + LIMIT;
        while from_worker.rx(&mut burst) == 0 {
            ensure!(Instant::now() < limit, "the packet did not come back");
            std::hint::spin_loop();
        }
        let cycles = left.load(Ordering::Acquire).saturating_sub(sent);
        burst.clear();
        if sample >= FIRST {
            let nanos = u128::from(cycles) * 1_000_000_000 / u128::from(dpdk::hz().max(1));
            histogram.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX).max(1));
        }
    }
    Ok(histogram)
}

impl Mode {
    fn of(mode: &'static str, measured: Result<Histogram<u64>, String>) -> Self {
        let refused = measured.as_ref().err().cloned();
        let histogram = measured.ok();
        let of = |value: fn(&Histogram<u64>) -> u64| {
            let nanos = value(histogram.as_ref()?);
            Some(nanos as f64 / 1_000.0)
        };
        Self {
            mode,
            samples: histogram.as_ref().map_or(0, Histogram::len),
            min_us: of(Histogram::min),
            p50_us: of(|it| it.value_at_quantile(0.5)),
            p99_us: of(|it| it.value_at_quantile(0.99)),
            max_us: of(Histogram::max),
            refused,
        }
    }
}

impl Report {
    fn table(&self) -> String {
        let mut text = format!(
            "from ring to ring in microseconds, worker on core {}\n\n{:<8} {:>10} {:>10} {:>10} {:>10}\n",
            self.core, "idle", "min", "p50", "p99", "max"
        );
        for mode in &self.modes {
            let line = match (
                &mode.refused,
                mode.min_us,
                mode.p50_us,
                mode.p99_us,
                mode.max_us,
            ) {
                (None, Some(min), Some(p50), Some(p99), Some(max)) => {
                    format!(
                        "{:<8} {min:>10.2} {p50:>10.2} {p99:>10.2} {max:>10.2}\n",
                        mode.mode
                    )
                }
                (why, ..) => {
                    let why = why.as_deref().unwrap_or("not measured");
                    format!("{:<8} not to be had: {why}\n", mode.mode)
                }
            };
            text.push_str(&line);
        }
        text
    }
}
