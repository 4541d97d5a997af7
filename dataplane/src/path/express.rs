//! The express: packets that need nothing out of the ordinary, in stages over small arrays.
//!
//! ```text
//!   burst ─> board ─> sources ─> destinations ─> outer pairs ─> ride, kind by kind ─> output
//!              │                                                      │
//!              └──────────────────────── rest ────────────────────────┘ ─> the general way
//! ```
//!
//! It takes whole packets between addresses that routers forward, tagged or not, on their way from a
//! core link or from a host to a neighbour or into a tunnel, out of a tunnel or not: IPv6 without
//! options and IPv4 without. What it does is what the general way would do; decisions are the same
//! code ([`decide`](super::decide)). A packet for which anything else is to be done (an answer, a copy
//! to control, a drop) or looked at is left exactly as it came and goes the general way after the
//! others. So nothing is refused here but strangers' signalling over its rate ([`gate`]), and what is
//! missing here costs time, never a packet.
//!
//! An outer pair is not looked up where a binding of an inner address names a tunnel, as it does of all that
//! may pass: it is compared with the ends of that one, whose line the look-up of the binding has asked for.
//!
//! A packet is read twice: when it boards, for all that has to be looked up, inner addresses of what may
//! have come out of a tunnel included; and when it rides, while its headers are written. Those of a kind
//! ride together, in a loop made for that kind, so that what holds for the kind is not asked, and those in a
//! row for which the same was found go the way of the first. Riders are
//! numbered as they board, and what is known of them lies in one array for each thing, or once for a row of
//! them, so that a loop keeps little in mind. Packets stay in their places in the burst throughout and leave in the order in
//! which they came.

mod board;
mod dock;
mod flood;
mod gate;
mod ride;
mod seats;
mod ways;

use super::Path;
use crate::classify::Family;
use crate::key::{Domain, TunnelId};
use crate::table::{Found, Probe};
use crate::tunnels::OuterPair;
use crate::verdict::{Drop, Verdict};
use crate::worker::output::Sent;
use crate::worker::{Meter, Stage, View};
use flood::set_apart;
use gate::Gate;
use packet::{Burst, PortId, RxTx, MAX_BURST};
use seats::{Run, Seats};
use std::net::Ipv6Addr;

/// How many packets further on than the one that boards a packet is asked for: so far that it is there in
/// time, and no further, so that what is asked for is never more than a core can wait for at once.
pub(super) const AHEAD: usize = 8;

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

/// What those have in common that ride together.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    came: Came,
    family: Family,
}

impl Kind {
    /// Which of six it is.
    #[inline(always)]
    const fn number(self) -> u8 {
        self.came as u8 * 2 + self.family as u8
    }

    /// The kind with this number.
    const fn of(number: u8) -> Self {
        Self {
            came: match number / 2 {
                0 => Came::Core,
                1 => Came::Host,
                _ => Came::Tunnel,
            },
            family: match number % 2 {
                0 => Family::V6,
                _ => Family::V4,
            },
        }
    }
}

/// What becomes of a packet that ends at the gate.
const GATE: Verdict = Verdict::Drop(Drop::SignallingLimited);

/// The port of a packet that stays: one that no worker has.
const STAYS: PortId = PortId(u16::MAX);

/// What is known of the riders of one burst, by their numbers where nothing else is said. Made once, for to
/// make it anew for every burst would cost more than many a stage.
pub(super) struct Desk {
    runs: [Run; MAX_BURST],
    /// Where packets of hosts came from, as adjacencies have it.
    senders: [u64; MAX_BURST],
    /// The outer pairs that they may have come between, by numbers of their own: packets in a row with
    /// the same share one.
    pairs: [OuterPair; MAX_BURST],
    tunnels: [Option<TunnelId>; MAX_BURST],
    /// The first rider of each pair, and the number of its source.
    first_of: [(u8, u8); MAX_BURST],
    /// Which pair is a rider's.
    pair_of: [u8; MAX_BURST],
    /// By numbers of their own.
    sources: [Probe; MAX_BURST],
    up: [Option<Found>; MAX_BURST],
    destinations: [Probe; MAX_BURST],
    down: [Option<Found>; MAX_BURST],
    /// The ports by which packets leave, and what is counted then, by place in the burst.
    ports: [PortId; MAX_BURST],
    sent: [Sent; MAX_BURST],
}

