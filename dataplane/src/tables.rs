//! The tables of a gateway together: what control writes and workers read.
//!
//! ```text
//!   control                    shared                       worker n
//!   Writer (one) --------> bindings, tunnels, -------> Reader (one each)
//!     | accounts           adjacencies, Fib                |
//!     | deferred lists     counters of worker n <----------+
//!     +------ epoch -----> Qsbr <------- quiescent --------+
//! ```

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

use crate::adjacencies::{Adjacencies, AdjacenciesWriter};
use crate::counters::{Accounts, PortCounts, VerdictCounts, WorkerCounters};
use crate::fib::Fib;
use crate::key::{AdjacencyId, AdjacencySpec, Topology, TunnelId};
use crate::mem::{self, Pages, Storage};
use crate::qsbr::Qsbr;
use crate::table::forwarding::{MOST_ADJACENCIES, MOST_TUNNELS};
use crate::table::hash::Seed;
use crate::table::{Bindings, BindingsWriter, Sizes};
use crate::tunnels::{Tunnel, Tunnels, TunnelsWriter};
use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use packet::PortId;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::Arc;

/// The most bindings that a table may have.
pub const MOST_BINDINGS: usize = 1 << 24;

/// The most workers.
pub const MOST_WORKERS: usize = 1 << 10;

/// How much the tables hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Bindings, 1 to [`MOST_BINDINGS`].
    pub bindings: usize,
    /// Tunnels, 1 to 2^24.
    pub tunnels: usize,
    /// Adjacencies, 1 to 2^28.
    pub adjacencies: usize,
}

/// How the tables are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How much they hold.
    pub capacity: Capacity,
    /// Number of workers.
    pub workers: usize,
    /// Where they live.
    pub storage: Storage,
    /// What keys are hashed under. Give none, so that it is the system's random number, unless two
    /// runs must be the same.
    pub seed: Option<u64>,
}

/// The tables, shared by control and workers.
pub struct Tables {
    qsbr: Arc<Qsbr>,
    bindings: Arc<Bindings>,
    tunnels: Arc<Tunnels>,
    adjacencies: Arc<Adjacencies>,
    fib: ArcSwap<Fib>,
    /// Generation of `fib`, written after it: one load tells a worker whether it has the last one.
    published: AtomicU64,
    counters: Box<[Arc<CachePadded<WorkerCounters>>]>,
    /// Workers that have their reader.
    taken: Box<[AtomicBool]>,
    seed: Seed,
}

impl Tables {
    /// Empty tables in the default storage, and their writer.
    ///
    /// # Errors
    /// A size that is out of range, or memory that the system refuses.
    pub fn new(capacity: Capacity, workers: usize) -> Result<(Writer, Arc<Self>), mem::Error> {
        Self::with(Options {
            capacity,
            workers,
            storage: Storage::default(),
            seed: None,
        })
    }

    /// Empty tables as `options` say, and their writer.
    ///
    /// # Errors
    /// As [`Tables::new`].
    pub fn with(options: Options) -> Result<(Writer, Arc<Self>), mem::Error> {
        let Options {
            capacity,
            workers,
            storage,
            seed,
        } = options;
        within("bindings", capacity.bindings, 1, MOST_BINDINGS)?;
        within("tunnels", capacity.tunnels, 1, MOST_TUNNELS)?;
        within("adjacencies", capacity.adjacencies, 1, MOST_ADJACENCIES)?;
        within("workers", workers, 0, MOST_WORKERS)?;
        let seed = seed.map_or_else(Seed::random, Seed::new);
        let qsbr = Arc::new(Qsbr::new(workers));
        let own = || Arc::clone(&qsbr);
        let bindings =
            BindingsWriter::new(Sizes::for_capacity(capacity.bindings), seed, storage, own())?;
        let tunnels = TunnelsWriter::new(capacity.tunnels, seed, storage, own())?;
        let adjacencies = AdjacenciesWriter::new(capacity.adjacencies, storage, own())?;
        let entries = bindings.table().entries();
        let counters: Result<_, _> = (0..workers)
            .map(|_| WorkerCounters::new(entries, storage).map(Arc::new))
            .collect();
        let accounts = Accounts::new(workers, entries, storage)?;
        let tables = Arc::new(Self {
            qsbr,
            bindings: Arc::clone(bindings.table()),
            tunnels: Arc::clone(tunnels.table()),
            adjacencies: Arc::clone(adjacencies.table()),
            fib: ArcSwap::from_pointee(Fib::new(Topology::default(), 0, seed)),
            published: AtomicU64::new(0),
            counters: counters?,
            taken: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            seed,
        });
        Ok((
            Writer::new(
                Arc::clone(&tables),
                bindings,
                tunnels,
                adjacencies,
                accounts,
            ),
            tables,
        ))
    }

