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

use crate::indices::Indices;
use crate::key::{AdjacencyId, Domain, Encapsulation, GreKeys, TunnelId, TunnelSpec};
use crate::mem::{self, Populate, Slab, Storage};
use crate::qsbr::Qsbr;
use crate::sync::{AtomicU64, Ordering};
use crate::table::hash::Seed;
use crate::table::index::{Index, Place, Search};
use crate::table::Full;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// Octets of the outer header.
pub const HEADER: usize = 40;

/// The outer header's Next Header for an inner IPv6 packet.
const IPV6: u8 = 41;

/// Set in the state of a tunnel that is there.
const LIVE: u64 = 1 << 63;

/// Where the kind of a tunnel stands in its state.
const KIND: u32 = 32;

/// Set in the state of a tunnel over IPv4.
const OVER_IPV4: u64 = 1 << 34;

/// Where the domain of inner packets stands in the state of a GRE tunnel.
const INNER: u32 = 36;

/// What tunnels whose packets need more than a copy of the header differ in.
const SPECIAL: u64 = 3 << KIND | OVER_IPV4;

/// What tells tunnels between the same ends apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// 0 plain, 1 UDP, 2 GRE without keys, 3 GRE with keys.
    kind: u8,
    key: u32,
}

impl Mark {
    /// Nothing but the inner packet.
    pub(crate) const PLAIN: Self = Self { kind: 0, key: 0 };

    /// A UDP header.
    pub(crate) const UDP: Self = Self { kind: 1, key: 0 };

    /// A GRE header with this key, or without.
    pub(crate) const fn gre(key: Option<u32>) -> Self {
        match key {
            None => Self { kind: 2, key: 0 },
            Some(key) => Self { kind: 3, key },
        }
    }

    const fn of(encapsulation: Encapsulation) -> Self {
        match encapsulation {
            Encapsulation::Plain => Self::PLAIN,
            Encapsulation::Udp => Self::UDP,
            Encapsulation::Gre { keys: None, .. } => Self::gre(None),
            Encapsulation::Gre {
                keys: Some(keys), ..
            } => Self::gre(Some(keys.receive)),
        }
    }

    const fn word(self) -> u64 {
        (self.kind as u64) << 32 | self.key as u64
    }
}

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

#[derive(Default)]
#[cfg_attr(not(loom), repr(align(64)))]
struct Line {
    header: [AtomicU64; HEADER / 8],
    state: AtomicU64,
    adjacency: AtomicU64,
    keys: AtomicU64,
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Line {}

impl Line {
    /// Fills in an unused line.
    fn fill(&self, spec: &TunnelSpec) {
        let mut header = [0; HEADER];
        let lead: [u8; 8] = [0x60, 0, 0, 0, 0, 0, IPV6, spec.hop_limit];
        let octets = lead
            .into_iter()
            .chain(spec.local.octets())
            .chain(spec.remote.octets());
        for (to, from) in header.iter_mut().zip(octets) {
            *to = from;
        }
        for (word, octets) in self.header.iter().zip(header.chunks_exact(8)) {
            let octets = octets.first_chunk().copied().unwrap_or_default();
            word.store(u64::from_ne_bytes(octets), Ordering::Relaxed);
        }
        self.adjacency.store(0, Ordering::Relaxed);
        self.set_shape(spec);
    }

    /// Sets what may change while workers see the tunnel, its hop limit and adjacency aside.
    fn set_shape(&self, spec: &TunnelSpec) {
        let mut state = LIVE | u64::from(spec.domain.0) << 16 | u64::from(spec.mtu);
        state |= u64::from(Mark::of(spec.encapsulation).kind) << KIND;
        if matches!(spec.local.to_canonical(), std::net::IpAddr::V4(_)) {
            state |= OVER_IPV4;
        }
        if let Encapsulation::Gre { keys, inner } = spec.encapsulation {
            state |= u64::from(inner.0) << INNER;
            let keys = keys.map_or(0, |keys| {
                u64::from(keys.send) << 32 | u64::from(keys.receive)
            });
            self.keys.store(keys, Ordering::Relaxed);
        }
        self.state.store(state, Ordering::Release);
    }

    fn set_mtu(&self, mtu: u16) {
        let state = self.state.load(Ordering::Relaxed) & !u64::from(u16::MAX);
        self.state.store(state | u64::from(mtu), Ordering::Release);
    }

