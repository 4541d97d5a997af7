//! Tunnels: the outer header of each, ready to be copied, in one cache line.
//!
//! ```text
//!   header     5 words   outer IPv6 header, 40 octets: version, next header 41, hop limit, source,
//!                        destination; payload length 0
//!   state      1 word    live 1 | - 11 | inner domain 16 | - 1 | over IPv4 1 | kind 2 | domain 16 | MTU 16
//!   adjacency  1 word    adjacency + 1, or 0 while unresolved
//!   keys       1 word    GRE key to send 32 | to receive 32
//! ```
//!
//! A tunnel over IPv4 has its addresses in their IPv6 form in the place of the header's; its header, and
//! what stands behind any but plain tunnels' headers, is made for each packet
//! (`rewrite::carrier`).
//!
//! Workers reach a tunnel by its index, which bindings hold, or by its outer addresses, which a
//! packet to be taken out of a tunnel has. The addresses never change while a worker may see the
//! tunnel; hop limit, MTU and adjacency do, each in one store.

mod entrance;
mod line;
mod mark;
mod writer;

pub(crate) use entrance::{Entrance, Entrances};
pub(crate) use mark::Mark;
pub use writer::TunnelsWriter;

use crate::key::{AdjacencyId, Domain, Encapsulation, TunnelId};
use crate::mem::{self, Slab};
use crate::table::hash::Seed;
use crate::table::index::{Index, Place};
use line::Line;
use std::net::Ipv6Addr;

/// Octets of the outer header.
pub const HEADER: usize = 40;

/// The outer pairs that are looked up in one go; a longer slice is taken in pieces. Not more, for the
/// arrays between the passes have to be made, and most bursts come out of few tunnels.
const BATCH: usize = 16;

/// Tunnels that stay in the first-level cache, index and all.
const NEAR: usize = 1 << 8;

/// No tunnel.
const NONE: u32 = u32::MAX;

/// A tunnel as a worker uses it: a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// Outer IPv6 header: traffic class, flow label and payload length 0, next header 41.
    pub header: [u8; HEADER],
    /// Routing domain of the outer packet.
    pub domain: Domain,
    /// Octets that the largest inner packet may have.
    pub mtu: u16,
    /// Where outer packets are sent, once control has resolved it.
    pub adjacency: Option<AdjacencyId>,
    /// What stands between the outer header and the inner packet.
    pub encapsulation: Encapsulation,
}

impl Tunnel {
    /// Routing domain of inner packets.
    #[inline]
    pub const fn inner_domain(&self) -> Domain {
        match self.encapsulation {
            Encapsulation::Gre { inner, .. } => inner,
            Encapsulation::Plain | Encapsulation::Udp => self.domain,
        }
    }

    fn pair(&self) -> OuterPair {
        OuterPair {
            domain: self.domain,
            local: self.local(),
            remote: self.remote(),
        }
    }

    /// Our end.
    #[inline(always)]
    pub fn local(&self) -> Ipv6Addr {
        self.address(8)
    }

    /// The far end.
    #[inline(always)]
    pub fn remote(&self) -> Ipv6Addr {
        self.address(24)
    }

    /// Outer hop limit.
    #[inline(always)]
    pub fn hop_limit(&self) -> u8 {
        self.header.get(7).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn address(&self, offset: usize) -> Ipv6Addr {
        let octets = self
            .header
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<16>());
        octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    }
}

/// The outer addresses of a packet, to be looked up among the tunnels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterPair {
    /// Routing domain that the packet came in.
    pub domain: Domain,
    /// Our end: the outer destination.
    pub local: Ipv6Addr,
    /// The far end: the outer source.
    pub remote: Ipv6Addr,
}

impl OuterPair {
    /// As the addresses stand in a header: our end first.
    #[inline(always)]
    fn words(&self) -> [u64; 4] {
        let halves = |address: Ipv6Addr| {
            let bits = u128::from_le_bytes(address.octets());
            [bits as u64, (bits >> 64) as u64].map(u64::to_le)
        };
        let ([a, b], [c, d]) = (halves(self.local), halves(self.remote));
        [a, b, c, d]
    }

    /// The far end counts in full, for others choose it. Our own addresses are few, so it is enough
    /// that they differ.
    #[inline(always)]
    fn hash(&self, seed: &Seed) -> u64 {
        self.hash_marked(seed, Mark::PLAIN)
    }

    /// The same with what else tells tunnels apart.
    #[inline(always)]
    fn hash_marked(&self, seed: &Seed, mark: Mark) -> u64 {
        let [a, b, c, d] = self.words();
        let mark = mark.word().rotate_left(20);
        seed.hash(
            c,
            d,
            a ^ b.rotate_left(32) ^ u64::from(self.domain.0) ^ mark,
        )
    }
}

