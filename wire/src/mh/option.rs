//! Mobility options (RFC 6275 section 6.2, RFC 5213 section 8, RFC 4283).

use super::Lifetime;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;

/// Option type numbers.
pub(super) mod kind {
    pub const PAD1: u8 = 0;
    pub const PAD_N: u8 = 1;
    pub const BINDING_REFRESH_ADVICE: u8 = 2;
    pub const ALTERNATE_CARE_OF_ADDRESS: u8 = 3;
    pub const MN_IDENTIFIER: u8 = 8;
    pub const HOME_NETWORK_PREFIX: u8 = 22;
    pub const HANDOFF_INDICATOR: u8 = 23;
    pub const ACCESS_TECHNOLOGY: u8 = 24;
    pub const MN_LINK_LAYER_IDENTIFIER: u8 = 25;
    pub const LINK_LOCAL_ADDRESS: u8 = 26;
    pub const TIMESTAMP: u8 = 27;

    /// Whether the type is padding or has a variant of its own.
    pub const fn is_known(kind: u8) -> bool {
        matches!(
            kind,
            PAD1 | PAD_N
                | BINDING_REFRESH_ADVICE
                | ALTERNATE_CARE_OF_ADDRESS
                | MN_IDENTIFIER
                | HOME_NETWORK_PREFIX..=TIMESTAMP
        )
    }
}

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

impl MobilityOption {
    /// The option type octet.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::BindingRefreshAdvice(_) => kind::BINDING_REFRESH_ADVICE,
            Self::AlternateCareOfAddress(_) => kind::ALTERNATE_CARE_OF_ADDRESS,
            Self::MnIdentifier(_) => kind::MN_IDENTIFIER,
            Self::HomeNetworkPrefix(_) => kind::HOME_NETWORK_PREFIX,
            Self::HandoffIndicator(_) => kind::HANDOFF_INDICATOR,
            Self::AccessTechnology(_) => kind::ACCESS_TECHNOLOGY,
            Self::MnLinkLayerIdentifier(_) => kind::MN_LINK_LAYER_IDENTIFIER,
            Self::LinkLocalAddress(_) => kind::LINK_LOCAL_ADDRESS,
            Self::Timestamp(_) => kind::TIMESTAMP,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// Identity of a mobile node (RFC 4283; subtype 1 is a network access identifier). Without octets it
/// names nobody.
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

impl MnIdentifier {
    /// Subtype of a network access identifier.
    pub const NAI: u8 = 1;

    /// The subtype octet.
    pub const fn subtype(&self) -> u8 {
        match self {
            Self::Nai(_) => Self::NAI,
            Self::Other { subtype, .. } => *subtype,
        }
    }

    /// The identifier, subtype left out.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Nai(text) => text.as_bytes(),
            Self::Other { data, .. } => data,
        }
    }
}

/// A home network prefix; `::/0` asks the anchor to choose (RFC 5213 section 8.3). In text, also
/// when serialised, it is `2001:db8::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HomeNetworkPrefix {
    /// The prefix, bits past `length` zero.
    pub prefix: Ipv6Addr,
    /// Prefix length in bits, 0 to 128.
    pub length: u8,
}

impl HomeNetworkPrefix {
    /// `::/0`, which asks the anchor to choose.
    pub const REQUEST: Self = Self {
        prefix: Ipv6Addr::UNSPECIFIED,
        length: 0,
    };

    /// The prefix of `length` bits in which `address` lies; `None` for a length above 128.
    pub fn new(address: Ipv6Addr, length: u8) -> Option<Self> {
        let mask = mask(length)?;
        Some(Self {
            prefix: Ipv6Addr::from_bits(address.to_bits() & mask),
            length,
        })
    }

    /// Whether `address` lies in the prefix.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        Self::new(address, self.length).is_some_and(|prefix| prefix == *self)
    }

    /// Whether the anchor is asked to choose: the prefix is all zero, whatever its length
    /// (RFC 5213 section 6.9.1.1).
    pub const fn is_request(&self) -> bool {
        self.prefix.is_unspecified()
    }

    /// Whether the length is at most 128 and no bit past it is set.
    pub fn is_well_formed(&self) -> bool {
        Self::new(self.prefix, self.length) == Some(*self)
    }
}

/// The upper `length` bits set; `None` above 128.
fn mask(length: u8) -> Option<u128> {
    let past = 128u32.checked_sub(u32::from(length))?;
    Some(u128::MAX.checked_shl(past).unwrap_or(0))
}

/// Text that is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPrefix {
    /// Not an IPv6 address, a slash and a length of 0 to 128.
    #[error("`{0}` is not a prefix; write it as 2001:db8::/64")]
    Syntax(String),
    /// The address has bits set past the length.
    #[error("`{0}` has bits set past its length; did you mean {1}?")]
    HostBits(String, HomeNetworkPrefix),
}

impl std::str::FromStr for HomeNetworkPrefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let parsed = text.split_once('/').and_then(|(address, length)| {
            let address = address.parse().ok()?;
            // `u8::from_str` takes a plus sign, a prefix does not.
            let length = length.parse().ok().filter(|_| !length.starts_with('+'))?;
            Some((address, Self::new(address, length)?))
        });
        match parsed {
            Some((address, prefix)) if prefix.prefix == address => Ok(prefix),
            Some((_, prefix)) => Err(BadPrefix::HostBits(text.to_owned(), prefix)),
            None => Err(BadPrefix::Syntax(text.to_owned())),
        }
    }
}

impl Serialize for HomeNetworkPrefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HomeNetworkPrefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
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

impl NtpTime {
    /// The time that is `since_epoch` after 1970-01-01T00:00:00Z, rounded down to 1/65536 s. Time
    /// past the 48 bits of seconds stays at their end.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs();
        if seconds >> 48 != 0 {
            return Self(u64::MAX);
        }
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 16 | fraction)
    }

    /// How long after 1970-01-01T00:00:00Z, rounded up to a nanosecond, so that
    /// [`from_unix`](Self::from_unix) of it is this value again.
    pub fn to_unix(self) -> Duration {
        let nanos = ((self.0 & 0xffff) * 1_000_000_000).div_ceil(1 << 16);
        Duration::from_secs(self.0 >> 16) + Duration::from_nanos(nanos)
    }

    /// The time between the two, whichever is the earlier.
    pub fn abs_diff(self, other: Self) -> Duration {
        Self(self.0.abs_diff(other.0)).to_unix()
    }
}
