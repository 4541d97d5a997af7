//! What becomes of a rider: where it goes, and its headers written.

use super::board::Seats;
use super::{at, at_mut, Came, Desk, Kind, Rider, STAYS};
use crate::adjacencies::Words;
use crate::classify::plain::{header, Ip4, Ip6};
use crate::classify::Family;
use crate::fib::Exit;
use crate::key::{AdjacencyId, BindingId, Domain, NextHop, TunnelId};
use crate::path::decide::{host, onward, tunnelled, Allowed, Looked, Onward};
use crate::path::Known;
use crate::rewrite::decap::merged;
use crate::rewrite::front::{self, Egress, Forwarded};
use crate::table::forwarding::Word;
use crate::table::{Found, Probe};
use crate::tunnels::{Entrance, Entrances};
use crate::verdict::{Forward, Verdict};
use crate::worker::output::{Sent, NOBODY};
use crate::worker::View;
use packet::{Buf, Burst, PortId, MAX_BURST};
use std::net::Ipv6Addr;
use wire::ipv6::HEADER_LEN;

/// What leads out of here, where it lies.
#[derive(Clone, Copy)]
struct Ways<'a> {
    entrances: Entrances<'a>,
    neighbours: Words<'a>,
    exits: &'a [Exit],
}

impl<'a> Ways<'a> {
    fn of(view: &View<'a>) -> Self {
        Self {
            entrances: view.reader.entrances(),
            neighbours: view.reader.adjacency_words(),
            exits: view.fib.exits(),
        }
    }

    /// The way to a neighbour.
    #[inline(always)]
    fn to(&self, neighbour: AdjacencyId) -> Option<Egress<'a>> {
        let to = self.neighbours.get(neighbour);
        let exit = self.exits.get(usize::from(Words::interface(to).0))?;
        Some(Egress { to, exit })
    }

    /// The way into a tunnel.
    #[inline(always)]
    fn into(&self, tunnel: TunnelId) -> Option<Way<'a>> {
        let entrance = self.entrances.get(tunnel)?;
        let egress = self.to(entrance.adjacency)?;
        Some(Way {
            room: egress.exit.mtu_inside.min(entrance.mtu),
            egress,
            entrance: Some(entrance),
        })
    }
}

/// A way that leads out of here.
#[derive(Clone, Copy)]
struct Way<'a> {
    egress: Egress<'a>,
    entrance: Option<Entrance<'a>>,
    /// Octets of the largest packet that it carries as it is.
    room: u16,
}

impl<'a> From<Egress<'a>> for Way<'a> {
    #[inline(always)]
    fn from(egress: Egress<'a>) -> Self {
        Self {
            room: egress.exit.mtu,
            egress,
            entrance: None,
        }
    }
}

/// The ways that packets of a burst went, for those that go the same.
pub(super) struct Lasts<'a> {
    route: LastRoute<'a>,
    /// What the binding said that the last packet of this kind went by.
    word: Option<Word>,
    /// The way of all of this kind whose bindings say that. Kept only where two in a row went it, for
    /// keeping it costs more than some would gain by it.
    bound: Option<(Way<'a>, Forward)>,
}

impl<'a> Lasts<'a> {
    pub(super) const NONE: Self = Self {
        route: LastRoute::NONE,
        word: None,
        bound: None,
    };
}

/// Where a rider goes, and who counts it.
struct Course<'a> {
    way: Way<'a>,
    forward: Forward,
    up: BindingId,
    down: BindingId,
}

/// Where the last packet of a burst went that went by route. It is the way of all IPv6 destinations
/// with the same upper 64 bits, as most that follow it have.
struct LastRoute<'a> {
    /// The upper 64 bits of what it was to.
    site: u64,
    /// Its domain, above all domains where there was none.
    domain: u32,
    egress: Option<Egress<'a>>,
}

impl<'a> LastRoute<'a> {
    const NONE: Self = Self {
        site: 0,
        domain: u32::MAX,
        egress: None,
    };

    /// The way to a destination by route, where that is a neighbour that is known.
    #[inline(always)]
    fn to(&mut self, probe: &Probe, ways: &Ways<'a>, view: &View<'a>) -> Option<Egress<'a>> {
        let (domain, destination) = (probe.domain(), probe.address());
        let site = (destination.to_bits() >> 64) as u64;
        if self.site != site || self.domain != u32::from(domain.0) {
            *self = Self::look_up(domain, destination, ways, view);
        }
        self.egress
    }

    #[inline(never)]
    fn look_up(domain: Domain, destination: Ipv6Addr, ways: &Ways<'a>, view: &View<'a>) -> Self {
        let (next_hop, of_site) = view.fib.route_of_site(domain, destination);
        Self {
            site: (destination.to_bits() >> 64) as u64,
            domain: match of_site {
                true => domain.0.into(),
                false => u32::MAX,
            },
            egress: by(next_hop, ways),
        }
    }
}

