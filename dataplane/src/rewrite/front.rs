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

use super::{flow, shift};
use crate::classify::plain::Ip6;
use crate::fib::Exit;
use crate::tunnels::{Entrance, HEADER};
use packet::{Buf, NoRoom};
use wire::ether::{self, ethertype};
use wire::ipv4;
use wire::ipv6::next_header;
use zerocopy::FromBytes;

/// Octets of the Ethernet header.
const LINK: usize = ether::HEADER_LEN;

/// A neighbour, and the way to it.
#[derive(Clone, Copy)]
pub(crate) struct Egress<'a> {
    /// Its link-layer address in the upper 48 bits, in host order. The others do not matter.
    pub(crate) to: u64,
    /// By which interface.
    pub(crate) exit: &'a Exit,
}

/// What forwarding makes of a packet's own header.
#[derive(Clone, Copy)]
pub(crate) enum Forwarded {
    /// The first eight octets of an IPv6 header, in host order.
    V6(u64),
    /// One hop less for an IPv4 header, and this traffic class.
    V4(u8),
}

/// Puts the packet at `at` behind a link-layer header.
#[inline(always)]
pub(crate) fn link<B: Buf>(
    buf: &mut B,
    at: usize,
    forwarded: Forwarded,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    let front = usize::from(egress.exit.front);
    if front != at {
        shift(buf, at, front)?;
    }
    let ether_type = match forwarded {
        Forwarded::V6(_) => ethertype::IPV6,
        Forwarded::V4(_) => ethertype::IPV4,
    };
    let packet = ethernet(buf.data_mut(), ether_type, egress)?;
    match forwarded {
        Forwarded::V6(lead) => {
            let (header, _) = Ip6::mut_from_prefix(packet).map_err(|_| NoRoom)?;
            header.lead.set(lead);
        }
        Forwarded::V4(class) => {
            forward_ipv4(packet, class)?;
        }
    }
    Ok(())
}

/// Puts the packet at `at` into a tunnel, behind a link-layer header and the tunnel's, with the flow
/// label and traffic class that the packet asks for.
#[inline(always)]
pub(crate) fn tunnel<B: Buf>(
    buf: &mut B,
    at: usize,
    forwarded: Forwarded,
    entrance: &Entrance<'_>,
    egress: Egress<'_>,
) -> Result<(), NoRoom> {
    shift(buf, at, usize::from(egress.exit.front) + HEADER)?;
    let front = ethernet(buf.data_mut(), ethertype::IPV6, egress)?;
    let (outer, packet) = front.split_first_chunk_mut().ok_or(NoRoom)?;
    let length = packet.len() as u64;
    let (class, label, next) = match forwarded {
        Forwarded::V6(lead) => {
            let (header, behind) = Ip6::mut_from_prefix(packet).map_err(|_| NoRoom)?;
            header.lead.set(lead);
            let (own, next) = ((lead >> 32) as u32 & 0xf_ffff, (lead >> 8) as u8);
            let label = flow::label_of(own, next, header.ends(), behind);
            (lead >> 52 & 0xff, label, Entrance::NEXT_HEADER)
        }
        Forwarded::V4(class) => {
            let label = forward_ipv4(packet, class)?;
            (class.into(), label, next_header::IPV4)
        }
    };
    // Version, class, label, payload length, next header and hop limit are one word; the tunnel's has
    // zeros where the packet decides.
    let next = u64::from(next ^ Entrance::NEXT_HEADER);
    let lead = class << 52 | u64::from(label) << 32 | length << 16 | next << 8;
    entrance.write(outer, lead);
    Ok(())
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

/// Writes the link-layer header of a frame; returns what is behind it.
#[inline(always)]
fn ethernet<'a>(
    frame: &'a mut [u8],
    ether_type: u16,
    egress: Egress<'_>,
) -> Result<&'a mut [u8], NoRoom> {
    let (front, rest): (&mut [u8; LINK], _) = frame.split_first_chunk_mut().ok_or(NoRoom)?;
    let (first, rest) = if usize::from(egress.exit.front) == LINK {
        (ether_type, rest)
    } else {
        let (place, rest): (&mut [u8; ether::TAG_LEN], _) =
            rest.split_first_chunk_mut().ok_or(NoRoom)?;
        *place = zerocopy::transmute!(ether::Tag::new(egress.exit.vlan, ether_type));
        (ethertype::VLAN, rest)
    };
    // The second word begins where the address ends.
    if let Some(place) = front.first_chunk_mut() {
        *place = egress.to.to_be_bytes();
    }
    if let Some(place) = front.last_chunk_mut() {
        *place = (egress.exit.from | u64::from(first)).to_be_bytes();
    }
    Ok(rest)
}
