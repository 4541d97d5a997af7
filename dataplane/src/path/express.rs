//! The express: packets that need nothing out of the ordinary, in stages over small arrays.
//!
//! ```text
//!   burst ─> board ─> untunnel ─> lookup ─> decide ─> ride ─> output
//!              │          │                    │        │
//!              └──────────┴────── rest ────────┴────────┘ ─> the general way
//! ```
//!
//! It takes untagged IPv6 between global unicast addresses, on its way from a core link or from a host
//! to a neighbour or into a tunnel, out of a tunnel or not, and does what the general way would do;
//! decisions are the same code ([`decide`](super::decide)). A packet for which anything else is to be
//! done (an answer, a copy to control, a drop) or looked at (options, a tag, padding) is left exactly
//! as it came and goes the general way after the others. So nothing is refused here, and what is
//! missing here costs time, never a packet.

use super::decide::{decide, Looked, Step, Way};
use super::Path;
use crate::classify::packet::Fields;
use crate::classify::{Family, Meta, Origin};
use crate::key::{AdjacencyId, InterfaceKind, TunnelId};
use crate::rewrite::decap::merged;
use crate::rewrite::front;
use crate::table::{Found, Probe};
use crate::tunnels::OuterPair;
use crate::worker::output::Sent;
use crate::worker::{Meter, Stage, View};
use arrayvec::ArrayVec;
use packet::{Buf, Burst, PortId, RxTx, MAX_BURST};
use std::net::{IpAddr, Ipv6Addr};
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::{self, next_header, HEADER_LEN};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// How every frame begins that may ride.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Front {
    ether: ether::Header,
    ip: ipv6::Header,
}

/// Where the packet starts in such a frame, and where what it carries does.
const PACKET: usize = ether::HEADER_LEN;
const PAYLOAD: usize = PACKET + HEADER_LEN;

/// The place of the first probe of a packet that does not ride.
const STAYS: u8 = u8::MAX;

/// A packet that rides, or stays.
struct Ticket<B> {
    buf: B,
    /// Out of a tunnel, or off the link.
    origin: Origin,
    /// Where the packet starts in the frame, its tunnel left behind.
    at: u16,
    /// Its octets.
    length: u16,
    /// Place of its first probe: of the source where one is asked for, then of the destination.
    probe: u8,
    /// The congestion mark that it goes on with.
    mark: u8,
}

/// The packets that ride together.
type Coach<B> = ArrayVec<Ticket<B>, MAX_BURST>;

