//! Addresses and prefixes as configuration writes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An IPv6 prefix, written `2001:db8::/32`; bits set past the length are refused. A home network
/// prefix has the same text and the same rules, so it is the same type.
pub type Ipv6Prefix = wire::mh::HomeNetworkPrefix;

/// Whether two prefixes have an address in common.
pub fn overlap(one: Ipv6Prefix, other: Ipv6Prefix) -> bool {
    one.contains(other.prefix) || other.contains(one.prefix)
}

/// One of our addresses with the length of its on-link prefix, written `2001:db8::1/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of the on-link prefix in bits, 1 to 128.
    pub length: u8,
}

impl InterfaceAddress {
    /// The prefix that is on link.
    pub fn on_link(&self) -> Ipv6Prefix {
        Ipv6Prefix::new(self.address, self.length).unwrap_or(Ipv6Prefix {
            prefix: self.address,
            length: 128,
        })
    }
}

/// Text that is no address with a length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with a prefix length; write it as 2001:db8::1/64")]
pub struct BadInterfaceAddress(String);

impl FromStr for InterfaceAddress {
    type Err = BadInterfaceAddress;

    fn from_str(text: &str) -> Result<Self, BadInterfaceAddress> {
        let parsed = text.split_once('/').and_then(|(address, length)| {
            let digits = length.bytes().all(|octet| octet.is_ascii_digit());
            let length: u8 = length.parse().ok().filter(|_| digits)?;
            Some(Self {
                address: address.parse().ok()?,
                length: Some(length).filter(|length| (1..=128).contains(length))?,
            })
        });
        parsed.ok_or_else(|| BadInterfaceAddress(text.to_owned()))
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for InterfaceAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InterfaceAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
