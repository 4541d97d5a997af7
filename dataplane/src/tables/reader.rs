//! What a worker has of the tables.

use super::Tables;
use crate::adjacencies::Words;
use crate::counters::{BindingCounter, Direction, PortDirection, WorkerCounters};
use crate::fib::Fib;
use crate::key::{AdjacencyId, AdjacencySpec, BindingId, Domain, TunnelId};
use crate::table::forwarding::Word;
use crate::table::{Family, Found, Probe};
use crate::tunnels::{Entrances, Mark, OuterPair, Tunnel};
use crate::verdict::{Born, Verdict};
use crossbeam::utils::CachePadded;
use packet::PortId;
use std::cell::Cell;
use std::marker::PhantomData;
use std::net::Ipv6Addr;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// One worker's way to the tables. It goes to the worker's thread and stays there.
///
/// ```text
///   online -> { quiescent -> burst: lookup, tunnel, adjacency, fib, count } ... -> offline
/// ```
///
/// What was read from the tables (an id, a forwarding) is used until the next
/// [`Reader::quiescent`] or [`Reader::offline`] and no longer. Nothing here allocates, locks or
/// makes a system call, but for [`Reader::online`] the first time on a thread.
pub struct Reader {
    tables: Arc<Tables>,
    fib: Arc<Fib>,
    counters: Arc<CachePadded<WorkerCounters>>,
    worker: usize,
    /// Its counters have one writer, so it may move between threads but not be shared by them.
    not_sync: PhantomData<Cell<()>>,
}

impl Reader {
    pub(super) fn new(tables: Arc<Tables>, worker: usize) -> Self {
        let of_worker = tables.taken.get(worker).zip(tables.counters.get(worker));
        let Some((taken, counters)) = of_worker else {
            panic!("there is no worker {worker}");
        };
        let first = !taken.swap(true, Ordering::AcqRel);
        assert!(first, "worker {worker} has its reader already");
        let (fib, counters) = (tables.fib(), Arc::clone(counters));
        Self {
            tables,
            fib,
            counters,
            worker,
            not_sync: PhantomData,
        }
    }

    /// Its worker.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The tables that it reads.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// The worker begins to read; [`Reader::fib`] is the topology published last.
    pub fn online(&mut self) {
        self.tables.qsbr.online(self.worker);
        self.fib = self.tables.fib();
    }

    /// The worker holds nothing and stops reading, before it sleeps or ends.
    pub fn offline(&mut self) {
        self.tables.qsbr.offline(self.worker);
    }

    /// Once per burst, between two: the worker holds nothing from before, and [`Reader::fib`] is the
    /// topology published last.
    #[inline]
    pub fn quiescent(&mut self) {
        self.tables.qsbr.quiescent(self.worker);
        if self.tables.published.load(Ordering::Acquire) != self.fib.generation() {
            // Control holds the old one too, so that it is never this drop that frees it.
            self.fib = self.tables.fib();
        }
    }

    /// The topology of this burst.
    #[inline(always)]
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// Finds for every probe the longest binding that covers it, and prefetches its counters, tunnel
    /// and host. `found` is overwritten as far as `probes` goes; of slices of different length, the
    /// shorter counts.
    pub fn lookup(&self, probes: &[Probe], found: &mut [Option<Found>]) {
        self.lookup_of(Family::of_all(probes), probes, found);
    }

    /// [`Reader::lookup`] for whoever knows the family of all probes, none where they are of both. Returns whether
    /// all are of one site, and the same was found for all; it may be so also where it returns that it is not.
    #[inline]
    pub(crate) fn lookup_of(
        &self,
        family: Option<Family>,
        probes: &[Probe],
        found: &mut [Option<Found>],
    ) -> bool {
        self.lookup_with(family, probes, found, self.counters.prefetcher())
    }

    /// [`Reader::lookup`] for whoever counts no packets in what is found: counters stay where they are.
    pub fn lookup_uncounted(&self, probes: &[Probe], found: &mut [Option<Found>]) {
        self.lookup_with(Family::of_all(probes), probes, found, |_| ());
    }

    /// The longest binding that covers one address, for whoever has only one to look up and counts nothing
    /// for it.
    pub fn binding_of(&self, probe: &Probe) -> Option<Found> {
        self.tables.bindings.covering(probe)
    }

