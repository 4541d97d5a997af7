//! The front of a frame in one go, for packets that are forwarded as they are: the link-layer header,
//! where there is a tunnel the outer header, and what forwarding changes in the packet itself (one hop
//! less, the congestion mark that it goes on with). Everything is written once, in words.
//!
//! ```text
//!   | to 6 | from 6 | type 2 | packet           | to 6 | from 6 | type 2 | outer 40 | packet
//!   |── 8 ──|── 8 ──────|  (tag 4)              |── 8 ──|── 8 ──────|  (tag 4)  5 x 8
//! ```
//!
//! Nothing has changed when there is no room for it.

use super::flow;
use crate::classify::plain::{Ip6, Lead};
use crate::classify::Family;
use crate::fib::Exit;
use crate::tunnels::{Entrance, HEADER};
use packet::{Buf, NoRoom};
use wire::ether;
use wire::ipv4;
use wire::ipv6::next_header;
use zerocopy::FromBytes;

/// Octets of the Ethernet header.
const LINK: usize = ether::HEADER_LEN;

/// The same with a tag.
const TAGGED: usize = LINK + ether::TAG_LEN;

/// A neighbour, and the way to it.
#[derive(Clone, Copy)]
pub(crate) struct Egress<'a> {
    /// Its link-layer address in the lower 48 bits, its first octet lowest. The others do not matter.
    pub(crate) to: u64,
    /// By which interface.
    pub(crate) exit: &'a Exit,
}

/// What forwarding makes of a packet's own header.
#[derive(Clone, Copy)]
pub(crate) enum Forwarded {
    /// One hop less for an IPv6 header, of which the caller has seen that it has one left.
    Hop,
    /// These first eight octets of an IPv6 header.
    V6(Lead),
    /// One hop less for an IPv4 header, and this traffic class.
    V4(u8),
}

/// Puts the packet at `at` behind a link-layer header of `front` octets, as many as it has on its way out.
#[inline(always)]
pub(crate) fn link<B: Buf>(
    buf: &mut B,
    at: u8,
    front: u8,
    forwarded: Forwarded,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    let frame = buf.move_front(at.into(), front.into())?;
    match usize::from(front) {
        LINK => behind_link::<LINK>(frame, forwarded, egress),
        _ => behind_link::<TAGGED>(frame, forwarded, egress),
    }
}

/// Writes what is in front of the packet, `FRONT` octets, and what changes in it.
#[inline(always)]
fn behind_link<const FRONT: usize>(
    frame: &mut [u8],
    forwarded: Forwarded,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    let (front, packet): (&mut [u8; FRONT], _) = frame.split_first_chunk_mut().ok_or(NoRoom)?;
    match forwarded {
        Forwarded::Hop | Forwarded::V6(_) => {
            ethernet(front, Family::V6, egress);
            let (header, _) = Ip6::mut_from_prefix(packet).map_err(|_| NoRoom)?;
            lead(header, forwarded);
        }
        Forwarded::V4(class) => {
            ethernet(front, Family::V4, egress);
            forward_ipv4(packet, class)?;
        }
    }
    Ok(())
}

/// Puts the packet at `at` into a tunnel, behind a link-layer header of `front` octets, as many as it has on
/// its way out, and the tunnel's, with the flow label and traffic class that the packet asks for.
#[inline(always)]
pub(crate) fn tunnel<B: Buf>(
    buf: &mut B,
    at: u8,
    front: u8,
    forwarded: Forwarded,
    entrance: &Entrance<'_>,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    let frame = buf.move_front(at.into(), u16::from(front) + HEADER as u16)?;
    match usize::from(front) {
        LINK => in_tunnel::<{ LINK + HEADER }>(frame, forwarded, entrance, egress),
        _ => in_tunnel::<{ TAGGED + HEADER }>(frame, forwarded, entrance, egress),
    }
}

/// Writes what is in front of the packet, `FRONT` octets, and what changes in it.
#[inline(always)]
fn in_tunnel<const FRONT: usize>(
    frame: &mut [u8],
    forwarded: Forwarded,
    entrance: &Entrance<'_>,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    let (front, packet): (&mut [u8; FRONT], _) = frame.split_first_chunk_mut().ok_or(NoRoom)?;
    // It is not longer than what the tunnel carries.
    let length = packet.len() as u16;
    let lead = match forwarded {
        Forwarded::Hop | Forwarded::V6(_) => {
            let (header, behind) = Ip6::mut_from_prefix(packet).map_err(|_| NoRoom)?;
            let lead = lead(header, forwarded);
            let label = flow::label_of(lead.label(), lead.next(), header.ends(), behind);
            lead.class().laid_over(label, length, 0)
        }
        Forwarded::V4(class) => {
            let label = forward_ipv4(packet, class)?;
            let next = next_header::IPV4 ^ Entrance::NEXT_HEADER;
            Lead::of_class(class).laid_over(label, length, next)
        }
    };
    ethernet(front, Family::V6, egress);
    // Version, class, label, payload length, next header and hop limit are one word; the tunnel's has
    // zeros where the packet decides.
    if let Some(place) = front.last_chunk_mut::<HEADER>() {
        entrance.write(lead, place);
    }
    Ok(())
}

/// Writes the first eight octets of an IPv6 header; says what they are then.
#[inline(always)]
fn lead(header: &mut Ip6, forwarded: Forwarded) -> Lead {
    let lead = match forwarded {
        Forwarded::V6(lead) => lead,
        Forwarded::Hop | Forwarded::V4(_) => header.lead().further(),
    };
    header.set_lead(lead);
    lead
}

/// Counts a hop of the IPv4 packet, of which the caller has seen that it has one left, and gives it
/// its class; says what its flow is known by.
#[inline(always)]
fn forward_ipv4(packet: &mut [u8], class: u8) -> Result<u32, NoRoom> {
    let (header, _) = ipv4::Header::mut_from_prefix(packet).map_err(|_| NoRoom)?;
    header.count_hop();
    if header.traffic_class() != class {
        header.set_traffic_class(class);
    }
    let (header, _) = ipv4::Header::ref_from_prefix(packet).map_err(|_| NoRoom)?;
    Ok(flow::label_ipv4(header, packet))
}

/// Writes a link-layer header to the front of what has room for it; it has a tag where the interface has.
#[inline(always)]
fn ethernet<const FRONT: usize>(front: &mut [u8; FRONT], family: Family, egress: Egress<'_>) {
    // The second word begins where the address ends.
    if let Some(place) = front.first_chunk_mut() {
        *place = egress.to.to_le_bytes();
    }
    if let Some(place) = front.first_chunk_mut::<LINK>() {
        if let Some(place) = place.last_chunk_mut() {
            *place = egress.exit.from(family);
        }
    }
    if const { FRONT == TAGGED || FRONT == TAGGED + HEADER } {
        if let Some(place) = front.first_chunk_mut::<TAGGED>() {
            if let Some(place) = place.last_chunk_mut::<{ ether::TAG_LEN }>() {
                let tag = ether::Tag::new(egress.exit.vlan, family.ethertype());
                *place = zerocopy::transmute!(tag);
            }
        }
    }
}
