//! What becomes of a rider: where it goes, and its headers written.

use super::{at, at_mut, Came, Coach, Desk, Kind, Rider, STAYS};
use crate::classify::plain::{header, Ip4, Ip6};
use crate::classify::Family;
use crate::key::{AdjacencyId, BindingId, Domain, InterfaceId, NextHop, TunnelId};
use crate::path::decide::{host, onward, tunnelled, Allowed, Looked, Onward};
use crate::path::Known;
use crate::rewrite::decap::merged;
use crate::rewrite::front::{self, Egress, Forwarded};
use crate::table::Found;
use crate::verdict::{Forward, Verdict};
use crate::worker::output::{Sent, NOBODY};
use crate::worker::View;
use packet::{Buf, Burst, PortId};
use std::net::Ipv6Addr;
use wire::ipv6::HEADER_LEN;

/// Where a rider goes, and who counts it.
pub(super) struct Course {
    to: To,
    forward: Forward,
    up: BindingId,
    down: BindingId,
}

enum To {
    Tunnel(TunnelId),
    Neighbour(AdjacencyId),
    Route,
}

/// Where the last packet of a burst went that went by route. It is the way of all IPv6 destinations
/// with the same upper 64 bits, as most that follow it have.
pub(super) struct LastRoute<'a> {
    /// The upper 64 bits of what it was to.
    site: u64,
    /// Its domain, above all domains where there was none.
    domain: u32,
    egress: Option<Egress<'a>>,
}

impl<'a> LastRoute<'a> {
    pub(super) const NONE: Self = Self {
        site: 0,
        domain: u32::MAX,
        egress: None,
    };

    /// The way to a destination by route, where that is a neighbour that is known.
    #[inline(always)]
    fn to(&mut self, domain: Domain, destination: Ipv6Addr, view: &View<'a>) -> Option<Egress<'a>> {
        let site = (destination.to_bits() >> 64) as u64;
        if self.site != site || self.domain != u32::from(domain.0) {
            *self = Self::look_up(domain, destination, view);
        }
        self.egress
    }

    #[inline(never)]
    fn look_up(domain: Domain, destination: Ipv6Addr, view: &View<'a>) -> Self {
        let (next_hop, of_site) = view.fib.route_of_site(domain, destination);
        Self {
            site: (destination.to_bits() >> 64) as u64,
            domain: match of_site {
                true => domain.0.into(),
                false => u32::MAX,
            },
            egress: by(next_hop, view),
        }
    }
}

/// The way to a neighbour.
#[inline(always)]
fn egress<'a>(neighbour: AdjacencyId, view: &View<'a>) -> Option<Egress<'a>> {
    let to = view.reader.adjacency_word(neighbour);
    let interface = InterfaceId((to as u16).checked_sub(1)?);
    let exit = view.fib.exit(interface)?;
    Some(Egress { to, exit })
}

#[inline(always)]
fn by<'a>(next_hop: Option<NextHop>, view: &View<'a>) -> Option<Egress<'a>> {
    match next_hop {
        Some(NextHop::Adjacency(neighbour)) => egress(neighbour, view),
        _ => None,
    }
}

impl Desk {
    /// Writes the new headers of all that ride, and notes down by which ports they leave and what is
    /// counted then. Of a burst that rides as one to one port, that port.
    #[inline(always)]
    pub(super) fn ride<B: Buf>(
        &mut self,
        burst: &mut Burst<B>,
        known: &Known,
        view: &View<'_>,
    ) -> Option<PortId> {
        use Came::{Core, Host, Tunnel};
        use Family::{V4, V6};
        let mut last = LastRoute::NONE;
        let mut coach = |came, family| {
            let kind = Kind { came, family };
            self.ride_coach(kind, burst, known, &mut last, view);
        };
        coach(Core, V6);
        coach(Tunnel, V6);
        coach(Host, V6);
        coach(Core, V4);
        coach(Tunnel, V4);
        coach(Host, V4);
        // Without a branch for each: most bursts leave as one.
        let ports = self.ports.get(..burst.len()).unwrap_or_default();
        let first = *ports.first()?;
        let differ = ports.iter().fold(0, |all, port| all | (port.0 ^ first.0));
        (differ == 0 && first != STAYS).then_some(first)
    }

    /// The same for one coach. Inlined, so that there is a loop of its own for each kind.
    #[inline(always)]
    fn ride_coach<'a, B: Buf>(
        &mut self,
        kind: Kind,
        burst: &mut Burst<B>,
        known: &Known,
        last: &mut LastRoute<'a>,
        view: &View<'a>,
    ) {
        let Some(Coach { places, count }) = self.coaches.get(kind.number()) else {
            return;
        };
        for number in 0..*count {
            let place = usize::from(*at(places, number));
            let rider = at(&self.riders, place);
            let down = *at(&self.down, rider.destination.into());
            let up = match kind.came {
                Came::Core => None,
                Came::Host | Came::Tunnel => *at(&self.up, rider.source.into()),
            };
            let course = match kind.came {
                Came::Core => course(Allowed::Anywhere { up: None }, down, false),
                Came::Host => {
                    let sender = *at(&self.senders, place);
                    let is_at = |host| view.reader.adjacency_word(host) == sender;
                    host(up, is_at)
                        .ok()
                        .and_then(|allowed| course(allowed, down, false))
                }
                Came::Tunnel => at(&self.tunnels, rider.pair.into()).and_then(|tunnel| {
                    let looked = Looked {
                        source: up,
                        destination: down,
                    };
                    let allowed = tunnelled(tunnel, looked, known).ok()?;
                    course(allowed, down, true)
                }),
            };
            let Some((course, buf)) = course.zip(burst.get_mut(place)) else {
                continue;
            };
            if let Some((port, sent)) = rider.ride(kind, buf, course, last, view) {
                *at_mut(&mut self.ports, place) = port;
                *at_mut(&mut self.sent, place) = sent;
            }
        }
    }
}

