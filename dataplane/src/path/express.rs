//! The express: packets that need nothing out of the ordinary, in stages over small arrays.
//!
//! ```text
//!   burst ─> board ─> outer pairs ─> sources ─> destinations ─> decide ─> ride ─> output
//!              │                                                  │        │
//!              └───────────────────────── rest ───────────────────┴────────┘ ─> the general way
//! ```
//!
//! It takes whole packets between addresses that routers forward, tagged or not, on their way from a
//! core link or from a host to a neighbour or into a tunnel, out of a tunnel or not: IPv6 without
//! options and IPv4 without. What it does is what the general way would do; decisions are the same
//! code ([`decide`](super::decide)). A packet for which anything else is to be done (an answer, a copy
//! to control, a drop) or looked at is left exactly as it came and goes the general way after the
//! others. So nothing is refused here, and what is missing here costs time, never a packet.
//!
//! A packet is read twice: when it boards, for all that has to be looked up, inner addresses of what may
//! have come out of a tunnel included; and when it rides, while its headers are written.

mod board;
mod ride;

use super::Path;
use crate::classify::Family;
use crate::key::{Domain, TunnelId};
use crate::table::{Found, Probe};
use crate::tunnels::OuterPair;
use crate::worker::{Meter, Stage, View};
use board::{Dock, Seats};
use packet::{Burst, PortId, RxTx, MAX_BURST};
use ride::LastRoute;
use std::net::Ipv6Addr;

/// How a packet that rides came to where it is.
#[derive(Clone, Copy)]
enum Came {
    /// On a core interface.
    Core,
    /// From a host: from this link-layer address, on this interface, as one word like an adjacency's.
    Host(u64),
    /// Out of a tunnel, perhaps: the one between this pair.
    Tunnel(u8),
}

/// A packet that rides, if what is looked up for it lets it.
#[derive(Clone, Copy)]
struct Rider {
    came: Came,
    /// Domain of its addresses.
    domain: Domain,
    /// Its place in the burst.
    place: u8,
    /// Where its header starts in the frame, that of a tunnel left behind.
    at: u8,
    family: Family,
}

/// In place of the next rider when there is none: no place in a burst.
const NOBODY_ELSE: u8 = u8::MAX;

/// What is known of the riders of one burst, by their number. Made once, for to make it anew for every
/// burst would cost more than many a stage.
pub(super) struct Desk {
    riders: [Rider; MAX_BURST],
    /// The outer pairs that they may have come between; riders in a row with the same share one.
    pairs: [OuterPair; MAX_BURST],
    tunnels: [Option<TunnelId>; MAX_BURST],
    /// The sources that have to be looked up, in the order of the riders.
    sources: [Probe; MAX_BURST],
    up: [Option<Found>; MAX_BURST],
    /// The destinations of all.
    destinations: [Probe; MAX_BURST],
    down: [Option<Found>; MAX_BURST],
}

impl Desk {
    pub(super) const fn new() -> Self {
        const PROBE: Probe = Probe::ipv6(Domain(0), [0; 16]);
        const RIDER: Rider = Rider {
            came: Came::Core,
            domain: Domain(0),
            place: NOBODY_ELSE,
            at: 0,
            family: Family::V6,
        };
        const PAIR: OuterPair = OuterPair {
            domain: Domain(0),
            local: Ipv6Addr::UNSPECIFIED,
            remote: Ipv6Addr::UNSPECIFIED,
        };
        Self {
            riders: [RIDER; MAX_BURST],
            pairs: [PAIR; MAX_BURST],
            tunnels: [None; MAX_BURST],
            sources: [PROBE; MAX_BURST],
            up: [None; MAX_BURST],
            destinations: [PROBE; MAX_BURST],
            down: [None; MAX_BURST],
        }
    }

    /// Looks up what the seats ask for.
    #[inline(always)]
    fn look_up(&mut self, seats: Seats, view: &View<'_>) {
        let sources = self.sources.get(..seats.sources).unwrap_or_default();
        let destinations = self.destinations.get(..seats.riders).unwrap_or_default();
        if !sources.is_empty() {
            view.reader.lookup(sources, &mut self.up);
        }
        view.reader.lookup(destinations, &mut self.down);
    }

    /// Finds the tunnels that riders may have come out of.
    #[inline(always)]
    fn find_tunnels(&mut self, seats: Seats, view: &View<'_>) {
        if let Some(pairs @ [_, ..]) = self.pairs.get(..seats.pairs) {
            view.reader.tunnels_between(pairs, &mut self.tunnels);
        }
    }
}

/// What stands at a place of an array with as many places as a burst; places are below that.
#[inline(always)]
fn at<T>(array: &[T; MAX_BURST], place: usize) -> &T {
    // The remainder is known to be below the length, so nothing is checked when it runs.
    &array[place % MAX_BURST]
}

/// The same, to write.
#[inline(always)]
fn at_mut<T>(array: &mut [T; MAX_BURST], place: usize) -> &mut T {
    &mut array[place % MAX_BURST]
}

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Takes those packets of a burst that it can to their ends, and leaves the others.
    #[inline]
    pub(super) fn express(
        &mut self,
        burst: &mut Burst<T::Buf>,
        port: PortId,
        view: &View<'_>,
        io: &mut T,
    ) {
        let seats = self.desk.board(burst, Dock::untagged(port, view), view);
        self.meter.lap(Stage::Plan);
        if seats.riders == 0 {
            return;
        }
        self.desk.find_tunnels(seats, view);
        self.meter.lap(Stage::Tunnels);
        self.desk.look_up(seats, view);
        self.meter.lap(Stage::Lookup);
        let mut last = LastRoute::NONE;
        let (mut number, mut source) = (0, 0);
        for (place, mut buf) in (0u8..).zip(std::mem::take(burst)) {
            let rider = at(&self.desk.riders, number);
            if rider.place != place {
                // In the order in which they came.
                burst.push(buf);
                continue;
            }
            let down = *at(&self.desk.down, number);
            number += 1;
            let up = match rider.came {
                Came::Core => None,
                Came::Host(_) | Came::Tunnel(_) => {
                    source += 1;
                    *at(&self.desk.up, source - 1)
                }
            };
            let tunnel = match rider.came {
                Came::Tunnel(pair) => *at(&self.desk.tunnels, usize::from(pair)),
                Came::Core | Came::Host(_) => None,
            };
            let course = rider.course(tunnel, up, down, &self.known, view);
            let rode = course.and_then(|course| rider.ride(&mut buf, course, &mut last, view));
            match rode {
                Some((port, sent)) => self.output.send(port, buf, sent, view, io),
                None => burst.push(buf),
            }
        }
        self.meter.lap(Stage::Act);
    }
}
