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
    /// Writes the outer header, `lead` (its first octet lowest, as exclusive or) laid over its first word, which
    /// has zeros where the packet decides; its next header is [`Entrance::NEXT_HEADER`]. Word by word, so that
    /// none waits in a register for the others.
    #[inline(always)]
    pub(crate) fn write(&self, lead: u64, place: &mut [u8; HEADER]) {
        let mut lead = lead.to_le();
        let (places, _) = place.as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(&self.line.header) {
            *place = (word.load(Ordering::Relaxed) ^ lead).to_ne_bytes();
            lead = 0;
        }
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