/// The table, as workers see it.
pub struct Tunnels {
    index: Index,
    lines: Slab<Line>,
}

impl Tunnels {
    /// The tunnel at an index, if there is one.
    #[inline(always)]
    pub fn get(&self, id: TunnelId) -> Option<Tunnel> {
        self.lines.get(id.0 as usize)?.read()
    }

    /// All of them where they lie, for whoever puts packets into many.
    #[inline(always)]
    pub(crate) fn entrances(&self) -> Entrances<'_> {
        Entrances(&self.lines)
    }

    /// How much memory the index and the tunnels take, and where.
    pub(crate) fn extents(&self) -> [mem::Extent; 2] {
        [self.index.extent(), self.lines.extent()]
    }

    /// Hints that tunnels will be read soon, one at each call.
    #[inline(always)]
    pub(crate) fn prefetcher(&self) -> impl Fn(u32) + Copy + '_ {
        self.lines.prefetcher()
    }

    /// The tunnel that a packet with this outer pair came out of.
    #[inline(never)]
    pub fn between(&self, pair: &OuterPair) -> Option<TunnelId> {
        let lines = &*self.lines;
        let is = |at: u32| lines.get(at as usize).is_some_and(|line| line.is(pair));
        self.index.find(self.place(pair), is).map(TunnelId)
    }

    /// The tunnel that a packet with this outer pair and mark came out of.
    #[inline(never)]
    pub(crate) fn between_marked(&self, pair: &OuterPair, mark: Mark) -> Option<TunnelId> {
        let lines = &*self.lines;
        let is = |at: u32| {
            let line = lines.get(at as usize);
            line.is_some_and(|line| line.is_marked(pair, mark))
        };
        let place = self.place_marked(pair, mark);
        self.index.find(place, is).map(TunnelId)
    }

    #[inline(always)]
    fn place(&self, pair: &OuterPair) -> Place {
        Place::of(pair.hash(self.index.seed()))
    }

    fn place_marked(&self, pair: &OuterPair, mark: Mark) -> Place {
        Place::of(pair.hash_marked(self.index.seed(), mark))
    }

    /// [`Tunnels::between`] for many packets, their cache misses overlapped. `found` is overwritten
    /// as far as `pairs` goes; of slices of different length, the shorter counts.
    #[inline]
    pub fn between_all(&self, pairs: &[OuterPair], found: &mut [Option<TunnelId>]) {
        if self.lines.len() <= NEAR {
            return self.between_near(pairs, found);
        }
        for (pairs, found) in pairs.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            let mut candidates = [NONE; BATCH];
            self.ask(pairs, &mut candidates);
            self.compare(pairs, &candidates, found);
        }
    }

    /// One pass: where all tunnels are near, the processor overlaps what there is to wait for.
    #[inline(never)]
    fn between_near(&self, pairs: &[OuterPair], found: &mut [Option<TunnelId>]) {
        let (buckets, seed) = (self.index.buckets(), *self.index.seed());
        let lines = &*self.lines;
        for (found, pair) in found.iter_mut().zip(pairs) {
            let candidate = buckets.look(Place::of(pair.hash(&seed)));
            let line = candidate.and_then(|at| lines.get(at as usize));
            *found = match line.is_some_and(|line| line.is(pair)) {
                true => candidate.map(TunnelId),
                false => self.between(pair),
            };
        }
    }

    /// First passes: the tunnels that are likely the ones.
    #[inline(never)]
    fn ask(&self, pairs: &[OuterPair], candidates: &mut [u32; BATCH]) {
        let (buckets, seed) = (self.index.buckets(), *self.index.seed());
        let mut all_asked = [self.index.nothing(); BATCH];
        for (asked, pair) in all_asked.iter_mut().zip(pairs) {
            *asked = buckets.ask(Place::of(pair.hash(&seed)));
        }
        let prefetch = self.lines.prefetcher();
        for ((candidate, asked), _) in candidates.iter_mut().zip(&all_asked).zip(pairs) {
            match asked.candidate() {
                Some(at) => {
                    *candidate = at;
                    prefetch(at);
                }
                None => buckets.prefetch_second(asked),
            }
        }
    }

    /// Last pass: whether they are.
    #[inline(never)]
    fn compare(
        &self,
        pairs: &[OuterPair],
        candidates: &[u32; BATCH],
        found: &mut [Option<TunnelId>],
    ) {
        let lines = &*self.lines;
        for ((found, pair), candidate) in found.iter_mut().zip(pairs).zip(candidates) {
            let line = lines.get(*candidate as usize);
            *found = match line.is_some_and(|line| line.is(pair)) {
                true => Some(TunnelId(*candidate)),
                false => self.between(pair),
            };
        }
    }
}