/// Decides; none where anything is to be done but to send it on.
#[inline(always)]
fn course(allowed: Allowed, down: Option<Found>, out_of_tunnel: bool) -> Option<Course> {
    let up = match allowed {
        Allowed::Anywhere { up } => up.unwrap_or(NOBODY),
        Allowed::Into { tunnel, up } => {
            return Some(Course {
                to: To::Tunnel(tunnel),
                forward: Forward::Encapsulated,
                up,
                down: NOBODY,
            });
        }
        Allowed::To { host, down } => {
            return Some(Course {
                to: To::Neighbour(host),
                forward: Forward::Delivered,
                up: NOBODY,
                down,
            });
        }
    };
    let (to, forward) = match onward(down.map(Found::forwarding), out_of_tunnel, false) {
        Onward::Tunnel(tunnel, forward) => (To::Tunnel(tunnel), forward),
        Onward::Host(host, forward) => (To::Neighbour(host), forward),
        Onward::Route(forward) => (To::Route, forward),
        Onward::Pending => return None,
    };
    let down = match to {
        To::Route => None,
        To::Tunnel(_) | To::Neighbour(_) => down,
    };
    Some(Course {
        to,
        forward,
        up,
        down: down.map_or(NOBODY, |found| found.id),
    })
}

impl Rider {
    /// Writes the packet's new headers; says by which port it leaves and what is counted then. None where
    /// that takes more than new headers: nothing has changed.
    #[inline(always)]
    fn ride<'a, B: Buf>(
        &self,
        kind: Kind,
        buf: &mut B,
        course: Course,
        last: &mut LastRoute<'a>,
        view: &View<'a>,
    ) -> Option<(PortId, Sent)> {
        let at = usize::from(self.at);
        let packet = buf.data().get(at..)?;
        let mark = |inner: u8| match kind.came {
            Came::Tunnel => {
                let outer = buf.data().get(at.checked_sub(HEADER_LEN)?..)?;
                merged(header::<Ip6>(outer)?.0.class(), inner)
            }
            Came::Core | Came::Host => Some(inner & 3),
        };
        let (forwarded, length) = match kind.family {
            Family::V6 => {
                let (ip, _) = header::<Ip6>(packet)?;
                // There is a hop left, so nothing else changes.
                let lead = ip.lead.get() - 1;
                let lead = match kind.came {
                    Came::Tunnel => lead & !(3 << 52) | u64::from(mark(ip.class())?) << 52,
                    Came::Core | Came::Host => lead,
                };
                (Forwarded::V6(lead), packet.len())
            }
            Family::V4 => {
                let (ip, _) = header::<Ip4>(packet)?;
                let class = ip.class() & !3 | mark(ip.class())?;
                (Forwarded::V4(class), ip.total_length())
            }
        };
        let (entrance, egress) = match course.to {
            To::Tunnel(tunnel) => {
                let entrance = view.reader.entrance(tunnel)?;
                let egress = egress(entrance.adjacency, view)?;
                (Some(entrance), egress)
            }
            To::Neighbour(neighbour) => (None, egress(neighbour, view)?),
            To::Route => {
                let egress = match kind.family {
                    Family::V6 => {
                        let (ip, _) = header::<Ip6>(packet)?;
                        last.to(self.domain, ip.destination(), view)?
                    }
                    Family::V4 => {
                        let (ip, _) = header::<Ip4>(packet)?;
                        by(view.fib.route(self.domain, ip.destination()), view)?
                    }
                };
                (None, egress)
            }
        };
        let room = match &entrance {
            Some(entrance) => usize::from(egress.exit.mtu_inside.min(entrance.mtu)),
            None => usize::from(egress.exit.mtu),
        };
        // The others were found to have none.
        let padded = kind.family == Family::V4 && packet.len() > length;
        if length > room || (padded && buf.set_len(at + length).is_err()) {
            return None;
        }
        match &entrance {
            Some(entrance) => front::tunnel(buf, at, forwarded, entrance, egress).ok()?,
            None => front::link(buf, at, forwarded, egress).ok()?,
        }
        let sent = Sent {
            verdict: Verdict::Forward(course.forward),
            up: course.up,
            down: course.down,
            octets: length as u32,
        };
        Some((egress.exit.port, sent))
    }
}
