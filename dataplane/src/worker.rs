//! A worker: one thread that owns one queue of every port and runs packets to completion.
//!
//! ```text
//!   pass:  changes of the topology -> held packets -> what control sends
//!          -> what other workers have this one send
//!          -> for every port: rx burst -> path -> tx bursts
//!          -> what other workers have received for this one -> path -> tx bursts -> quiescent
//! ```
//!
//! While packets flow there is no allocation, lock, system call or panic. The clock is read once per
//! pass, which on an ordinary machine is no system call either (the kernel's vDSO reads the time
//! stamp counter). When nothing comes, the worker does what [`Idle`] says, and while it sleeps it is
//! offline to reclamation. It writes the event descriptor of control at most once per pass, only
//! while control sleeps. Nothing wakes a worker that sleeps: what control sends it waits for as long
//! as a packet would, the longest sleep that is configured.
//!
//! A frame that the host's own stack sends through a TAP twin counts as born
//! ([`Born::FromHostStack`](crate::verdict::Born)) and not as received, so that for every worker
//! `received + born = sum of all verdicts` at the end of a pass.

mod config;
mod meter;
pub(crate) mod output;
mod stats;

pub use crate::limit::Rate;
pub use crate::police::{PuntRate, PuntRates};
pub use config::{Idle, WorkerConfig};
pub use meter::{Meter, Stage, Unmetered};
pub use stats::{WorkerSnapshot, WorkerStats, VECTORS};

use crate::clock;
use crate::counters::PortDirection;
use crate::fib::Fib;
use crate::handoff::{self, Ends, Joined};
use crate::path::Path;
use crate::rings::WorkerRings;
use crate::tables::{Reader, Tables};
use crate::verdict::Verdict;
use crate::watch::{Tap, Watch};
use packet::{PortId, RxTx};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// What the path reads: the tables as this worker sees them, and the time of the pass.
pub(crate) struct View<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) fib: &'a Fib,
    /// What is watched.
    pub(crate) watch: &'a Watch,
    /// Nanoseconds of the workers' clock.
    pub(crate) now: u64,
    /// The same in seconds.
    pub(crate) seconds: u32,
}

