//! What mobility options say about IPv4 (RFC 5555 section 3, RFC 5844 section 3.3, RFC 5845).

use super::revocation::named_octet;
use super::HomeNetworkPrefix;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The most that the six bits of a prefix length field can express. More than 32 is no length of an
/// IPv4 prefix; roles refuse that, so that they can answer with the status for it.
pub(super) const MAX_PREFIX_LENGTH: u8 = 63;

/// An IPv4 address with the length of the home network's prefix, as options 36 has it; unspecified
/// asks the anchor to choose (RFC 5844 section 3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ipv4HomeAddress {
    /// The address, host bits and all.
    pub address: Ipv4Addr,
    /// Prefix length in bits, of which the wire has six.
    pub prefix_length: u8,
}

/// The answer about an IPv4 home address: options 30 and 37 (RFC 5555 section 3.2.1, RFC 5844
/// section 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ipv4HomeAddressAnswer {
    /// Outcome.
    pub status: Ipv4AddressStatus,
    /// The address that was given, or the one that was refused.
    pub home: Ipv4HomeAddress,
}

/// Outcome of a request for an IPv4 home address. Below 128 there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ipv4AddressStatus(pub u8);

named_octet! {
    Ipv4AddressStatus, "unassigned status";
    /// Success.
    SUCCESS = 0, "success";
    /// Failure, reason unspecified.
    UNSPECIFIED = 128, "reason unspecified";
    /// Administratively prohibited.
    PROHIBITED = 129, "administratively prohibited";
    /// Incorrect IPv4 home address.
    INCORRECT = 130, "incorrect IPv4 home address";
    /// Invalid IPv4 address.
    INVALID = 131, "invalid IPv4 address";
    /// Dynamic IPv4 home address assignment not available.
    DYNAMIC_NOT_AVAILABLE = 132, "dynamic assignment not available";
    /// Prefix allocation unauthorised (option 30 alone).
    PREFIX_UNAUTHORIZED = 133, "prefix allocation unauthorized";
}

impl Ipv4AddressStatus {
    /// Whether the address was given (below 128).
    pub const fn is_accepted(self) -> bool {
        self.0 < 128
    }
}

/// NAT Detection option (RFC 5555 section 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NatDetection {
    /// F: UDP encapsulation is required although no NAT was seen.
    pub force_udp: bool,
    /// Suggested time between refreshes of the NAT's binding, in seconds.
    pub refresh_secs: u32,
}

/// What a gateway is to the DHCPv4 client on its access link (RFC 5844 section 3.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DhcpMode {
    /// S clear: a relay.
    Relay,
    /// S set: a server.
    Server,
}

/// Delegated Mobile Network Prefix (RFC 7148 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelegatedPrefix {
    /// V set: an IPv4 prefix, bits past its length zero.
    V4 {
        /// The prefix.
        prefix: Ipv4Addr,
        /// Prefix length in bits, 0 to 32.
        length: u8,
    },
    /// V clear: an IPv6 prefix.
    V6(HomeNetworkPrefix),
}

impl DelegatedPrefix {
    /// The IPv4 prefix of `length` bits in which `address` lies; `None` for a length above 32.
    pub fn v4(address: Ipv4Addr, length: u8) -> Option<Self> {
        let past = 32u32.checked_sub(u32::from(length))?;
        let mask = u32::MAX.checked_shl(past).unwrap_or(0);
        Some(Self::V4 {
            prefix: Ipv4Addr::from_bits(address.to_bits() & mask),
            length,
        })
    }

    /// Whether the length fits the family and no bit past it is set.
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::V4 { prefix, length } => Self::v4(*prefix, *length) == Some(*self),
            Self::V6(prefix) => prefix.is_well_formed(),
        }
    }
}
