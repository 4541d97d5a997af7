//! The way into a tunnel, for packets whose outer header is a copy of the tunnel's.

use super::line::{Line, IPV6, SPECIAL};
use super::{OuterPair, HEADER};
use crate::key::{AdjacencyId, TunnelId};
use crate::sync::Ordering;

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
pub(crate) struct Entrances<'a>(pub(super) &'a [Line]);

impl<'a> Entrances<'a> {
    /// Whether the tunnel at an index is the plain one between these ends, of which there is one at the most:
    /// what a look-up of the ends finds, for whoever knows which it has to be.
    #[inline(always)]
    pub(crate) fn is_between(self, id: TunnelId, pair: &OuterPair) -> bool {
        let line = self.0.get(id.0 as usize);
        line.is_some_and(|line| line.is(pair))
    }

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
