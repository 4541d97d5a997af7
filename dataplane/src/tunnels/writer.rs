//! What control does to the tunnels.

use super::mark::Mark;
use super::{OuterPair, Tunnels};
use crate::indices::Indices;
use crate::key::{AdjacencyId, TunnelId, TunnelSpec};
use crate::mem::{self, Populate, Slab, Storage};
use crate::qsbr::Qsbr;
use crate::sync::Ordering;
use crate::table::hash::Seed;
use crate::table::index::{Index, Search};
use crate::table::Full;
use std::sync::Arc;

/// The one writer of the tunnels.
pub struct TunnelsWriter {
    table: Arc<Tunnels>,
    live: usize,
    indices: Indices,
    search: Search,
}

impl TunnelsWriter {
    /// An empty table and its writer.
    pub fn new(
        capacity: usize,
        seed: Seed,
        storage: Storage,
        qsbr: Arc<Qsbr>,
    ) -> Result<Self, mem::Error> {
        let index = Index::new(Index::buckets_for(capacity), seed, storage)?;
        let lines = Slab::new(capacity, storage, Populate::OnWrite)?;
        Ok(Self {
            table: Arc::new(Tunnels { index, lines }),
            live: 0,
            indices: Indices::new(capacity, qsbr),
            search: Search::default(),
        })
    }

    /// The table as workers see it.
    pub fn table(&self) -> &Arc<Tunnels> {
        &self.table
    }

    /// Number of tunnels.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Makes a tunnel, unresolved. When there is one with these ends, and this encapsulation and key to
    /// receive, in this domain, that one takes the hop limit, MTU, key to send and inner domain of `spec`.
    pub fn add(&mut self, spec: TunnelSpec) -> Result<TunnelId, Full> {
        let table = Arc::clone(&self.table);
        let pair = OuterPair {
            domain: spec.domain,
            local: spec.local,
            remote: spec.remote,
        };
        let mark = Mark::of(spec.encapsulation);
        if let Some(id) = table.between_marked(&pair, mark) {
            if let Some(line) = table.lines.get(id.0 as usize) {
                line.set_hop_limit(spec.hop_limit);
                line.set_shape(&spec);
            }
            return Ok(id);
        }
        let at = self.indices.take()?;
        let line = table.lines.get(at as usize).ok_or(Full::Capacity)?;
        line.fill(&spec);
        let place = table.place_marked(&pair, mark);
        let hash = |at: u32| {
            let tunnel = table.get(TunnelId(at));
            tunnel.map_or(0, |tunnel| {
                let mark = Mark::of(tunnel.encapsulation);
                tunnel.pair().hash_marked(table.index.seed(), mark)
            })
        };
        if table
            .index
            .insert(place, at, &mut self.search, hash)
            .is_err()
        {
            line.state.store(0, Ordering::Release);
            self.indices.give_back(at);
            return Err(Full::Capacity);
        }
        self.live += 1;
        Ok(TunnelId(at))
    }

    /// Takes a tunnel out. Workers find none at `id`, nor by its ends, until the index is given out
    /// again, which is not before every worker was quiescent. No binding should name it any more.
    pub fn remove(&mut self, id: TunnelId) {
        let Some(tunnel) = self.table.get(id) else {
            return;
        };
        let mark = Mark::of(tunnel.encapsulation);
        let place = self.table.place_marked(&tunnel.pair(), mark);
        self.table.index.remove(place, id.0);
        if let Some(line) = self.table.lines.get(id.0 as usize) {
            line.state.store(0, Ordering::Release);
        }
        self.live -= 1;
        self.indices.retire(id.0);
    }

    /// Says where outer packets go; none while the next hop is not known. Nothing happens when
    /// there is no tunnel at `id`.
    pub fn resolve(&mut self, id: TunnelId, adjacency: Option<AdjacencyId>) {
        if let (Some(line), Some(_)) = (self.table.lines.get(id.0 as usize), self.table.get(id)) {
            let word = adjacency.map_or(0, |adjacency| u64::from(adjacency.0) + 1);
            line.adjacency.store(word, Ordering::Release);
        }
    }

    /// Sets the MTU. Nothing happens when there is no tunnel at `id`.
    pub fn set_mtu(&mut self, id: TunnelId, mtu: u16) {
        if let (Some(line), Some(_)) = (self.table.lines.get(id.0 as usize), self.table.get(id)) {
            line.set_mtu(mtu);
        }
    }

    /// Frees the indices that every worker is done with; returns how many still wait.
    pub fn reclaim(&mut self) -> usize {
        self.indices.reclaim()
    }

    /// The worker that holds back the oldest removed tunnel.
    pub fn held_by(&self) -> Option<usize> {
        self.indices.held_by()
    }
}