impl Desk {
    pub(super) const fn new() -> Self {
        const PROBE: Probe = Probe::ipv6(Domain(0), [0; 16]);
        const PAIR: OuterPair = OuterPair {
            domain: Domain(0),
            local: Ipv6Addr::UNSPECIFIED,
            remote: Ipv6Addr::UNSPECIFIED,
        };
        Self {
            runs: [Run::NONE; MAX_BURST],
            senders: [0; MAX_BURST],
            pairs: [PAIR; MAX_BURST],
            tunnels: [None; MAX_BURST],
            first_of: [(0, 0); MAX_BURST],
            pair_of: [0; MAX_BURST],
            sources: [PROBE; MAX_BURST],
            up: [None; MAX_BURST],
            destinations: [PROBE; MAX_BURST],
            down: [None; MAX_BURST],
            ports: [STAYS; MAX_BURST],
            sent: [Sent::NOTHING; MAX_BURST],
        }
    }

    /// Finds the tunnels that packets may have come out of, once their bindings are found.
    #[inline(always)]
    fn find_tunnels(&mut self, seats: Seats, view: &View<'_>) {
        if seats.pairs > 0 && !self.guess_tunnels(seats.pairs, view) {
            let pairs = self.pairs.get(..seats.pairs).unwrap_or_default();
            view.reader.tunnels_between(pairs, &mut self.tunnels);
        }
    }

    /// The same by what the bindings of each pair's first rider say; returns whether that is so of all pairs.
    #[inline(never)]
    fn guess_tunnels(&mut self, pairs: usize, view: &View<'_>) -> bool {
        let entrances = view.reader.entrances();
        let pairs = self.pairs.iter().zip(&self.first_of).take(pairs);
        for ((pair, first), tunnel) in pairs.zip(&mut self.tunnels) {
            let (first, source) = (usize::from(first.0), usize::from(first.1));
            let is_through = |found: &Option<Found>| {
                let named = found.map(|found| found.word().tunnel());
                named.filter(|named| entrances.is_between(*named, pair))
            };
            *tunnel = is_through(at(&self.up, source));
            if tunnel.is_none() {
                *tunnel = is_through(at(&self.down, first));
            }
            if tunnel.is_none() {
                return false;
            }
        }
        true
    }

    /// Looks up all bindings that are asked for. Returns whether the same was found for all riders, whose
    /// destinations are of one site.
    #[inline(always)]
    fn look_up(&mut self, seats: Seats, view: &View<'_>) -> bool {
        let sources = self.sources.get(..seats.sources).unwrap_or_default();
        let destinations = self.destinations.get(..seats.riders).unwrap_or_default();
        let family = seats.family();
        let mut alike = true;
        if !sources.is_empty() {
            alike = view.reader.lookup_of(family, sources, &mut self.up);
        }
        alike & view.reader.lookup_of(family, destinations, &mut self.down)
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
        let gate = Gate::new(&self.limits.punts, view);
        let seats = self.desk.board(burst, port, gate);
        if seats.ended != 0 {
            let left = set_apart(burst, seats.ended);
            self.output.end_all(burst, left, GATE, view, io);
        }
        self.meter.lap(Stage::Plan);
        if seats.riders == 0 {
            return;
        }
        let alike = self.desk.look_up(seats, view);
        self.meter.lap(Stage::Lookup);
        self.desk.find_tunnels(seats, view);
        self.meter.lap(Stage::Tunnels);
        let port = self.desk.ride(seats, alike, burst, &self.known, view);
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
