//! What control has of the tables.

use super::Tables;
use crate::adjacencies::AdjacenciesWriter;
use crate::counters::{Accounts, BindingTotals};
use crate::fib::Fib;
use crate::key::{
    AdjacencyId, AdjacencySpec, BindingId, BindingKey, Forwarding, Topology, TunnelId, TunnelSpec,
};
use crate::table::{BindingsWriter, Full};
use crate::tunnels::TunnelsWriter;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// The one writer of the tables. No call waits for a worker.
pub struct Writer {
    tables: Arc<Tables>,
    bindings: BindingsWriter,
    tunnels: TunnelsWriter,
    adjacencies: AdjacenciesWriter,
    accounts: Accounts,
    /// Where the next [`Writer::sweep`] goes on.
    swept: usize,
    /// Topologies that were replaced. Kept until no worker has them, so that a worker never frees.
    replaced: Vec<Arc<Fib>>,
}

impl Writer {
    pub(super) fn new(
        tables: Arc<Tables>,
        bindings: BindingsWriter,
        tunnels: TunnelsWriter,
        adjacencies: AdjacenciesWriter,
        accounts: Accounts,
    ) -> Self {
        Self {
            tables,
            bindings,
            tunnels,
            adjacencies,
            accounts,
            swept: 0,
            replaced: Vec::new(),
        }
    }

    /// The tables that it writes.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Makes a binding, its counters at zero; or moves the one that has this key: packets see what
    /// was before or `forwarding`, nothing between, and its counters go on.
    ///
    /// A length above the family's counts as full, bits past the length count as zero.
    ///
    /// # Errors
    /// [`Full`]; then nothing has changed. It is `Capacity` only from
    /// [`Writer::bindings_guaranteed`] bindings on, and `Reclaiming` only when a worker has not been
    /// quiescent during more removals than there are spare entries (an eighth of the capacity, at
    /// least 64, at most 2^18): see [`Writer::stalled`].
    pub fn bind(&mut self, key: BindingKey, forwarding: Forwarding) -> Result<BindingId, Full> {
        let (tables, accounts) = (&self.tables, &mut self.accounts);
        self.bindings.bind(key, forwarding, |record| {
            accounts.reset(record);
            tables
                .counters
                .iter()
                .for_each(|counters| counters.reset(record));
        })
    }

    /// Takes a binding out and returns its last totals, or none when there is no such binding. What
    /// workers count while they finish the burst at hand is not in them.
    pub fn unbind(&mut self, key: &BindingKey) -> Option<BindingTotals> {
        let id = self.bindings.unbind(key)?;
        Some(self.accounts.read(&self.tables.counters, id))
    }

    /// Hints that these keys will be bound, moved or unbound next, in any order: with a few dozen at a
    /// time the cache misses of all overlap, and each takes a fraction of the time.
    pub fn prefetch(&self, keys: &[BindingKey]) {
        self.bindings.prefetch(keys);
    }

    /// The binding of exactly this key.
    pub fn binding(&self, key: &BindingKey) -> Option<(BindingId, Forwarding)> {
        self.bindings.get(key)
    }

    /// The binding at an index, if one is there.
    pub fn binding_at(&self, id: BindingId) -> Option<(BindingKey, Forwarding)> {
        self.bindings.at(id)
    }

