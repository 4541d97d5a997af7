//! How many ride, and in what rows: packets next to one another that came alike share what is known of how.
//!
//! ```text
//!   place   0   1   2   3   4   5   6   7        3 stays, 6 came in another way
//!         └── run ──┘       └─ run ─┘ run run
//!   rider   0   1   2       3   4   5   6
//! ```

use super::{at_mut, Came, Desk, Kind};
use crate::key::Domain;
use crate::table;
use packet::MAX_BURST;

/// Packets in a row that ride alike, if what is looked up for them lets them.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Place of the first in the burst.
    pub(super) place: u8,
    /// How many, in places next to one another.
    pub(super) count: u8,
    /// Number of the first rider.
    pub(super) first: u8,
    /// Number of the first one's source among all that are looked up, where that is asked for.
    pub(super) source: u8,
    /// Where their headers start in their frames, those of a tunnel left behind.
    pub(super) at: u8,
    /// The number of their [`Kind`].
    pub(super) kind: u8,
    /// Where their addresses are looked up.
    pub(super) domain: Domain,
}

impl Run {
    /// In place of one.
    pub(super) const NONE: Self = Self {
        place: 0,
        count: 0,
        first: 0,
        source: 0,
        at: 0,
        kind: 0,
        domain: Domain(0),
    };
}

/// How many of what a burst has.
#[derive(Clone, Copy, Default)]
pub(super) struct Seats {
    pub(super) riders: usize,
    /// Rows of riders alike.
    pub(super) runs: usize,
    pub(super) pairs: usize,
    pub(super) sources: usize,
    /// A bit for each number of a kind that there is.
    pub(super) kinds: u8,
    /// A bit for each place of a packet that ends at the gate.
    pub(super) ended: u64,
    /// How many those are.
    gone: usize,
}

impl Seats {
    /// The place that a packet has when those are gone that ended before it.
    #[inline(always)]
    pub(super) fn place(&self, place: usize) -> u8 {
        place.wrapping_sub(self.gone) as u8
    }

    /// The packet at this place ends at the gate.
    #[inline(always)]
    pub(super) fn end(&mut self, place: usize) {
        self.ended |= 1 << (place % MAX_BURST);
        self.gone += 1;
    }

    /// Kinds of IPv6, by their bits.
    const V6: u8 = 0b01_0101;

    /// The family of all riders, none where they are of both.
    pub(super) fn family(self) -> Option<table::Family> {
        match (self.kinds & Self::V6, self.kinds & !Self::V6) {
            (_, 0) => Some(table::Family::V6),
            (0, _) => Some(table::Family::V4),
            _ => None,
        }
    }
}

impl Desk {
    /// Gives so many packets their seats which came alike, the first of them in this place: with those before
    /// them if these did so too.
    #[inline(always)]
    pub(super) fn seat(
        &mut self,
        kind: Kind,
        (place, count): (u8, usize),
        at: usize,
        domain: Domain,
        seats: &mut Seats,
    ) {
        let run = Run {
            place,
            count: count as u8,
            first: seats.riders as u8,
            source: seats.sources as u8,
            at: at as u8,
            kind: kind.number(),
            domain,
        };
        seats.kinds |= 1 << run.kind;
        seats.riders += count;
        if kind.came != Came::Core {
            seats.sources += count;
        }
        if seats.runs > 0 {
            let last = at_mut(&mut self.runs, seats.runs - 1);
            let alike = (last.kind, last.at, last.domain) == (run.kind, run.at, run.domain);
            if alike && last.place + last.count == run.place {
                last.count += run.count;
                return;
            }
        }
        *at_mut(&mut self.runs, seats.runs) = run;
        seats.runs += 1;
    }
}
