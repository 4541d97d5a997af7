//! Options that name anchors and what they anchor (RFC 8885 section 4, RFC 6602), and those of the
//! draft profile that travel in an experimental option (RFC 5096).

use super::HomeNetworkPrefix;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// Previous MAAR (RFC 8885 section 4.5): an anchor that a host came by, and the prefix there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreviousMaar {
    /// Global address of the anchor.
    pub address: Ipv6Addr,
    /// The host's prefix that it anchors.
    pub prefix: HomeNetworkPrefix,
}

/// Mobile Node Group Identifier (RFC 6602 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MnGroupIdentifier {
    /// Kind of group; [`BULK_UPDATE`](Self::BULK_UPDATE) is the only one there is.
    pub subtype: u8,
    /// The group. 0 is reserved, [`ALL_SESSIONS`](Self::ALL_SESSIONS) is every session of two peers.
    pub group: u32,
}

impl MnGroupIdentifier {
    /// Subtype: sessions that one update refreshes together.
    pub const BULK_UPDATE: u8 = 1;
    /// Every session between an anchor and a gateway.
    pub const ALL_SESSIONS: u32 = 1;
}

/// What an experimental option (RFC 5096) carries: the options of the draft profile that were never
/// numbered, told apart by their first octet, or anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Experimental {
    /// First octet 2, and no more: Binding Cache Confirmation. The gateway does not know the host's
    /// address and asks whether its anchor does.
    BindingCacheConfirmation,
    /// First octet 3: Assigned Home Address.
    AssignedHomeAddress(AssignedHomeAddress),
    /// Anything else, as it came.
    Other(Vec<u8>),
}

/// First octets of the draft profile's experimental options.
pub(super) mod content {
    pub const BINDING_CACHE_CONFIRMATION: u8 = 2;
    pub const ASSIGNED_HOME_ADDRESS: u8 = 3;
}

/// The address that a host has at its anchor (draft profile).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AssignedHomeAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of its prefix in bits, 0 to 128.
    pub prefix_length: u8,
}