/// All that is looked up for them.
type Probes = ArrayVec<Probe, { 2 * MAX_BURST }>;

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
        let found = view.fib.interface(port, None);
        let found = found.and_then(|id| Some((id, view.fib.interface_of(id)?)));
        let Some((id, interface)) = found else {
            return;
        };
        let own = interface.mac;
        let mut dock = Meta {
            origin: Origin::Link,
            interface: id,
            access: interface.kind == InterfaceKind::Access,
            domain: interface.domain,
            family: Family::V6,
            at: PACKET,
            group: false,
            mac: own,
            back: false,
            success: None,
        };
        let mut coach = Coach::new();
        let mut pairs = ArrayVec::<OuterPair, MAX_BURST>::new();
        let mut probes = Probes::new();
        for buf in burst.drain(..) {
            let boards = board(&buf, &dock, own, &mut pairs, &mut probes);
            let (at, length, mark, probe) = boards.unwrap_or((0, 0, 0, STAYS));
            coach.push(Ticket {
                buf,
                origin: Origin::Link,
                at,
                length,
                probe,
                mark,
            });
        }
        self.meter.lap(Stage::Plan);
        if !pairs.is_empty() {
            untunnel(&mut coach, &pairs, &dock, &mut probes, view);
        }
        self.meter.lap(Stage::Tunnels);
        let mut looked = [None; 2 * MAX_BURST];
        view.reader.lookup(&probes, &mut looked);
        self.meter.lap(Stage::Lookup);
        for ticket in coach.drain(..) {
            dock.origin = ticket.origin;
            if dock.access {
                // The sender of the frame, which the source has to belong to.
                if let Ok((header, _)) = ether::Header::ref_from_prefix(ticket.buf.data()) {
                    dock.mac = header.source;
                }
            }
            if let Err(buf) = self.ride(ticket, &dock, &probes, &looked, view, io) {
                // In the order in which they came.
                burst.push(buf);
            }
        }
        self.meter.lap(Stage::Act);
    }

    /// Decides for a packet and takes it to its port, or gives it back as it came.
    #[inline(always)]
    fn ride(
        &mut self,
        mut ticket: Ticket<T::Buf>,
        dock: &Meta,
        probes: &Probes,
        looked: &[Option<Found>; 2 * MAX_BURST],
        view: &View<'_>,
        io: &mut T,
    ) -> Result<(), T::Buf> {
        let asks_source = dock.access || dock.origin != Origin::Link;
        let first = usize::from(ticket.probe);
        let last = first + usize::from(asks_source);
        let at = |place: usize| looked.get(place).copied().flatten();
        let Some(Probe {
            address: IpAddr::V6(destination),
            ..
        }) = probes.get(last)
        else {
            return Err(ticket.buf);
        };
        let fields = Fields {
            destination: *destination,
            ..Fields::NONE
        };
        let bindings = Looked {
            source: at(first).filter(|_| asks_source),
            destination: at(last),
        };
        match decide(dock, &fields, bindings, &self.known, view) {
            Step::Tunnel(tunnel, way) => match enter(&mut ticket, tunnel, view) {
                Some(port) => self.depart(ticket, port, way, view, io),
                None => return Err(ticket.buf),
            },
            Step::Neighbour(adjacency, way) => match pass(&mut ticket, adjacency, view) {
                Some(port) => self.depart(ticket, port, way, view, io),
                None => return Err(ticket.buf),
            },
            _ => return Err(ticket.buf),
        }
        Ok(())
    }

    #[inline(always)]
    fn depart(
        &mut self,
        ticket: Ticket<T::Buf>,
        port: PortId,
        way: Way,
        view: &View<'_>,
        io: &mut T,
    ) {
        let sent = Sent {
            verdict: way.verdict,
            up: way.up,
            down: way.down,
            octets: ticket.length.into(),
        };
        self.output.send(port, ticket.buf, sent, view, io);
    }
}

/// Whether an address is one that routers forward: global unicast (RFC 4291 section 2.5.4) or unique
/// local (RFC 4193). What is neither may be fine too, but is for the general way to judge.
#[inline(always)]
fn travels(address: &[u8; 16]) -> bool {
    let [first, ..] = *address;
    first >> 5 == 1 || first & 0xfe == 0xfc
}

/// Whether a packet with this header, in a link-layer payload or tunnel of so many octets, is plain.
#[inline(always)]
fn is_plain(ip: &ipv6::Header, octets: usize) -> bool {
    ip.version() == 6
        && HEADER_LEN + usize::from(ip.payload_length.get()) == octets
        && ip.next_header != next_header::HOP_BY_HOP
        && ip.next_header != next_header::DESTINATION_OPTIONS
        && travels(&ip.source)
        && travels(&ip.destination)
}

/// Looks at a frame; if it may ride, asks for what has to be looked up and says where the packet
/// starts, its octets, its congestion mark and the place of its first probe.
#[inline(always)]
fn board<B: Buf>(
    buf: &B,
    dock: &Meta,
    own: MacAddr,
    pairs: &mut ArrayVec<OuterPair, MAX_BURST>,
    probes: &mut Probes,
) -> Option<(u16, u16, u8, u8)> {
    if !buf.is_contiguous() || buf.stripped_vlan().is_some() {
        return None;
    }
    let data = buf.data();
    let (Front { ether, ip }, payload) = Front::ref_from_prefix(data).ok()?;
    let to_us = ether.destination == own && ether.ethertype.get() == ethertype::IPV6;
    let from_another = !ether.source.is_group() && ether.source != own;
    if !(to_us && from_another && is_plain(ip, data.len() - PACKET)) {
        return None;
    }
    let length = |octets: usize| u16::try_from(octets).ok();
    if ip.next_header == next_header::IPV6 && !dock.access {
        let (inner, _) = ipv6::Header::ref_from_prefix(payload).ok()?;
        if !is_plain(inner, payload.len()) || inner.hop_limit <= 1 {
            return None;
        }
        let mark = merged(ip.traffic_class(), inner.traffic_class())?;
        pairs.push(OuterPair {
            domain: dock.domain,
            local: Ipv6Addr::from(ip.destination),
            remote: Ipv6Addr::from(ip.source),
        });
        return Some((PAYLOAD as u16, length(payload.len())?, mark, 0));
    }
    // IPv4 out of a tunnel, and tunnel packets in pieces, are for the general way.
    let tunnelled = matches!(ip.next_header, next_header::IPV4 | next_header::FRAGMENT);
    if ip.hop_limit <= 1 || (tunnelled && !dock.access) {
        return None;
    }
    let length = length(data.len() - PACKET)?;
    let probe = ask(ip, dock.access, dock, probes);
    Some((PACKET as u16, length, ip.traffic_class() & 3, probe))
}