    /// Hop limit, payload length and flow label stand in one word with the version.
    fn set_hop_limit(&self, hop_limit: u8) {
        if let Some(word) = self.header.first() {
            let [a, b, c, d, e, f, g, _] = word.load(Ordering::Relaxed).to_ne_bytes();
            let octets = [a, b, c, d, e, f, g, hop_limit];
            word.store(u64::from_ne_bytes(octets), Ordering::Release);
        }
    }

    #[inline(always)]
    fn read(&self) -> Option<Tunnel> {
        let state = self.state.load(Ordering::Acquire);
        if state & LIVE == 0 {
            return None;
        }
        let adjacency = self.adjacency.load(Ordering::Acquire);
        let mut header = [0; HEADER];
        for (octets, word) in header.chunks_exact_mut(8).zip(&self.header) {
            octets.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Some(Tunnel {
            header,
            domain: Domain((state >> 16) as u16),
            mtu: state as u16,
            adjacency: (adjacency as u32).checked_sub(1).map(AdjacencyId),
            encapsulation: self.encapsulation(state),
        })
    }

    #[inline(always)]
    fn encapsulation(&self, state: u64) -> Encapsulation {
        let kind = (state >> KIND) & 3;
        if kind == 0 {
            return Encapsulation::Plain;
        }
        if kind == 1 {
            return Encapsulation::Udp;
        }
        let words = self.keys.load(Ordering::Relaxed);
        let keys = (kind == 3).then_some(GreKeys {
            send: (words >> 32) as u32,
            receive: words as u32,
        });
        let inner = Domain((state >> INNER) as u16);
        Encapsulation::Gre { keys, inner }
    }

    /// Whether it is the tunnel between these ends that this tells from others.
    fn is_marked(&self, pair: &OuterPair, mark: Mark) -> bool {
        let tunnel = self.read();
        tunnel.is_some_and(|it| it.pair() == *pair && Mark::of(it.encapsulation) == mark)
    }

    #[inline(always)]
    fn is(&self, pair: &OuterPair) -> bool {
        let [_, a, b, c, d] = self.header.each_ref();
        let state = (self.state.load(Ordering::Acquire) & !OVER_IPV4) >> 16;
        let [e, f, g, h] = pair.words();
        let differs = |word: &AtomicU64, wanted| word.load(Ordering::Relaxed) ^ wanted;
        // One branch for all: with another tag than its own hardly anything comes here.
        let ends = differs(a, e) | differs(b, f) | differs(c, g) | differs(d, h);
        ends | (state ^ (LIVE >> 16 | u64::from(pair.domain.0))) == 0
    }
}

/// A tunnel where it lies, for whoever puts packets into it: its header is copied once, from here to the
/// packet.
#[derive(Clone, Copy)]
pub(crate) struct Entrance<'a> {
    line: &'a Line,
    /// Octets that the largest inner packet may have.
    pub(crate) mtu: u16,
    /// Where outer packets are sent.
    pub(crate) adjacency: AdjacencyId,
}

impl Entrance<'_> {
    /// The outer header in words, `lead` (in host order, as exclusive or) laid over the first, which has zeros
    /// where the packet decides; its next header is [`Entrance::NEXT_HEADER`].
    #[inline(always)]
    pub(crate) fn header(&self, lead: u64) -> [u64; HEADER / 8] {
        let words = self.line.header.each_ref();
        let mut header = words.map(|word| word.load(Ordering::Relaxed));
        let [first, ..] = &mut header;
        *first ^= lead.to_be();
        header
    }

    /// What the header that it has says of its payload.
    pub(crate) const NEXT_HEADER: u8 = IPV6;
}

/// All tunnels where they lie.
#[derive(Clone, Copy)]
pub(crate) struct Entrances<'a>(&'a [Line]);

impl<'a> Entrances<'a> {
    /// The tunnel at an index. One that is not there carries no octet, nor does one that is not of plain
    /// IPv6, and of one that is not resolved the
    /// adjacency is one that no table has.
    #[inline(always)]
    pub(crate) fn get(self, id: TunnelId) -> Option<Entrance<'a>> {
        let line = self.0.get(id.0 as usize)?;
        let state = line.state.load(Ordering::Acquire);
        let adjacency = line.adjacency.load(Ordering::Acquire) as u32;
        // Into tunnels that are not of plain IPv6, packets go the general way.
        let mtu = match state & SPECIAL {
            0 => state as u16,
            _ => 0,
        };
        Some(Entrance {
            line,
            mtu,
            adjacency: AdjacencyId(adjacency.wrapping_sub(1)),
        })
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
