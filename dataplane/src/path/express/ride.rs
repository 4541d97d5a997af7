//! What becomes of a rider: where it goes, and its headers written.

use super::{Came, Rider};
use crate::classify::plain::{header, Ip4, Ip6};
use crate::classify::Family;
use crate::key::{AdjacencyId, BindingId, Domain, InterfaceId, NextHop, TunnelId};
use crate::path::decide::{host, onward, tunnelled, Allowed, Looked, Onward};
use crate::path::Known;
use crate::rewrite::decap::merged;
use crate::rewrite::front::{self, Egress, Forwarded};
use crate::table::Found;
use crate::tunnels::HEADER;
use crate::verdict::{Forward, Verdict};
use crate::worker::output::{Sent, NOBODY};
use crate::worker::View;
use packet::{Buf, PortId};
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

impl Rider {
    /// Decides; none where anything is to be done but to send it on.
    #[inline(always)]
    pub(super) fn course(
        &self,
        tunnel: Option<TunnelId>,
        up: Option<Found>,
        down: Option<Found>,
        known: &Known,
        view: &View<'_>,
    ) -> Option<Course> {
        let (allowed, out_of_tunnel) = match self.came {
            Came::Core => (Allowed::Anywhere { up: None }, false),
            Came::Host(sender) => {
                let is_at = |host| view.reader.adjacency_word(host) == sender;
                (host(up, is_at).ok()?, false)
            }
            Came::Tunnel(_) => {
                let looked = Looked {
                    source: up,
                    destination: down,
                };
                (tunnelled(tunnel?, looked, known).ok()?, true)
            }
        };
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
        let binding = down.map(Found::forwarding);
        let (to, forward) = match onward(binding, out_of_tunnel, false) {
            Onward::Tunnel(tunnel, forward) => (To::Tunnel(tunnel), forward),
            Onward::Host(host, forward) => (To::Neighbour(host), forward),
            Onward::Route(forward) => (To::Route, forward),
            Onward::Pending => return None,
        };
        let down = match to {
            To::Route => None,
            _ => down,
        };
        Some(Course {
            to,
            forward,
            up,
            down: down.map_or(NOBODY, |found| found.id),
        })
    }

    /// Writes the packet's new headers; says by which port it leaves and what is counted then. None where
    /// that takes more than new headers: nothing has changed.
    #[inline(always)]
    pub(super) fn ride<'a, B: Buf>(
        &self,
        buf: &mut B,
        course: Course,
        last: &mut LastRoute<'a>,
        view: &View<'a>,
    ) -> Option<(PortId, Sent)> {
        let at = usize::from(self.at);
        let packet = buf.data().get(at..)?;
        let outer_class = || {
            let outer = buf.data().get(at.checked_sub(HEADER_LEN)?..)?;
            Some(header::<Ip6>(outer)?.0.class())
        };
        let mark = |inner: u8| match self.came {
            Came::Tunnel(_) => merged(outer_class()?, inner),
            Came::Core | Came::Host(_) => Some(inner & 3),
        };
        let (forwarded, length) = match self.family {
            Family::V6 => {
                let (ip, _) = header::<Ip6>(packet)?;
                let mark = u64::from(mark(ip.class())?);
                // There is a hop left, so the others are not touched.
                let lead = (ip.lead.get() - 1) & !(3 << 52) | mark << 52;
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
                let egress = match self.family {
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
        let mtu = usize::from(egress.exit.mtu);
        let room = match &entrance {
            Some(entrance) => mtu.checked_sub(HEADER)?.min(entrance.mtu.into()),
            None => mtu,
        };
        let padded = packet.len() > length;
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
