//! Neighbour discovery messages (RFC 4861, with the H and R bits of RFC 6275 section 7), as owned
//! values.
//!
//! ```text
//! host --- Router Solicitation -----> all routers      who serves this link?
//! host <-- Router Advertisement ----- router           this prefix is yours
//! node --- Neighbour Solicitation --> solicited node   who has this address?
//! node <-- Neighbour Advertisement -- owner            I have, at this link-layer address
//! ```

mod display;
mod emit;
mod parse;
#[cfg(test)]
mod tests;

pub use emit::EmitError;
pub use parse::Error;

use crate::ether::MacAddr;
use crate::icmpv6::kind;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// The hop limit of every neighbour discovery packet: no router has forwarded it.
pub const HOP_LIMIT: u8 = 255;

/// A neighbour discovery message, ICMPv6 header apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NdMessage {
    /// ICMPv6 type 133 (RFC 4861 section 4.1).
    RouterSolicitation(RouterSolicitation),
    /// ICMPv6 type 134 (RFC 4861 section 4.2).
    RouterAdvertisement(RouterAdvertisement),
    /// ICMPv6 type 135 (RFC 4861 section 4.3).
    NeighbourSolicitation(NeighbourSolicitation),
    /// ICMPv6 type 136 (RFC 4861 section 4.4).
    NeighbourAdvertisement(NeighbourAdvertisement),
}

/// Asks routers to advertise themselves at once.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterSolicitation {
    /// Options in their order.
    pub options: Vec<NdOption>,
}

/// Tells hosts who routes for them and which prefixes are theirs.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterAdvertisement {
    /// Hop limit for hosts to send with; 0 leaves it open.
    pub hop_limit: u8,
    /// The eight flag bits.
    pub flags: RouterFlags,
    /// How long the sender is a default router, in seconds; 0 means that it is none.
    pub router_lifetime: u16,
    /// How long a neighbour counts as reachable, in milliseconds; 0 leaves it open.
    pub reachable_time: u32,
    /// Time between solicitations, in milliseconds; 0 leaves it open.
    pub retrans_timer: u32,
    /// Options in their order.
    pub options: Vec<NdOption>,
}

/// Asks for the link-layer address of a neighbour, or whether it is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourSolicitation {
    /// The address asked about.
    pub target: Ipv6Addr,
    /// Options in their order.
    pub options: Vec<NdOption>,
}

/// Tells the link-layer address of a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourAdvertisement {
    /// R: the sender is a router.
    pub router: bool,
    /// S: this answers a solicitation.
    pub solicited: bool,
    /// O: what a cache holds is to be overridden.
    pub override_cache: bool,
    /// The address told about.
    pub target: Ipv6Addr,
    /// Options in their order.
    pub options: Vec<NdOption>,
}

/// Flags of a Router Advertisement, bit for bit as on the wire (RFC 4861, 4191, 4389, 6275).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouterFlags(pub u8);

impl RouterFlags {
    /// M: addresses come by DHCPv6.
    pub const MANAGED: Self = Self(0x80);
    /// O: other configuration comes by DHCPv6.
    pub const OTHER: Self = Self(0x40);
    /// H: the sender is a Mobile IPv6 home agent on this link (RFC 6275 section 7.1).
    pub const HOME_AGENT: Self = Self(0x20);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An option of a neighbour discovery message (RFC 4861 section 4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NdOption {
    /// Type 1: the sender's link-layer address.
    SourceLinkLayer(MacAddr),
    /// Type 2: the target's link-layer address.
    TargetLinkLayer(MacAddr),
    /// Type 3.
    PrefixInformation(PrefixInformation),
    /// Type 5: the MTU of the link.
    Mtu(u32),
    /// Any other option, and one of the types above whose length or content does not fit its type:
    /// its type and the octets behind its length.
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data; with type and length a multiple of 8 octets.
        data: Vec<u8>,
    },
}

/// Prefix Information (RFC 4861 section 4.6.2, RFC 6275 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixInformation {
    /// The prefix; with `router_address` the router's whole address.
    pub prefix: Ipv6Addr,
    /// Prefix length in bits, 0 to 128.
    pub length: u8,
    /// L: addresses of the prefix are on this link.
    pub on_link: bool,
    /// A: hosts may form addresses in the prefix (RFC 4862).
    pub autonomous: bool,
    /// R: `prefix` holds the router's address (RFC 6275 section 7.2).
    pub router_address: bool,
    /// Valid lifetime in seconds; all ones is infinity.
    pub valid: u32,
    /// Preferred lifetime in seconds; all ones is infinity.
    pub preferred: u32,
}

impl NdMessage {
    /// The ICMPv6 type octet.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::RouterSolicitation(_) => kind::ROUTER_SOLICITATION,
            Self::RouterAdvertisement(_) => kind::ROUTER_ADVERTISEMENT,
            Self::NeighbourSolicitation(_) => kind::NEIGHBOUR_SOLICITATION,
            Self::NeighbourAdvertisement(_) => kind::NEIGHBOUR_ADVERTISEMENT,
        }
    }

    /// The options in their order.
    pub fn options(&self) -> &[NdOption] {
        match self {
            Self::RouterSolicitation(message) => &message.options,
            Self::RouterAdvertisement(message) => &message.options,
            Self::NeighbourSolicitation(message) => &message.options,
            Self::NeighbourAdvertisement(message) => &message.options,
        }
    }

    /// The first Source Link-Layer Address.
    pub fn source_link_layer(&self) -> Option<MacAddr> {
        self.options().iter().find_map(|option| match option {
            NdOption::SourceLinkLayer(mac) => Some(*mac),
            _ => None,
        })
    }

    /// The first Target Link-Layer Address.
    pub fn target_link_layer(&self) -> Option<MacAddr> {
        self.options().iter().find_map(|option| match option {
            NdOption::TargetLinkLayer(mac) => Some(*mac),
            _ => None,
        })
    }
}

/// Option type numbers.
mod option_kind {
    pub(super) const SOURCE_LINK_LAYER: u8 = 1;
    pub(super) const TARGET_LINK_LAYER: u8 = 2;
    pub(super) const PREFIX_INFORMATION: u8 = 3;
    pub(super) const MTU: u8 = 5;
}
