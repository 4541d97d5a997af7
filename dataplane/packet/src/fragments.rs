//! Packets in pieces: what the data plane needs of whoever cuts and collects them.

use crate::{Buf, Burst};
use arrayvec::ArrayVec;

/// The most fragments that one packet is cut into, or put together from: a first, a last and those
/// between.
pub const MAX_FRAGMENTS: usize = 8;

/// Packets of which some fragments are kept at once.
pub const MAX_INCOMPLETE: usize = 512;

/// How long the first fragment to come waits for the others, in nanoseconds: sixty seconds
/// (RFC 8200 section 4.5).
pub const REASSEMBLY_NANOS: u64 = 60_000_000_000;

/// The fragments that one packet becomes.
pub type Pieces<B> = ArrayVec<B, MAX_FRAGMENTS>;

/// The packet was not cut: more than [`MAX_FRAGMENTS`] would be needed, or a buffer is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotCut;

/// What became of a fragment.
#[derive(Debug)]
pub enum Reassembly<B> {
    /// It waits for the others.
    Kept,
    /// It was the last to come: the packet without its fragment header, what was in front of the
    /// first fragment's IPv6 header still in front. It may lie in several pieces
    /// ([`Buf::is_contiguous`]), where one buffer does not hold it. With how many fragments it was.
    Whole(B, usize),
    /// Too many packets are incomplete.
    Full(B),
    /// It overlaps with another, or there are too many: none of the packet's fragments is any good
    /// (RFC 5722). All are handed out, this one included.
    Broken,
}

/// Cuts IPv6 packets into fragments, and keeps fragments until their packet is whole (RFC 8200
/// section 4.5). One worker's own; nothing is allocated after it was made.
pub trait Fragments<B: Buf> {
    /// Cuts the IPv6 packet that `packet` starts with into fragments of at most `mtu` octets, behind
    /// nothing but its fixed header. Each lies in a buffer of its own with full head room. Either all
    /// of them are added to `pieces`, which must be empty, or none.
    fn cut(
        &mut self,
        packet: &mut B,
        mtu: u16,
        identification: u32,
        pieces: &mut Pieces<B>,
    ) -> Result<(), NotCut>;

    /// Takes a fragment in. Its IPv6 header starts at `at`, at most 64, and its fragment header
    /// follows at once; both are whole, there is at least one octet behind them, nothing behind what
    /// the header's length says, and it is not a whole packet by itself. `now` does not go back.
    ///
    /// What is of no use any more is added to `dead`, which has to be empty.
    fn collect(&mut self, fragment: B, at: usize, now: u64, dead: &mut Burst<B>) -> Reassembly<B>;

    /// Gives up packets that have been incomplete for [`REASSEMBLY_NANOS`] at `now`, oldest first:
    /// adds as many of their fragments to `dead` as it has room for, so call it until none comes.
    fn expire(&mut self, now: u64, dead: &mut Burst<B>);
}