#[inline(always)]
fn by<'a>(next_hop: Option<NextHop>, ways: &Ways<'a>) -> Option<Egress<'a>> {
    match next_hop {
        Some(NextHop::Adjacency(neighbour)) => ways.to(neighbour),
        _ => None,
    }
}

impl Desk {
    /// Writes the new headers of all that ride, and notes down by which ports they leave and what is
    /// counted then. Of a burst that rides as one to one port, that port.
    #[inline(always)]
    pub(super) fn ride<B: Buf>(
        &mut self,
        seats: Seats,
        burst: &mut Burst<B>,
        known: &Known,
        view: &View<'_>,
    ) -> Option<PortId> {
        if view.fib.is_far() {
            self.prefetch_routes(seats.riders, view);
        }
        let mut last = Lasts::NONE;
        if seats.kinds & 1 << 0 != 0 {
            self.ride_kind::<0, B>(seats.riders, burst, known, &mut last, view);
        }
        if seats.kinds & 1 << 1 != 0 {
            self.ride_kind::<1, B>(seats.riders, burst, known, &mut last, view);
        }
        if seats.kinds & 1 << 2 != 0 {
            self.ride_kind::<2, B>(seats.riders, burst, known, &mut last, view);
        }
        if seats.kinds & 1 << 3 != 0 {
            self.ride_kind::<3, B>(seats.riders, burst, known, &mut last, view);
        }
        if seats.kinds & 1 << 4 != 0 {
            self.ride_kind::<4, B>(seats.riders, burst, known, &mut last, view);
        }
        if seats.kinds & 1 << 5 != 0 {
            self.ride_kind::<5, B>(seats.riders, burst, known, &mut last, view);
        }
        // Without a branch for each: most bursts leave as one.
        let ports = self.ports.get(..burst.len()).unwrap_or_default();
        let first = *ports.first()?;
        let differ = ports.iter().fold(0, |all, port| all | (port.0 ^ first.0));
        (differ == 0 && first != STAYS).then_some(first)
    }

    /// Asks for the routes of those whose destinations nobody has bound.
    #[inline(never)]
    fn prefetch_routes(&self, riders: usize, view: &View<'_>) {
        let all = self.riders.iter().zip(&self.destinations).zip(&self.down);
        for ((rider, destination), down) in all.take(riders) {
            if down.is_none() && Kind::of(rider.kind).family == Family::V6 {
                view.fib
                    .prefetch(destination.domain(), destination.address());
            }
        }
    }

