//! What is done to the bytes: link-layer headers, hop limit, tunnel headers.
//!
//! ```text
//!   received     | Ethernet (tag) | IP | ...
//!   routed       | Ethernet (tag) | IP, hop limit - 1 | ...
//!   encapsulated | Ethernet (tag) | outer IPv6 (limit) | IP, hop limit - 1 | ...
//!                | Ethernet (tag) | outer IPv4 or IPv6 (limit) (UDP or GRE) | IP, hop limit - 1 | ...
//! ```
//!
//! Where the new headers in front are as long as the old ones, nothing moves; otherwise the front of
//! the buffer moves once.

pub(crate) mod carrier;
pub(crate) mod decap;
pub(crate) mod encap;
pub(crate) mod flow;
pub(crate) mod front;

use crate::classify::Family;
use crate::key::Interface;
use packet::{Buf, NoRoom};
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv4;
use wire::ipv6::Header;
use zerocopy::{FromBytes, IntoBytes};

/// Makes what starts at `at` start at `wanted` instead; what is in front of it is lost.
#[inline]
pub(crate) fn shift<B: Buf>(buf: &mut B, at: usize, wanted: usize) -> Result<(), NoRoom> {
    if wanted > at {
        buf.prepend(wanted - at)
    } else {
        buf.trim_front(at - wanted)
    }
}

/// Puts a link-layer header for a neighbour in front of the packet of `family` at `at`.
#[inline]
pub(crate) fn ethernet<B: Buf>(
    buf: &mut B,
    at: usize,
    interface: &Interface,
    family: Family,
    (to, from): (MacAddr, MacAddr),
) -> Result<(), NoRoom> {
    let length = link_length(interface);
    shift(buf, at, length)?;
    let data = buf.data_mut();
    match interface.vlan {
        None => {
            let header = ether::Header::new(to, from, family.ethertype());
            write(data, &header)
        }
        Some(vlan) => {
            let header = ether::Header::new(to, from, ethertype::VLAN);
            write(data, &header)?;
            let tag = ether::Tag::new(vlan, family.ethertype());
            write(data.get_mut(ether::HEADER_LEN..).ok_or(NoRoom)?, &tag)
        }
    }
}

/// Octets of the link-layer header on an interface.
#[inline]
pub(crate) const fn link_length(interface: &Interface) -> usize {
    match interface.vlan {
        None => ether::HEADER_LEN,
        Some(_) => ether::HEADER_LEN + ether::TAG_LEN,
    }
}

/// Puts an 802.1Q tag with this control information into a frame.
pub(crate) fn tag<B: Buf>(buf: &mut B, control: u16) -> Result<(), NoRoom> {
    buf.prepend(ether::TAG_LEN)?;
    let data = buf.data_mut();
    data.copy_within(ether::TAG_LEN..ether::TAG_LEN + 12, 0);
    let mut header = [0x81, 0x00, 0, 0];
    if let Some(place) = header.get_mut(2..) {
        place.copy_from_slice(&control.to_be_bytes());
    }
    data.get_mut(12..)
        .and_then(|rest| rest.first_chunk_mut())
        .map(|place: &mut [u8; 4]| *place = header)
        .ok_or(NoRoom)
}

/// Takes one from the hop limit of the packet of `family` at `at`.
#[inline]
pub(crate) fn count_hop<B: Buf>(buf: &mut B, at: usize, family: Family) {
    if family == Family::V4 {
        if let Some(header) = ipv4_mut(buf, at) {
            header.count_hop();
        }
    } else if let Some(header) = header_mut(buf, at) {
        header.hop_limit = header.hop_limit.saturating_sub(1);
    }
}

/// The IPv6 header at `at`.
#[inline]
pub(crate) fn header_mut<B: Buf>(buf: &mut B, at: usize) -> Option<&mut Header> {
    let rest = buf.data_mut().get_mut(at..)?;
    Header::mut_from_prefix(rest).ok().map(|(header, _)| header)
}

/// The IPv4 header at `at`.
#[inline]
pub(crate) fn ipv4_mut<B: Buf>(buf: &mut B, at: usize) -> Option<&mut ipv4::Header> {
    let rest = buf.data_mut().get_mut(at..)?;
    let header = ipv4::Header::mut_from_prefix(rest);
    header.ok().map(|(header, _)| header)
}

#[inline]
pub(crate) fn write<T: IntoBytes + zerocopy::Immutable>(
    place: &mut [u8],
    value: &T,
) -> Result<(), NoRoom> {
    value.write_to_prefix(place).map_err(|_| NoRoom)
}