/// Asks for a packet's destination, and before it for its source where `source` says so; says where
/// the first of them stands. There is room: two for each packet.
#[inline(always)]
fn ask(ip: &ipv6::Header, source: bool, dock: &Meta, probes: &mut Probes) -> u8 {
    let first = probes.len() as u8;
    let mut ask = |address: [u8; 16]| {
        probes.push(Probe {
            domain: dock.domain,
            address: IpAddr::V6(Ipv6Addr::from(address)),
        });
    };
    if source {
        ask(ip.source);
    }
    ask(ip.destination);
    first
}

/// Finds the tunnels of those that may have come out of one, and asks for their inner addresses. One
/// whose tunnel is not known stays off the link: its outer destination is nobody's binding, or the
/// general way sees to it.
#[inline]
fn untunnel<B: Buf>(
    coach: &mut Coach<B>,
    pairs: &[OuterPair],
    dock: &Meta,
    probes: &mut Probes,
    view: &View<'_>,
) {
    let mut tunnels = [None; MAX_BURST];
    view.reader.tunnels_between(pairs, &mut tunnels);
    let mut tunnels = tunnels.into_iter();
    for ticket in coach.iter_mut() {
        if ticket.at as usize != PAYLOAD {
            continue;
        }
        let inner = ticket.buf.data().get(PAYLOAD..).unwrap_or_default();
        if let (Some(tunnel), Ok((ip, _))) = (
            tunnels.next().flatten(),
            ipv6::Header::ref_from_prefix(inner),
        ) {
            ticket.origin = Origin::Tunnel(tunnel);
            ticket.probe = ask(ip, true, dock, probes);
        } else {
            ticket.probe = STAYS;
        }
    }
}

/// Puts a packet into a tunnel; says by which port it leaves. None where that takes more than putting
/// a header in front.
#[inline(always)]
fn enter<B: Buf>(ticket: &mut Ticket<B>, tunnel: TunnelId, view: &View<'_>) -> Option<PortId> {
    let tunnel = view.reader.tunnel(tunnel)?;
    let next = view.reader.adjacency(tunnel.adjacency?)?;
    let interface = view.fib.interface_of(next.interface)?;
    let room = usize::from(interface.mtu).checked_sub(HEADER_LEN)?;
    if usize::from(ticket.length) > room.min(tunnel.mtu.into()) || interface.vlan.is_some() {
        return None;
    }
    let ends = (next.mac, interface.mac);
    let at = usize::from(ticket.at);
    front::tunnel(&mut ticket.buf, at, ticket.mark, &tunnel.header, ends).ok()?;
    Some(interface.port)
}

/// Sends a packet to a neighbour, in the same way.
#[inline(always)]
fn pass<B: Buf>(ticket: &mut Ticket<B>, adjacency: AdjacencyId, view: &View<'_>) -> Option<PortId> {
    let next = view.reader.adjacency(adjacency)?;
    let interface = view.fib.interface_of(next.interface)?;
    if ticket.length > interface.mtu || interface.vlan.is_some() {
        return None;
    }
    let ends = (next.mac, interface.mac);
    let at = usize::from(ticket.at);
    front::link(&mut ticket.buf, at, ticket.mark, ends).ok()?;
    Some(interface.port)
}
