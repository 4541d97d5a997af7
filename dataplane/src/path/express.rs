//! The express: packets that need nothing out of the ordinary, in stages over small arrays.
//!
//! ```text
//!   burst ─> board ─> outer pairs ─> sources ─> destinations ─> ride, coach by coach ─> output
//!              │                                                       │
//!              └───────────────────────── rest ────────────────────────┘ ─> the general way
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
//! have come out of a tunnel included; and when it rides, while its headers are written. All of a kind
//! ride in one coach, so that what holds for the kind is asked once. Packets stay in their places in the
//! burst throughout and leave in the order in which they came.

mod board;
mod ride;

use super::Path;
use crate::classify::Family;
use crate::key::{Domain, TunnelId};
use crate::table::{Found, Probe};
use crate::tunnels::OuterPair;
use crate::worker::output::Sent;
use crate::worker::{Meter, Stage, View};
use board::Seats;
use packet::{Burst, PortId, RxTx, MAX_BURST};
use std::net::Ipv6Addr;

/// How packets came to where they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// On a core interface.
    Core,
    /// From a host.
    Host,
    /// Out of a tunnel, if there is one between their outer addresses.
    Tunnel,
}

/// What one coach has in common.
#[derive(Clone, Copy)]
struct Kind {
    came: Came,
    family: Family,
}

impl Kind {
    /// How many there are.
    const COUNT: usize = 6;

    /// Which of them it is.
    #[inline(always)]
    const fn number(self) -> usize {
        self.came as usize * 2 + self.family as usize
    }
}

/// The packets of one kind, by their places in the burst.
#[derive(Clone, Copy)]
struct Coach {
    places: [u8; MAX_BURST],
    count: usize,
}

/// A packet that rides, if what is looked up for it lets it.
#[derive(Clone, Copy)]
struct Rider {
    /// Domain of its addresses.
    domain: Domain,
    /// Where its header starts in the frame, that of a tunnel left behind.
    at: u8,
    /// Number of its destination among all that are looked up.
    destination: u8,
    /// The same of its source, where that is asked for.
    source: u8,
    /// The same of its outer pair.
    pair: u8,
}

/// The port of a packet that stays: one that no worker has.
const STAYS: PortId = PortId(u16::MAX);

/// What is known of the riders of one burst. Made once, for to make it anew for every burst would cost
/// more than many a stage.
pub(super) struct Desk {
    coaches: [Coach; Kind::COUNT],
    /// By place in the burst, like `senders`, `ports` and `sent`.
    riders: [Rider; MAX_BURST],
    /// Where packets of hosts came from, as adjacencies have it.
    senders: [u64; MAX_BURST],
    /// The outer pairs that they may have come between; packets in a row with the same share one.
    pairs: [OuterPair; MAX_BURST],
    tunnels: [Option<TunnelId>; MAX_BURST],
    sources: [Probe; MAX_BURST],
    up: [Option<Found>; MAX_BURST],
    destinations: [Probe; MAX_BURST],
    down: [Option<Found>; MAX_BURST],
    /// The ports by which they leave, and what is counted then.
    ports: [PortId; MAX_BURST],
    sent: [Sent; MAX_BURST],
}

impl Desk {
    pub(super) const fn new() -> Self {
        const PROBE: Probe = Probe::ipv6(Domain(0), [0; 16]);
        const RIDER: Rider = Rider {
            domain: Domain(0),
            at: 0,
            destination: 0,
            source: 0,
            pair: 0,
        };
        const PAIR: OuterPair = OuterPair {
            domain: Domain(0),
            local: Ipv6Addr::UNSPECIFIED,
            remote: Ipv6Addr::UNSPECIFIED,
        };
        const COACH: Coach = Coach {
            places: [0; MAX_BURST],
            count: 0,
        };
        Self {
            coaches: [COACH; Kind::COUNT],
            riders: [RIDER; MAX_BURST],
            senders: [0; MAX_BURST],
            pairs: [PAIR; MAX_BURST],
            tunnels: [None; MAX_BURST],
            sources: [PROBE; MAX_BURST],
            up: [None; MAX_BURST],
            destinations: [PROBE; MAX_BURST],
            down: [None; MAX_BURST],
            ports: [STAYS; MAX_BURST],
            sent: [Sent::NOTHING; MAX_BURST],
        }
    }

    /// Finds the tunnels that packets may have come out of.
    #[inline(always)]
    fn find_tunnels(&mut self, seats: Seats, view: &View<'_>) {
        if let Some(pairs @ [_, ..]) = self.pairs.get(..seats.pairs) {
            view.reader.tunnels_between(pairs, &mut self.tunnels);
        }
    }

    /// Looks up all bindings that are asked for.
    #[inline(always)]
    fn look_up(&mut self, seats: Seats, view: &View<'_>) {
        let sources = self.sources.get(..seats.sources).unwrap_or_default();
        let destinations = self.destinations.get(..seats.riders).unwrap_or_default();
        if !sources.is_empty() {
            view.reader.lookup(sources, &mut self.up);
        }
        view.reader.lookup(destinations, &mut self.down);
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
        let seats = self.desk.board(burst, port, view);
        self.meter.lap(Stage::Plan);
        if seats.riders == 0 {
            return;
        }
        self.desk.find_tunnels(seats, view);
        self.meter.lap(Stage::Tunnels);
        self.desk.look_up(seats, view);
        self.meter.lap(Stage::Lookup);
        let port = self.desk.ride(burst, &self.known, view);
        let sent = self.desk.sent.get(..burst.len()).unwrap_or_default();
        match port {
            Some(port) => self.output.send_all(port, burst, sent, view, io),
            None => {
                let places = self.desk.ports.iter().zip(sent);
                for (buf, (port, sent)) in std::mem::take(burst).into_iter().zip(places) {
                    match *port {
                        // In the order in which they came; there is room, for they were there before.
                        STAYS => burst.push(buf),
                        port => self.output.send(port, buf, *sent, view, io),
                    }
                }
            }
        }
        self.meter.lap(Stage::Act);
    }
}
