//! From bytes to what is to be looked up, or to an early end.
//!
//! ```text
//!   frame ── link ──> Entry: a packet with its Meta | ARP | the host stack | drop
//!   packet ── packet ──> Plan: probes | own only | multicast | a tunnel to take it out of | drop
//!   packet for us ── own ──> Own: answer | punt | take out of a tunnel | host stack | drop
//! ```
//!
//! Nothing here changes a packet, except that link-layer padding is cut.

pub(crate) mod inside;
pub(crate) mod ipv4;
pub(crate) mod link;
pub(crate) mod own;
pub(crate) mod packet;
pub(crate) mod plain;

use crate::key::{Domain, InterfaceId, TunnelId};
use crate::verdict::Verdict;
use std::net::{IpAddr, Ipv6Addr};
use wire::ether::{ethertype, MacAddr};
use wire::ipv4::address::unmapped;

/// Whether a packet is IPv6 or IPv4. Between stages an IPv4 address is kept in its IPv6 form
/// (RFC 4291 section 2.5.5.2), so that both kinds of packets are of one shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V6,
    V4,
}

impl Family {
    /// Of the packet at the front of `data`, as its version says; IPv6 where it says nothing we know.
    pub(crate) fn of(data: &[u8]) -> Self {
        match data.first().map(|first| first >> 4) {
            Some(4) => Self::V4,
            _ => Self::V6,
        }
    }

    /// What a link-layer header says of such a packet.
    #[inline(always)]
    pub(crate) const fn ethertype(self) -> u16 {
        match self {
            Self::V6 => ethertype::IPV6,
            Self::V4 => ethertype::IPV4,
        }
    }

    /// An address of such a packet as tables have it.
    #[inline(always)]
    pub(crate) const fn address(self, address: Ipv6Addr) -> IpAddr {
        match self {
            Self::V6 => IpAddr::V6(address),
            Self::V4 => IpAddr::V4(unmapped(address)),
        }
    }

    /// Whether an address of such a packet means something on its own link only.
    #[inline]
    pub(crate) const fn is_link_local(self, address: Ipv6Addr) -> bool {
        match self {
            Self::V6 => address.is_unicast_link_local(),
            Self::V4 => unmapped(address).is_link_local(),
        }
    }
}

/// How a packet came to be where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// Received on a link.
    Link,
    /// Taken out of this tunnel.
    Tunnel(TunnelId),
    /// Made here: an answer or a packet of control's. It is not forwarded, so its hop limit stays.
    Here,
}

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) origin: Origin,
    /// Interface that the frame came in on.
    pub(crate) interface: InterfaceId,
    /// Whether that is an access interface.
    pub(crate) access: bool,
    /// Domain that its addresses belong to.
    pub(crate) domain: Domain,
    /// Whether it is IPv6 or IPv4.
    pub(crate) family: Family,
    /// Where its IP header starts in the buffer.
    pub(crate) at: usize,
    /// Whether the frame came to a group address.
    pub(crate) group: bool,
    /// Source of the frame.
    pub(crate) mac: MacAddr,
    /// Whether it is an answer that goes back to `mac`, for its destination has no meaning off the
    /// link.
    pub(crate) back: bool,
    /// The verdict if it goes out, where that is not for the way it goes to say.
    pub(crate) success: Option<Verdict>,
}

impl Meta {
    /// Of a packet that is made here, at the front of its buffer.
    pub(crate) fn here(domain: Domain, family: Family, success: Verdict) -> Self {
        Self {
            origin: Origin::Here,
            interface: InterfaceId(u16::MAX),
            access: false,
            domain,
            family,
            at: 0,
            group: false,
            mac: MacAddr::default(),
            back: false,
            success: Some(success),
        }
    }
}