    #[inline(always)]
    fn lookup_with(
        &self,
        family: Option<Family>,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
    ) -> bool {
        let tunnels = self.tables.tunnels.prefetcher();
        let adjacencies = self.tables.adjacencies.prefetcher();
        let leads = move |word: Word| {
            tunnels(word.tunnel().0);
            if let Some(host) = word.host() {
                adjacencies(host.0);
            }
        };
        let bindings = &self.tables.bindings;
        bindings.lookup_with(family, probes, found, reached, leads)
    }

    /// The tunnel at an index, if there is one.
    #[inline(always)]
    pub fn tunnel(&self, id: TunnelId) -> Option<Tunnel> {
        self.tables.tunnels.get(id)
    }

    /// All tunnels where they lie, for a loop over many packets.
    #[inline(always)]
    pub(crate) fn entrances(&self) -> Entrances<'_> {
        self.tables.tunnels.entrances()
    }

    /// All adjacencies where they lie, for the same.
    #[inline(always)]
    pub(crate) fn adjacency_words(&self) -> Words<'_> {
        self.tables.adjacencies.words()
    }

    /// The tunnel that a packet came out of: `local` is its outer destination, `remote` its outer
    /// source.
    #[inline]
    pub fn tunnel_between(
        &self,
        domain: Domain,
        local: Ipv6Addr,
        remote: Ipv6Addr,
    ) -> Option<TunnelId> {
        self.tables.tunnels.between(&OuterPair {
            domain,
            local,
            remote,
        })
    }

    /// The tunnel that a packet came out of whose outer header has something behind it.
    pub(crate) fn tunnel_marked(&self, pair: &OuterPair, mark: Mark) -> Option<TunnelId> {
        self.tables.tunnels.between_marked(pair, mark)
    }

    /// [`Reader::tunnel_between`] for many packets, their cache misses overlapped. `found` is
    /// overwritten as far as `pairs` goes; of slices of different length, the shorter counts.
    #[inline]
    pub fn tunnels_between(&self, pairs: &[OuterPair], found: &mut [Option<TunnelId>]) {
        self.tables.tunnels.between_all(pairs, found);
    }

    /// The adjacency at an index, if there is one.
    #[inline(always)]
    pub fn adjacency(&self, id: AdjacencyId) -> Option<AdjacencySpec> {
        self.tables.adjacencies.get(id)
    }

    /// Counts `n` packets received.
    #[inline(always)]
    pub fn count_received(&self, n: u64) {
        self.counters.count_received(n);
    }

    /// Counts a packet that came into being.
    #[inline(always)]
    pub fn count_born(&self, born: Born) {
        self.counters.count_born(born);
    }

    /// Counts the end of a packet.
    #[inline(always)]
    pub fn count(&self, verdict: Verdict) {
        self.counters.count(verdict, 1);
    }

    /// Counts the same end of `n` packets.
    #[inline(always)]
    pub fn count_many(&self, verdict: Verdict, n: u64) {
        self.counters.count(verdict, n);
    }

    /// Counts `n` packets of the verdict with this index.
    #[inline(always)]
    pub(crate) fn count_index(&self, verdict: usize, n: u64) {
        self.counters.count_index(verdict, n);
    }

    /// Counts the packets of bindings at `now_secs`, for a loop over many.
    #[inline(always)]
    pub(crate) fn binding_counter(&self, now_secs: u32) -> BindingCounter<'_> {
        self.counters.binding_counter(now_secs)
    }

    /// Counts what went through a port.
    #[inline(always)]
    pub fn count_port(&self, port: PortId, way: PortDirection, packets: u64, bytes: u64) {
        self.counters.count_port(port, way, packets, bytes);
    }

    /// Counts a packet of `bytes` octets from or to a binding's prefix. `now_secs` is the workers'
    /// clock in seconds, which starts above 0: 0 stands for never.
    #[inline(always)]
    pub fn count_binding(&self, id: BindingId, way: Direction, bytes: u64, now_secs: u32) {
        self.counters.count_binding(id, way, bytes, now_secs);
    }
}

impl std::ops::Drop for Reader {
    fn drop(&mut self) {
        self.offline();
        if let Some(taken) = self.tables.taken.get(self.worker) {
            taken.store(false, Ordering::Release);
        }
    }
}
