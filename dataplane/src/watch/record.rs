//! What is written down of one packet.

use crate::counters::Direction;
use crate::key::{AdjacencyId, Forwarding, InterfaceId, TunnelId};
use crate::table::Found;
use crate::verdict::{Born, Drop, Punt, Reply, Verdict};
use arrayvec::ArrayVec;
use packet::PortId;
use std::net::IpAddr;

/// Notes that one record holds: those of four rounds.
pub const NOTES: usize = 32;

/// Octets of a packet, as many of them as the session keeps.
#[derive(Debug, Default)]
pub struct Octets {
    /// Octets that the packet had.
    length: usize,
    /// Octets of `kept` that are the packet's.
    held: usize,
    kept: Box<[u8]>,
}

impl Octets {
    pub(super) fn new(room: usize) -> Self {
        Self {
            length: 0,
            held: 0,
            kept: vec![0; room].into_boxed_slice(),
        }
    }

    /// Takes a packet's octets.
    pub(super) fn fill(&mut self, data: &[u8]) {
        self.length = data.len();
        self.held = data.len().min(self.kept.len());
        for (to, from) in self.kept.iter_mut().zip(data) {
            *to = *from;
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.held = 0;
    }

    /// Octets that the packet had, of which not all need be kept.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The octets that were kept, the packet's first.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        self.kept.get(..self.held).unwrap_or_default()
    }
}

/// How a packet came to be at a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// Received on this port.
    Received(PortId),
    /// It came into being here.
    Born(Born),
}

/// What a packet's addresses decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Into this tunnel.
    Tunnel(TunnelId),
    /// To this neighbour.
    Neighbour(AdjacencyId),
    /// It is for the gateway itself.
    Own,
    /// Copied to control.
    Punt(Punt),
    /// Kept until this neighbour is known.
    Hold {
        /// Interface that the neighbour is on.
        interface: InterfaceId,
        /// The neighbour.
        address: IpAddr,
    },
    /// Its sender is told what is wrong with it, where that is allowed.
    Tell(Reply),
    /// It ends.
    Drop(Drop),
}

/// What a stage found, in the order of the stages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The link layer: a frame to us on this interface.
    Link {
        /// The interface.
        interface: InterfaceId,
        /// Whether it came to a group address.
        group: bool,
    },
    /// Taken out of this tunnel; what follows is about what was inside.
    Untunnelled(TunnelId),
    /// Another round, as an answer or as a packet made here.
    Again,
    /// The IP header that the stages went by.
    Header {
        /// Source address.
        source: IpAddr,
        /// Destination address.
        destination: IpAddr,
        /// Next header or protocol.
        protocol: u8,
        /// Hop limit or time to live.
        hop_limit: u8,
        /// Octets of the packet, its IP header included.
        length: usize,
    },
    /// Classified: its addresses are looked up.
    Lookup,
    /// Classified: its addresses do not leave the link.
    OnLink,
    /// Classified: to a group.
    Group,
    /// Classified: a fragment between the ends of a tunnel, to be put together with others.
    Fragment,
    /// Classified: an answer that goes back to where the question came from.
    Back,
    /// Classified: it ends here.
    Refused(Drop),
    /// The lookup of its source ([`Direction::Up`]) or destination ([`Direction::Down`]).
    Binding {
        /// Which of its addresses.
        way: Direction,
        /// The binding that covers it.
        found: Option<(u32, Forwarding)>,
    },
    /// What follows from all that.
    Decided(Decision),
}

impl Note {
    /// The note of a lookup.
    pub(crate) fn binding(way: Direction, found: Option<Found>) -> Self {
        let found = found.map(|found| (found.id.0, found.forwarding()));
        Self::Binding { way, found }
    }
}

/// One packet, or one further frame that it became.
#[derive(Debug)]
pub struct Record {
    /// Which packet of this worker in this session, from 1. Records of one packet follow one
    /// another.
    pub number: u64,
    /// Whether this is a further frame of the packet before, with nothing but `sent` and `after`.
    pub further: bool,
    /// When, in nanoseconds of the workers' clock.
    pub time: u64,
    /// How it came.
    pub came: Came,
    /// The frame as it came; of a packet that control made, the packet from its IP header on.
    pub before: Octets,
    /// What the stages found.
    pub notes: ArrayVec<Note, NOTES>,
    /// Port that it was given to, if it was: the verdict says whether the port took it.
    pub sent: Option<PortId>,
    /// The frame as it was given to that port.
    pub after: Octets,
    /// What became of it.
    pub verdict: Option<Verdict>,
}

impl Record {
    /// A free record that keeps `room` octets of a frame.
    pub(super) fn new(room: usize) -> Self {
        Self {
            number: 0,
            further: false,
            time: 0,
            came: Came::Born(Born::Injected),
            before: Octets::new(room),
            notes: ArrayVec::new(),
            sent: None,
            after: Octets::new(room),
            verdict: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.further = false;
        self.before.clear();
        self.notes.clear();
        self.sent = None;
        self.after.clear();
        self.verdict = None;
    }
}
