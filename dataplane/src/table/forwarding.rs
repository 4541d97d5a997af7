//! A binding's forwarding as one word.
//!
//! ```text
//!   kind    pending 1 | host 1 | tunnel 1, behind a bit that is 0
//!   63    60 59        52 51             24 23           0
//!   | kind 4 |    - 8     |    host 28     |   tunnel 24   |
//! ```

use crate::key::{AdjacencyId, Forwarding, TunnelId};
use std::num::NonZeroU64;

/// Bits of a tunnel's index.
const TUNNEL_BITS: u32 = 24;
/// Bits of an adjacency's index.
const HOST_BITS: u32 = 28;
/// The most tunnels that a table may have.
pub(crate) const MOST_TUNNELS: usize = 1 << TUNNEL_BITS;
/// The most adjacencies that a table may have.
pub(crate) const MOST_ADJACENCIES: usize = 1 << HOST_BITS;

/// Where the bits begin that tell the kind.
const KIND_SHIFT: u32 = 60;

/// Set in the kind of a binding that has a tunnel, a host, and neither.
const TUNNEL: u64 = 1;
const HOST: u64 = 2;
const PENDING: u64 = 4;

const ANCHOR: u64 = TUNNEL;
const ACCESS: u64 = TUNNEL | HOST;
const LOCAL: u64 = HOST;

/// A binding's forwarding as it stands in its entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(NonZeroU64);

impl Word {
    /// The word that was read, unless it is that of an entry in which nothing stands yet.
    #[inline(always)]
    pub(super) fn read(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    /// Its tunnel, or any where there is none: good for a hint.
    #[inline(always)]
    pub(crate) fn tunnel(self) -> TunnelId {
        TunnelId((self.0.get() & ((1 << TUNNEL_BITS) - 1)) as u32)
    }

    /// Whether it says [`Forwarding::Anchor`] with this tunnel.
    #[inline(always)]
    pub(crate) fn anchors(self, tunnel: TunnelId) -> bool {
        self.0.get() == ANCHOR << KIND_SHIFT | u64::from(tunnel.0)
    }

    /// Its host.
    #[inline(always)]
    pub(crate) fn host(self) -> Option<AdjacencyId> {
        (self.0.get() >> KIND_SHIFT & HOST != 0).then(|| self.host_bits())
    }

    /// Its host, or any where there is none.
    #[inline(always)]
    fn host_bits(self) -> AdjacencyId {
        let host = self.0.get() >> TUNNEL_BITS & ((1 << HOST_BITS) - 1);
        AdjacencyId(host as u32)
    }

    /// What it says. One that nothing packs reads as `Pending`, which drops.
    #[inline(always)]
    pub(super) fn forwarding(self) -> Forwarding {
        let tunnel = self.tunnel();
        let host = self.host_bits();
        match self.0.get() >> KIND_SHIFT {
            ANCHOR => Forwarding::Anchor { tunnel },
            ACCESS => Forwarding::Access { tunnel, host },
            LOCAL => Forwarding::Local { host },
            _ => Forwarding::Pending,
        }
    }
}

fn tunnel_bits(tunnel: TunnelId) -> u64 {
    u64::from(tunnel.0) & ((1 << TUNNEL_BITS) - 1)
}

fn host_bits(host: AdjacencyId) -> u64 {
    (u64::from(host.0) & ((1 << HOST_BITS) - 1)) << TUNNEL_BITS
}

/// The word of `forwarding`.
pub(super) fn pack(forwarding: Forwarding) -> u64 {
    let (kind, rest) = match forwarding {
        Forwarding::Anchor { tunnel } => (ANCHOR, tunnel_bits(tunnel)),
        Forwarding::Access { tunnel, host } => (ACCESS, host_bits(host) | tunnel_bits(tunnel)),
        Forwarding::Local { host } => (LOCAL, host_bits(host)),
        Forwarding::Pending => (PENDING, 0),
    };
    kind << KIND_SHIFT | rest
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_at_the_edges_of_its_indices() {
        for tunnel in [0, 1, (1 << 24) - 1].map(TunnelId) {
            for host in [0, 1, (1 << 28) - 1].map(AdjacencyId) {
                for forwarding in [
                    Forwarding::Anchor { tunnel },
                    Forwarding::Access { tunnel, host },
                    Forwarding::Local { host },
                    Forwarding::Pending,
                ] {
                    let word = Word::read(pack(forwarding));
                    assert_eq!(word.map(Word::forwarding), Some(forwarding));
                    let anchors = forwarding == Forwarding::Anchor { tunnel };
                    assert_eq!(word.map(|word| word.anchors(tunnel)), Some(anchors));
                }
            }
        }
    }

    #[test]
    fn a_word_that_nothing_packs_drops() {
        assert!(Word::read(0).is_none());
        for word in [1, 4 << 60, 5 << 60, 8 << 60, u64::MAX] {
            let word = Word::read(word).unwrap();
            assert_eq!(word.forwarding(), Forwarding::Pending);
        }
    }
}
