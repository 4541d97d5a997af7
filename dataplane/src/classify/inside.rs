//! What stands behind the outer header of a packet that may be a tunnel's.
//!
//! ```text
//!   plain    | outer | inner
//!   UDP      | outer IPv4 | UDP, to port 5437 | inner                     RFC 5844 section 4
//!   GRE      | outer | flags, version | protocol (| key) | inner          RFC 2784, RFC 2890
//! ```
//!
//! Of GRE, packets with a key and without anything are read. One with a checksum, a sequence number or
//! routing is no tunnel's of ours.

use super::Family;
use crate::tunnels::Mark;
use wire::ether::ethertype;
use wire::gre;
use wire::ipv6::next_header;
use wire::udp::{self, PMIP_DATA};

/// A packet in a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Inside {
    /// Octets from the outer packet's start to the inner one's.
    pub(crate) inner: usize,
    /// What the inner packet is.
    pub(crate) family: Family,
    /// What tells its tunnel from others between the same ends.
    pub(crate) mark: Mark,
}

/// What the packet `data` holds from `at` on, where a header before that says `upper`; none where it is no
/// tunnel's.
#[inline]
pub(crate) fn inside(upper: u8, data: &[u8], at: usize) -> Option<Inside> {
    let plain = |family| {
        Some(Inside {
            inner: at,
            family,
            mark: Mark::PLAIN,
        })
    };
    match upper {
        next_header::IPV6 => plain(Family::V6),
        next_header::IPV4 => plain(Family::V4),
        next_header::GRE => gre(data, at),
        _ => None,
    }
}

fn gre(data: &[u8], at: usize) -> Option<Inside> {
    let header = gre::Header::parse(data.get(at..)?)?;
    let family = match header.protocol {
        ethertype::IPV6 => Family::V6,
        ethertype::IPV4 => Family::V4,
        _ => return None,
    };
    Some(Inside {
        inner: at + header.length(),
        family,
        mark: Mark::gre(header.key),
    })
}

/// The same of a datagram that starts at `at`; what it holds its first octet tells.
#[inline]
pub(crate) fn datagram(data: &[u8], at: usize) -> Option<Inside> {
    let ports: &[u8; 4] = data.get(at..)?.first_chunk()?;
    let inner = at + udp::HEADER_LEN;
    let family = match data.get(inner)? >> 4 {
        4 => Family::V4,
        6 => Family::V6,
        _ => return None,
    };
    let [_, _, a, b] = *ports;
    (u16::from_be_bytes([a, b]) == PMIP_DATA).then_some(Inside {
        inner,
        family,
        mark: Mark::UDP,
    })
}
