//! One tunnel's cache line: how it is filled in, changed and read (see [`tunnels`](super) for what stands
//! where).

use super::mark::Mark;
use super::{OuterPair, Tunnel, HEADER};
use crate::key::{AdjacencyId, Domain, Encapsulation, GreKeys, TunnelSpec};
use crate::mem;
use crate::sync::{AtomicU64, Ordering};

/// Set in the state of a tunnel that is there.
const LIVE: u64 = 1 << 63;

/// Where the kind of a tunnel stands in its state.
const KIND: u32 = 32;

/// Set in the state of a tunnel over IPv4.
const OVER_IPV4: u64 = 1 << 34;

/// Where the domain of inner packets stands in the state of a GRE tunnel.
const INNER: u32 = 36;

/// What tunnels whose packets need more than a copy of the header differ in.
pub(super) const SPECIAL: u64 = 3 << KIND | OVER_IPV4;

/// The outer header's Next Header for an inner IPv6 packet.
pub(super) const IPV6: u8 = 41;

#[derive(Default)]
#[cfg_attr(not(loom), repr(align(64)))]
pub(super) struct Line {
    pub(super) header: [AtomicU64; HEADER / 8],
    pub(super) state: AtomicU64,
    pub(super) adjacency: AtomicU64,
    keys: AtomicU64,
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Line {}

impl Line {
    /// Fills in an unused line.
    pub(super) fn fill(&self, spec: &TunnelSpec) {
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
    pub(super) fn set_shape(&self, spec: &TunnelSpec) {
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

    pub(super) fn set_mtu(&self, mtu: u16) {
        let state = self.state.load(Ordering::Relaxed) & !u64::from(u16::MAX);
        self.state.store(state | u64::from(mtu), Ordering::Release);
    }

    /// Hop limit, payload length and flow label stand in one word with the version.
    pub(super) fn set_hop_limit(&self, hop_limit: u8) {
        if let Some(word) = self.header.first() {
            let [a, b, c, d, e, f, g, _] = word.load(Ordering::Relaxed).to_ne_bytes();
            let octets = [a, b, c, d, e, f, g, hop_limit];
            word.store(u64::from_ne_bytes(octets), Ordering::Release);
        }
    }

    #[inline(always)]
    pub(super) fn read(&self) -> Option<Tunnel> {
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
    pub(super) fn is_marked(&self, pair: &OuterPair, mark: Mark) -> bool {
        let tunnel = self.read();
        tunnel.is_some_and(|it| it.pair() == *pair && Mark::of(it.encapsulation) == mark)
    }

    #[inline(always)]
    pub(super) fn is(&self, pair: &OuterPair) -> bool {
        let [_, a, b, c, d] = self.header.each_ref();
        let state = (self.state.load(Ordering::Acquire) & !OVER_IPV4) >> 16;
        let [e, f, g, h] = pair.words();
        let differs = |word: &AtomicU64, wanted| word.load(Ordering::Relaxed) ^ wanted;
        // One branch for all: with another tag than its own hardly anything comes here.
        let ends = differs(a, e) | differs(b, f) | differs(c, g) | differs(d, h);
        ends | (state ^ (LIVE >> 16 | u64::from(pair.domain.0))) == 0
    }
}