    /// The reader of a worker, offline. It is the worker's only one until it is dropped.
    ///
    /// # Panics
    /// When there is no such worker, or its reader is out: two readers would count in the same
    /// words and speak for each other about what they hold. It is a fault of the program.
    pub fn reader(self: &Arc<Self>, worker: usize) -> Reader {
        Reader::new(Arc::clone(self), worker)
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.counters.len()
    }

    /// What a worker received, what was born there and how it ended; zeros for no such worker.
    pub fn verdict_counts(&self, worker: usize) -> VerdictCounts {
        self.counters
            .get(worker)
            .map(|c| c.verdicts())
            .unwrap_or_default()
    }

    /// [`Tables::verdict_counts`] of all workers together.
    pub fn verdict_totals(&self) -> VerdictCounts {
        let mut sum = VerdictCounts::default();
        for counters in &self.counters {
            sum += &counters.verdicts();
        }
        sum
    }

    /// What a worker counted on a port; zeros for no such worker or port.
    pub fn port_counts(&self, worker: usize, port: PortId) -> PortCounts {
        self.counters
            .get(worker)
            .map(|c| c.port(port))
            .unwrap_or_default()
    }

    /// [`Tables::port_counts`] of all workers together.
    pub fn port_totals(&self, port: PortId) -> PortCounts {
        let mut sum = PortCounts::default();
        for counters in &self.counters {
            let own = counters.port(port);
            sum.rx += own.rx;
            sum.tx += own.tx;
        }
        sum
    }

    /// The tunnel at an index, if there is one.
    pub fn tunnel(&self, id: TunnelId) -> Option<Tunnel> {
        self.tunnels.get(id)
    }

    /// The adjacency at an index, if there is one.
    pub fn adjacency(&self, id: AdjacencyId) -> Option<AdjacencySpec> {
        self.adjacencies.get(id)
    }

    /// How often a binding was displaced to make room for another, a measure of how full the table
    /// is.
    pub fn displacements(&self) -> u64 {
        self.bindings.displacements()
    }

    /// How much memory the tables take, and what it lies on.
    pub fn memory(&self) -> Memory {
        let [index, entries] = self.bindings.extents();
        let [ends, lines] = self.tunnels.extents();
        let adjacencies = self.adjacencies.extent();
        let counters: Vec<_> = self.counters.iter().map(|c| c.extent()).collect();
        let parts = [&index, &entries, &ends, &lines, &adjacencies];
        let parts = parts.into_iter().chain(&counters);
        let ranges: Vec<_> = parts.map(|part| part.range.clone()).collect();
        Memory {
            index: index.octets,
            entries: entries.octets,
            counters: counters.iter().map(|part| part.octets).sum(),
            tunnels: ends.octets + lines.octets,
            adjacencies: adjacencies.octets,
            pages: Pages::of(&ranges),
        }
    }

    /// The topology that was published last.
    pub fn fib(&self) -> Arc<Fib> {
        self.fib.load_full()
    }
}

/// Octets of memory that tables take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Memory {
    /// The buckets that lead from a key to its binding.
    pub index: u64,
    /// The bindings.
    pub entries: u64,
    /// Counters of bindings, all workers together.
    pub counters: u64,
    /// Tunnels, and the buckets that lead from outer addresses to them.
    pub tunnels: u64,
    /// Adjacencies.
    pub adjacencies: u64,
    /// What all of it lies on now, as far as it was written; small tables, which come from the
    /// allocator, are not in it.
    pub pages: Pages,
}

fn within(what: &'static str, asked: usize, least: usize, most: usize) -> Result<(), mem::Error> {
    if (least..=most).contains(&asked) {
        Ok(())
    } else {
        Err(mem::Error::Capacity {
            what,
            asked,
            least,
            most,
        })
    }
}
