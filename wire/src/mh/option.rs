//! Mobility options (RFC 6275 section 6.2, RFC 5213 section 8, RFC 4283).

use super::Lifetime;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// A mobility option. Padding is not kept: `emit` puts in what the alignment asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MobilityOption {
    /// Binding Refresh Advice, type 2: when to refresh (RFC 6275 section 6.2.4).
    BindingRefreshAdvice(Lifetime),
    /// Alternate Care-of Address, type 3 (RFC 6275 section 6.2.5).
    AlternateCareOfAddress(Ipv6Addr),
    /// Mobile Node Identifier, type 8 (RFC 4283).
    MnIdentifier(MnIdentifier),
    /// Home Network Prefix, type 22 (RFC 5213 section 8.3).
    HomeNetworkPrefix(HomeNetworkPrefix),
    /// Handoff Indicator, type 23 (RFC 5213 section 8.4).
    HandoffIndicator(HandoffIndicator),
    /// Access Technology Type, type 24 (RFC 5213 section 8.5).
    AccessTechnology(AccessTechnology),
    /// Mobile Node Link-layer Identifier, type 25 (RFC 5213 section 8.6).
    MnLinkLayerIdentifier(Vec<u8>),
    /// Link-local Address, type 26; unspecified asks the LMA for one (RFC 5213 section 8.7).
    LinkLocalAddress(Ipv6Addr),
    /// Timestamp, type 27 (RFC 5213 section 8.8).
    Timestamp(NtpTime),
    /// Any other option: its type and data octets.
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data, without type and length.
        data: Vec<u8>,
    },
}

/// Identity of a mobile node (RFC 4283; subtype 1 is a network access identifier).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MnIdentifier {
    /// Subtype 1: network access identifier, UTF-8 as RFC 7542 has it.
    Nai(String),
    /// Any other subtype, kept as it came.
    Other {
        /// Subtype.
        subtype: u8,
        /// Identifier octets.
        data: Vec<u8>,
    },
}

/// A home network prefix; `::/0` asks the anchor to choose (RFC 5213 section 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HomeNetworkPrefix {
    /// The prefix, bits past `length` zero.
    pub prefix: Ipv6Addr,
    /// Prefix length in bits, 0 to 128.
    pub length: u8,
}

/// Handoff Indicator (RFC 5213 section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandoffIndicator(pub u8);

impl HandoffIndicator {
    /// Attachment over a new interface.
    pub const NEW_INTERFACE: Self = Self(1);
    /// Handoff between two interfaces of the mobile node.
    pub const BETWEEN_INTERFACES: Self = Self(2);
    /// Handoff between mobile access gateways for the same interface.
    pub const BETWEEN_MAGS: Self = Self(3);
    /// Handoff state unknown.
    pub const UNKNOWN: Self = Self(4);
    /// Handoff state not changed (re-registration).
    pub const NOT_CHANGED: Self = Self(5);
}

/// Access Technology Type (RFC 5213 section 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessTechnology(pub u8);

impl AccessTechnology {
    /// Virtual.
    pub const VIRTUAL: Self = Self(1);
    /// Point-to-point protocol.
    pub const PPP: Self = Self(2);
    /// IEEE 802.3.
    pub const ETHERNET: Self = Self(3);
    /// IEEE 802.11.
    pub const WIRELESS_LAN: Self = Self(4);
}

/// 48 bits of seconds since 1970-01-01T00:00:00Z and 16 bits of 1/65536 s (RFC 5213 section 8.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NtpTime(pub u64);