    /// The same for those of one kind: a function of its own for each, so that a loop has all registers.
    #[inline(never)]
    fn ride_kind<'a, const KIND: u8, B: Buf>(
        &mut self,
        riders: usize,
        burst: &mut Burst<B>,
        known: &Known,
        last: &mut Lasts<'a>,
        view: &View<'a>,
    ) {
        let kind = const { Kind::of(KIND) };
        let ways = &Ways::of(view);
        (last.word, last.bound) = (None, None);
        for number in 0..riders.min(MAX_BURST) {
            let rider = *at(&self.riders, number);
            if rider.kind != KIND {
                continue;
            }
            let Some(buf) = burst.get_mut(usize::from(rider.place)) else {
                continue;
            };
            let course = match kind.came {
                Came::Core => {
                    let allowed = Allowed::Anywhere { up: None };
                    self.course(kind, number, allowed, last, ways, view)
                }
                Came::Host => {
                    let sender = *at(&self.senders, number);
                    let is_at = |host| ways.neighbours.get(host) == sender;
                    let up = *at(&self.up, rider.source.into());
                    let allowed = host(up, is_at).ok();
                    allowed.and_then(|it| self.course(kind, number, it, last, ways, view))
                }
                Came::Tunnel => {
                    let pair = usize::from(*at(&self.pair_of, number));
                    let looked = Looked {
                        source: *at(&self.up, rider.source.into()),
                        destination: *at(&self.down, number),
                    };
                    let allowed = at(&self.tunnels, pair).and_then(|tunnel| match looked.source {
                        // Mostly so, and told by one word.
                        Some(found) if found.word().anchors(tunnel) => {
                            Some(Allowed::Anywhere { up: Some(found.id) })
                        }
                        _ => tunnelled(tunnel, looked, known).ok(),
                    });
                    allowed.and_then(|it| self.course(kind, number, it, last, ways, view))
                }
            };
            let Some(course) = course else { continue };
            if let Some((port, sent)) = rider.ride(kind, buf, &course) {
                *at_mut(&mut self.ports, rider.place.into()) = port;
                *at_mut(&mut self.sent, rider.place.into()) = sent;
            }
        }
    }

    /// Decides for a rider; none where anything is to be done but to send it on.
    #[inline(always)]
    fn course<'a>(
        &self,
        kind: Kind,
        number: usize,
        allowed: Allowed,
        last: &mut Lasts<'a>,
        ways: &Ways<'a>,
        view: &View<'a>,
    ) -> Option<Course<'a>> {
        match allowed {
            Allowed::Anywhere { up } => {
                let up = up.unwrap_or(NOBODY);
                self.onward(kind, number, up, last, ways, view)
            }
            Allowed::Into { tunnel, up } => Some(Course {
                way: ways.into(tunnel)?,
                forward: Forward::Encapsulated,
                up,
                down: NOBODY,
            }),
            Allowed::To { host, down } => Some(Course {
                way: ways.to(host)?.into(),
                forward: Forward::Delivered,
                up: NOBODY,
                down,
            }),
        }
    }

    /// The same for one whose source allows it to go where its destination says.
    #[inline(always)]
    fn onward<'a>(
        &self,
        kind: Kind,
        number: usize,
        up: BindingId,
        last: &mut Lasts<'a>,
        ways: &Ways<'a>,
        view: &View<'a>,
    ) -> Option<Course<'a>> {
        let found = *at(&self.down, number);
        let down = found.map_or(NOBODY, |found| found.id);
        let word = found.map(Found::word);
        let again = word.is_some() && word == last.word;
        if again {
            if let Some((way, forward)) = last.bound {
                return Some(Course {
                    way,
                    forward,
                    up,
                    down,
                });
            }
        } else {
            (last.word, last.bound) = (word, None);
        }
        let out_of_tunnel = kind.came == Came::Tunnel;
        let (way, forward) = match onward(found.map(Found::forwarding), out_of_tunnel, false) {
            Onward::Tunnel(tunnel, forward) => (ways.into(tunnel)?, forward),
            Onward::Host(host, forward) => (ways.to(host)?.into(), forward),
            Onward::Route(forward) => {
                let destination = at(&self.destinations, number);
                let egress = match kind.family {
                    Family::V6 => last.route.to(destination, ways, view)?,
                    Family::V4 => {
                        let to = destination.ipv4_address();
                        by(view.fib.route(destination.domain(), to), ways)?
                    }
                };
                return Some(Course {
                    way: egress.into(),
                    forward,
                    up,
                    down: NOBODY,
                });
            }
            Onward::Pending => return None,
        };
        if again {
            last.bound = Some((way, forward));
        }
        Some(Course {
            way,
            forward,
            up,
            down,
        })
    }
}

impl Rider {
    /// Writes the packet's new headers; says by which port it leaves and what is counted then. None where
    /// that takes more than new headers: nothing has changed.
    #[inline(always)]
    fn ride<B: Buf>(&self, kind: Kind, buf: &mut B, course: &Course<'_>) -> Option<(PortId, Sent)> {
        let Way {
            egress,
            entrance,
            room,
        } = &course.way;
        let at = usize::from(self.at);
        let octets = buf.data().len().checked_sub(at)?;
        let (forwarded, length) = match (kind.family, kind.came) {
            (Family::V6, Came::Core | Came::Host) => (Forwarded::Hop, octets),
            (Family::V6, Came::Tunnel) => {
                let (ip, _) = header::<Ip6>(buf.data().get(at..)?)?;
                // There is a hop left, so nothing else changes.
                let lead = ip.lead.get() - 1;
                let mark = merged(outer_class(buf, at)?, ip.class())?;
                let lead = lead & !(3 << 52) | u64::from(mark) << 52;
                (Forwarded::V6(lead), octets)
            }
            (Family::V4, came) => {
                let (ip, _) = header::<Ip4>(buf.data().get(at..)?)?;
                let class = match came {
                    Came::Tunnel => ip.class() & !3 | merged(outer_class(buf, at)?, ip.class())?,
                    Came::Core | Came::Host => ip.class(),
                };
                (Forwarded::V4(class), ip.total_length())
            }
        };
        // The others were found to have none.
        let padded = kind.family == Family::V4 && octets > length;
        if length > usize::from(*room) || (padded && buf.set_len(at + length).is_err()) {
            return None;
        }
        match entrance {
            Some(entrance) => front::tunnel(buf, self.at, forwarded, entrance, *egress).ok()?,
            None => front::link(buf, self.at, forwarded, *egress).ok()?,
        }
        let verdict = Verdict::Forward(course.forward);
        let sent = Sent::counted(verdict, course.up, course.down, length as u32);
        Some((egress.exit.port, sent))
    }
}

/// Traffic class of the header that ends where the packet starts.
#[inline(always)]
fn outer_class<B: Buf>(buf: &B, at: usize) -> Option<u8> {
    let outer = buf.data().get(at.checked_sub(HEADER_LEN)?..)?;
    Some(header::<Ip6>(outer)?.0.class())
}
