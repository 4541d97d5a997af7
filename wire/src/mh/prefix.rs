//! Prefixes in mobility options, and as people write them.

use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

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