impl<'a> View<'a> {
    fn new(reader: &'a Reader, watch: &'a Watch, now: Duration) -> Self {
        Self {
            reader,
            fib: reader.fib(),
            watch,
            now: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            seconds: u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// One worker. `M` is told where its time goes.
pub struct Worker<T: RxTx, M: Meter = Unmetered> {
    reader: Reader,
    watch: Watch,
    path: Path<Joined<T>, M>,
    io: Joined<T>,
    idle: Idle,
    online: bool,
    stats: Arc<WorkerStats>,
}

impl<T: RxTx> Worker<T> {
    /// Worker number `index` over `tables`, with its end of the rings and its queues. All that it
    /// will ever allocate is allocated here.
    ///
    /// # Panics
    /// When there is no such worker in `tables`, or it exists already (see [`Tables::reader`]).
    #[must_use]
    pub fn new(
        index: usize,
        tables: &Arc<Tables>,
        rings: WorkerRings,
        io: T,
        config: &WorkerConfig,
    ) -> Self {
        Self::joined(index, tables, rings, io, Ends::alone(), config)
    }

    /// The same for a worker that hands packets to others and is handed some, by its `ends` of their
    /// [rings](handoff::channel).
    ///
    /// # Panics
    /// As [`Worker::new`].
    #[must_use]
    pub fn joined(
        index: usize,
        tables: &Arc<Tables>,
        rings: WorkerRings,
        io: T,
        ends: Ends<T::Buf>,
        config: &WorkerConfig,
    ) -> Self {
        Self::metered(index, tables, rings, io, ends, config, Unmetered)
    }
}

impl<T: RxTx, M: Meter> Worker<T, M> {
    /// [`Worker::joined`] with a meter.
    ///
    /// # Panics
    /// As [`Worker::new`].
    #[must_use]
    pub fn metered(
        index: usize,
        tables: &Arc<Tables>,
        rings: WorkerRings,
        io: T,
        ends: Ends<T::Buf>,
        config: &WorkerConfig,
        meter: M,
    ) -> Self {
        Self {
            reader: tables.reader(index),
            path: Path::new(index, io.ports(), rings, config, meter),
            watch: Watch::new(index),
            io: Joined::new(io, ends),
            idle: config.idle,
            online: false,
            stats: Arc::default(),
        }
    }

    /// What it has been doing, readable from any thread.
    #[must_use]
    pub fn stats(&self) -> Arc<WorkerStats> {
        Arc::clone(&self.stats)
    }

    /// Where control has it watch packets.
    #[must_use]
    pub fn tap(&self) -> Arc<Tap> {
        Arc::clone(self.watch.tap())
    }

    /// Its queues.
    pub fn io_mut(&mut self) -> &mut T {
        self.io.io_mut()
    }

    /// Its meter.
    pub fn meter_mut(&mut self) -> &mut M {
        &mut self.path.meter
    }

    /// Takes packets until `stop` is set, then [drains](Self::drain).
    pub fn run(&mut self, stop: &AtomicBool) {
        let mut empty_polls = 0u32;
        let mut sleep = Duration::ZERO;
        let mut before = clock::now();
        let mut was_busy = false;
        while !stop.load(Ordering::Relaxed) {
            let now = clock::now();
            if was_busy {
                let nanos = now.saturating_sub(before).as_nanos();
                self.stats.busy(u64::try_from(nanos).unwrap_or(u64::MAX));
            }
            before = now;
            was_busy = self.poll_at(now) > 0;
            if was_busy {
                empty_polls = 0;
                sleep = Duration::ZERO;
                continue;
            }
            empty_polls = empty_polls.saturating_add(1);
            match self.idle {
                Idle::Busy => {}
                Idle::Pause => std::hint::spin_loop(),
                Idle::Sleep {
                    after_empty_polls,
                    shortest,
                    longest,
                } => {
                    if empty_polls > after_empty_polls {
                        sleep = sleep.saturating_mul(2).max(shortest).min(longest);
                        self.sleep(sleep);
                    } else {
                        std::hint::spin_loop();
                    }
                }
                Idle::Monitor {
                    after_empty_polls,
                    longest,
                } if empty_polls > after_empty_polls => self.wait(longest),
                Idle::Monitor { .. } => std::hint::spin_loop(),
            }
        }
        self.drain();
    }

    /// One pass over everything, at the time of the workers' clock. Returns how many packets there
    /// were, control's and released ones included.
    pub fn poll_once(&mut self) -> usize {
        self.poll_at(clock::now())
    }

    /// One pass over everything at time `now`, which must not go back. Returns how many packets there
    /// were, those included that only came by on their way to another worker or a port.
    pub fn poll_at(&mut self, now: Duration) -> usize {
        // Counted before the topology is looked at: a frame that control sends right after it has
        // published an interface must not meet the topology from before.
        let injected = self.path.injected();
        if self.online {
            self.reader.quiescent();
        } else {
            self.reader.online();
            self.online = true;
        }
        self.watch.listen();
        let view = View::new(&self.reader, &self.watch, now);
        let mut packets = self.path.prepare(injected, &view, &mut self.io);
        let mut passed_on = self.io.relay();
        self.path.meter.lap(Stage::Pass);
        for port in 0..self.io.ports() {
            packets += self.path.receive(PortId(port), &view, &mut self.io);
            passed_on += account(PortId(port), &mut self.io, &self.stats, &view);
        }
        packets += arrivals(&mut self.path, &mut self.io, &self.stats, &view);
        self.path.finish(&view, &mut self.io);
        self.stats.pass(packets);
        self.stats.holds(self.path.held());
        self.path.meter.lap(Stage::Pass);
        packets + passed_on
    }

    /// Sends what control has left in the ring, lets go of all packets that are held, and stops
    /// reading the tables. A later pass begins anew.
    pub fn drain(&mut self) {
        if self.online {
            self.reader.quiescent();
        } else {
            self.reader.online();
        }
        let view = View::new(&self.reader, &self.watch, clock::now());
        arrivals(&mut self.path, &mut self.io, &self.stats, &view);
        self.path.drain(&view, &mut self.io);
        self.io.relay();
        self.watch.close();
        self.stats.holds(0);
        self.reader.offline();
        self.online = false;
    }

    fn sleep(&mut self, time: Duration) {
        self.go_offline(time);
        std::thread::sleep(time);
    }

    fn wait(&mut self, longest: Duration) {
        self.go_offline(longest);
        if !self.io.wait(longest) {
            std::hint::spin_loop();
        }
    }

    /// Before it sleeps for `time`, or less.
    fn go_offline(&mut self, time: Duration) {
        self.reader.offline();
        self.online = false;
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.stats.slept(nanos);
    }
}

/// Takes what other workers have received for this one; returns how many packets there were.
fn arrivals<T: RxTx, M: Meter>(
    path: &mut Path<Joined<T>, M>,
    io: &mut Joined<T>,
    stats: &WorkerStats,
    view: &View<'_>,
) -> usize {
    let mut packets = 0;
    for peer in 0..io.peers() {
        for _ in 0..Joined::<T>::BURSTS {
            let Some(port) = io.arrival(peer) else {
                break;
            };
            packets += path.receive(port, view, io);
        }
    }
    if packets > 0 {
        stats.taken(packets);
    }
    packets
}

/// Counts what was handed on of the packets that a port has just brought; returns how many there
/// were.
fn account<T: RxTx>(
    port: PortId,
    io: &mut Joined<T>,
    stats: &WorkerStats,
    view: &View<'_>,
) -> usize {
    let handoff::Tally {
        handed,
        refused,
        refused_octets,
    } = io.take_tally();
    if handed > 0 {
        stats.handed(handed);
    }
    if refused > 0 {
        let way = PortDirection::Rx;
        view.reader.count_port(port, way, refused, refused_octets);
        view.reader.count_received(refused);
        view.reader
            .count_many(Verdict::Drop(handoff::FULL), refused);
    }
    usize::try_from(handed + refused).unwrap_or(usize::MAX)
}