    /// All bindings, in the order of their indices.
    pub fn bindings(&self) -> impl Iterator<Item = (BindingId, BindingKey, Forwarding)> + '_ {
        (0..self.bindings.touched()).filter_map(|at| {
            let id = BindingId(at as u32);
            self.bindings
                .at(id)
                .map(|(key, forwarding)| (id, key, forwarding))
        })
    }

    /// Number of bindings.
    pub fn bindings_len(&self) -> usize {
        self.bindings.len()
    }

    /// While there are fewer bindings than this, the table is not the reason that one is refused.
    pub fn bindings_guaranteed(&self) -> usize {
        self.bindings.capacity()
    }

    /// Makes a tunnel, unresolved. When there is one with these ends in this domain, it takes the
    /// hop limit and MTU of `spec` and keeps its index and adjacency.
    ///
    /// # Errors
    /// [`Full`]; then nothing has changed.
    pub fn add_tunnel(&mut self, spec: TunnelSpec) -> Result<TunnelId, Full> {
        self.tunnels.add(spec)
    }

    /// Takes a tunnel out; its index is not given out again before every worker was quiescent. No
    /// binding should name it any more: packets of one that does meet no tunnel, later another.
    pub fn remove_tunnel(&mut self, id: TunnelId) {
        self.tunnels.remove(id);
    }

    /// Says where the outer packets of a tunnel go; none while the next hop is not known.
    pub fn resolve_tunnel(&mut self, id: TunnelId, adjacency: Option<AdjacencyId>) {
        self.tunnels.resolve(id, adjacency);
    }

    /// Sets the octets that the largest inner packet of a tunnel may have.
    pub fn set_tunnel_mtu(&mut self, id: TunnelId, mtu: u16) {
        self.tunnels.set_mtu(id, mtu);
    }

    /// Number of tunnels.
    pub fn tunnels_len(&self) -> usize {
        self.tunnels.len()
    }

    /// Makes an adjacency.
    ///
    /// # Errors
    /// [`Full`]; then nothing has changed.
    pub fn add_adjacency(&mut self, spec: AdjacencySpec) -> Result<AdjacencyId, Full> {
        self.adjacencies.add(spec)
    }

    /// Changes an adjacency in place, atomically to workers. Nothing happens when there is none.
    pub fn set_adjacency(&mut self, id: AdjacencyId, spec: AdjacencySpec) {
        self.adjacencies.set(id, spec);
    }

    /// Takes an adjacency out; its index is not given out again before every worker was quiescent.
    /// No route, tunnel or binding should name it any more.
    pub fn remove_adjacency(&mut self, id: AdjacencyId) {
        self.adjacencies.remove(id);
    }

    /// Publishes a topology whole. Every worker has it from its next burst on.
    pub fn publish(&mut self, topology: Topology) {
        let generation = self.tables.published.load(Ordering::Relaxed) + 1;
        let fib = Arc::new(Fib::new(topology, generation, self.tables.seed));
        self.replaced.push(self.tables.fib.swap(fib));
        self.tables.published.store(generation, Ordering::Release);
        self.free_replaced();
    }

    /// Frees what every worker is done with; returns how many bindings, tunnels and adjacencies
    /// still wait. Call it from a timer.
    pub fn reclaim(&mut self) -> usize {
        self.tables.qsbr.advance();
        self.free_replaced();
        self.bindings.reclaim() + self.tunnels.reclaim() + self.adjacencies.reclaim()
    }

    fn free_replaced(&mut self) {
        self.replaced.retain(|fib| Arc::strong_count(fib) > 1);
    }

    /// The worker that holds reclamation back now, if something waits. It has stalled when it is the
    /// same one over many bursts' time.
    pub fn stalled(&self) -> Option<usize> {
        let bindings = self.bindings.held_by();
        bindings
            .or_else(|| self.tunnels.held_by())
            .or_else(|| self.adjacencies.held_by())
    }

    /// What was counted for a binding since it was made; zeros when there is none at `id`.
    pub fn totals(&mut self, id: BindingId) -> BindingTotals {
        if self.bindings.at(id).is_none() {
            return BindingTotals::default();
        }
        self.accounts.read(&self.tables.counters, id)
    }

    /// Reads the counters of the next bindings and shows each to `visit`, looking at no more than
    /// `max` entries; the next call goes on from there. Returns whether it came to the end of the
    /// table, so that the next call starts over.
    ///
    /// Packet counts of workers wrap at 2^32 and are extended here, so every binding is to be swept
    /// at least once in the time that the fastest worker takes for 2^32 packets: a minute is safe.
    pub fn sweep(
        &mut self,
        max: usize,
        mut visit: impl FnMut(BindingId, BindingKey, BindingTotals),
    ) -> bool {
        let end = self.bindings.touched();
        let until = self.swept.saturating_add(max).min(end);
        for at in self.swept..until {
            let id = BindingId(at as u32);
            if let Some((key, _)) = self.bindings.at(id) {
                visit(id, key, self.accounts.read(&self.tables.counters, id));
            }
        }
        self.swept = if until == end { 0 } else { until };
        until == end
    }
}
