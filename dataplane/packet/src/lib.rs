//! What the data plane needs of a packet and of a place that packets come from.
//!
//! [`Buf`] is one packet: contiguous bytes with head room in front. [`RxTx`] is the set of queues
//! that one worker owns, one receive and one transmit queue per port. `ffi/dpdk` implements both for
//! mbufs and Ethernet queues; [`memory`] implements them for plain memory, so that the whole packet
//! path runs in a test, under a fuzzer and under Miri with no DPDK at all. Everything is
//! monomorphised.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use std::time::Duration;

mod fragments;
pub mod memory;

pub use fragments::{
    Fragments, NotCut, Pieces, Reassembly, MAX_FRAGMENTS, MAX_INCOMPLETE, REASSEMBLY_NANOS,
};

/// The most packets that one burst holds.
pub const MAX_BURST: usize = 64;

/// A burst of packets.
pub type Burst<B> = ArrayVec<B, MAX_BURST>;

/// Index of a port in the worker's [`RxTx`], the same on every worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PortId(pub u16);

/// There was not enough head or tail room, or not enough data to cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// One packet, from its link-layer header on. Dropping it gives the buffer back.
pub trait Buf: Sized {
    /// The packet's bytes. A packet that does not lie in one piece shows its first segment.
    fn data(&self) -> &[u8];
    /// The packet's bytes, to write.
    fn data_mut(&mut self) -> &mut [u8];
    /// Whether all of the packet is in [`Buf::data`].
    fn is_contiguous(&self) -> bool;
    /// Octets of the packet in all its segments.
    fn octets(&self) -> usize;
    /// Puts the packet with all its segments, and what the port said of it, into `whole`, which is
    /// empty: as much of it as that has the room for.
    fn gather(&self, whole: &mut Self);
    /// Grows the packet by `octets` in front. The new octets hold anything.
    fn prepend(&mut self, octets: usize) -> Result<(), NoRoom>;
    /// Cuts `octets` from the front.
    fn trim_front(&mut self, octets: usize) -> Result<(), NoRoom>;
    /// Grows or cuts the front so that what is `from` octets behind it comes to be `to` octets behind it;
    /// returns the packet's bytes, of which new ones hold anything. Without room nothing changes.
    #[inline]
    fn move_front(&mut self, from: u16, to: u16) -> Result<&mut [u8], NoRoom> {
        match to.checked_sub(from) {
            Some(more) => self.prepend(more.into())?,
            None => self.trim_front((from - to).into())?,
        }
        Ok(self.data_mut())
    }
    /// Makes the packet `length` octets long: cuts the end, or grows into the tail room with octets
    /// that hold anything.
    fn set_len(&mut self, length: usize) -> Result<(), NoRoom>;
    /// The VLAN tag control information that the receiving port stripped, if it did.
    fn stripped_vlan(&self) -> Option<u16>;
    /// Hints that the packet's headers will be read soon.
    fn prefetch(&self);
    /// Hints that headers will be put in front of the packet soon.
    fn prefetch_front(&self);
}

/// The queues of one worker.
pub trait RxTx {
    /// Its packets.
    type Buf: Buf;
    /// Its packets in pieces.
    type Fragments: Fragments<Self::Buf>;

    /// Number of ports; `PortId` runs from 0 to this.
    fn ports(&self) -> u16;

    /// Takes what has arrived on `port`, up to the room left in `burst`; returns how many came.
    fn rx(&mut self, port: PortId, burst: &mut Burst<Self::Buf>) -> usize;

    /// Sends from the front of `burst` what the queue of `port` accepts, returns how many went and
    /// leaves the others in `burst`.
    fn tx(&mut self, port: PortId, burst: &mut Burst<Self::Buf>) -> usize;

    /// Whether the link of `port` is up, as far as anyone has said otherwise. A port that is down takes
    /// no packets.
    fn is_up(&self, _port: PortId) -> bool {
        true
    }

    /// Waits until a packet may have come, `longest` at most. False, at once, where neither
    /// the processor nor the device can tell.
    fn wait(&mut self, _longest: Duration) -> bool {
        false
    }

    /// An empty buffer with full head room, or none when the pool has run dry.
    fn alloc(&mut self) -> Option<Self::Buf>;

    /// What cuts its packets and puts them together.
    fn fragments(&mut self) -> &mut Self::Fragments;

    /// Gives back all of `burst` in one go.
    fn free(&mut self, burst: &mut Burst<Self::Buf>);
}
