//! The front of a frame in one go, for packets that are forwarded as they are: an untagged Ethernet
//! header, where there is a tunnel the outer header, and what forwarding changes in the packet itself
//! (one hop less, the congestion mark that it goes on with).
//!
//! ```text
//!   | to 6 | from 6 | type 2 | packet           | to 6 | from 6 | type 2 | outer 40 | packet
//! ```
//!
//! Nothing has changed when there is no room for it.

use super::{flow, shift};
use packet::{Buf, NoRoom};
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::{Header, HEADER_LEN};
use zerocopy::FromBytes;

/// Octets of the Ethernet header.
const LINK: usize = ether::HEADER_LEN;

/// The octets that stand in front of the packet once its headers are written.
const TUNNEL: usize = LINK + HEADER_LEN;

/// Puts the packet at `at` behind a link-layer header between `ends`, first the one it goes to.
#[inline(always)]
pub(crate) fn link<B: Buf>(
    buf: &mut B,
    at: usize,
    mark: u8,
    ends: (MacAddr, MacAddr),
) -> Result<(), NoRoom> {
    shift(buf, at, LINK)?;
    let (front, packet) = buf.data_mut().split_first_chunk_mut().ok_or(NoRoom)?;
    ethernet(front, ends);
    forward(packet, mark).map(|_| ())
}

/// Puts the packet at `at` behind a link-layer header and a copy of `outer`, with the flow label and
/// traffic class that the packet asks for.
#[inline(always)]
pub(crate) fn tunnel<B: Buf>(
    buf: &mut B,
    at: usize,
    mark: u8,
    outer: &[u8; HEADER_LEN],
    ends: (MacAddr, MacAddr),
) -> Result<(), NoRoom> {
    shift(buf, at, TUNNEL)?;
    let (front, packet): (&mut [u8; TUNNEL], _) =
        buf.data_mut().split_first_chunk_mut().ok_or(NoRoom)?;
    let length = packet.len() as u64;
    let (inner, behind) = forward(packet, mark)?;
    let class = u64::from(inner.traffic_class());
    let label = u64::from(flow::label(inner, behind));
    let (link, place): (_, &mut [u8]) = front.split_first_chunk_mut().ok_or(NoRoom)?;
    ethernet(link, ends);
    // Version, class, label, payload length, next header and hop limit are one word; the template has
    // zeros where the packet decides.
    let mut words = words(outer);
    let [lead, ..] = &mut words;
    *lead |= (class << 52 | label << 32 | length << 16).to_be();
    for (place, word) in place.chunks_exact_mut(8).zip(&words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Ok(())
}

/// A header as words, in the order of memory.
#[inline(always)]
fn words(header: &[u8; HEADER_LEN]) -> [u64; HEADER_LEN / 8] {
    std::array::from_fn(|at| {
        let word = header.get(at * 8..).and_then(|rest| rest.first_chunk());
        u64::from_ne_bytes(word.copied().unwrap_or_default())
    })
}

/// What forwarding changes in a packet: the caller has seen that it has a hop left.
#[inline(always)]
fn forward(packet: &mut [u8], mark: u8) -> Result<(&Header, &[u8]), NoRoom> {
    let (header, behind) = Header::mut_from_prefix(packet).map_err(|_| NoRoom)?;
    header.hop_limit = header.hop_limit.wrapping_sub(1);
    header.set_traffic_class(header.traffic_class() & !3 | mark);
    Ok((header, behind))
}

#[inline(always)]
fn ethernet(place: &mut [u8; LINK], (to, from): (MacAddr, MacAddr)) {
    let header = ether::Header::new(to, from, ethertype::IPV6);
    *place = zerocopy::transmute!(header);
}
