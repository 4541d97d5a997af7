//! A binding's forwarding as one word.
//!
//! ```text
//!   63    60 59        52 51             24 23           0
//!   | kind 4 |    - 8     |    host 28     |   tunnel 24   |
//! ```

use crate::key::{AdjacencyId, Forwarding, TunnelId};

/// Bits of a tunnel's index.
const TUNNEL_BITS: u32 = 24;
/// Bits of an adjacency's index.
const HOST_BITS: u32 = 28;
/// The most tunnels that a table may have.
pub(crate) const MOST_TUNNELS: usize = 1 << TUNNEL_BITS;
/// The most adjacencies that a table may have.
pub(crate) const MOST_ADJACENCIES: usize = 1 << HOST_BITS;

const KIND_SHIFT: u32 = 60;
const ANCHOR: u64 = 1;
const ACCESS: u64 = 2;
const LOCAL: u64 = 3;
const PENDING: u64 = 4;

fn tunnel_bits(tunnel: TunnelId) -> u64 {
    u64::from(tunnel.0) & ((1 << TUNNEL_BITS) - 1)
}

fn host_bits(host: AdjacencyId) -> u64 {
    (u64::from(host.0) & ((1 << HOST_BITS) - 1)) << TUNNEL_BITS
}

/// The word of `forwarding`.
pub(super) fn pack(forwarding: Forwarding) -> u64 {
    match forwarding {
        Forwarding::Anchor { tunnel } => ANCHOR << KIND_SHIFT | tunnel_bits(tunnel),
        Forwarding::Access { tunnel, host } => {
            ACCESS << KIND_SHIFT | host_bits(host) | tunnel_bits(tunnel)
        }
        Forwarding::Local { host } => LOCAL << KIND_SHIFT | host_bits(host),
        Forwarding::Pending => PENDING << KIND_SHIFT,
    }
}

/// The forwarding of a word. A word that `pack` never makes reads as `Pending`, which drops.
#[inline(always)]
pub(super) fn unpack(word: u64) -> Forwarding {
    let tunnel = TunnelId((word & ((1 << TUNNEL_BITS) - 1)) as u32);
    let host = AdjacencyId((word >> TUNNEL_BITS & ((1 << HOST_BITS) - 1)) as u32);
    match word >> KIND_SHIFT {
        ANCHOR => Forwarding::Anchor { tunnel },
        ACCESS => Forwarding::Access { tunnel, host },
        LOCAL => Forwarding::Local { host },
        _ => Forwarding::Pending,
    }
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
                    assert_eq!(unpack(pack(forwarding)), forwarding);
                }
            }
        }
    }

    #[test]
    fn a_word_that_nothing_packs_drops() {
        assert_eq!(unpack(0), Forwarding::Pending);
        assert_eq!(unpack(u64::MAX), Forwarding::Pending);
    }
}
