//! Addresses and prefixes as configuration writes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv6 prefix, written `2001:db8::/32`; bits set past the length are refused. A home network
/// prefix has the same text and the same rules, so it is the same type.
pub type Ipv6Prefix = wire::mh::HomeNetworkPrefix;

/// A prefix of either family, written `2001:db8::/32` or `192.0.2.0/24`; bits set past the length are
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// The prefix, bits past `length` zero.
    pub prefix: IpAddr,
    /// Its length in bits.
    pub length: u8,
}

impl Prefix {
    /// The prefix of `length` bits in which `address` lies; a length above the family's counts as
    /// full.
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Self {
        let address = address.into();
        let length = length.min(bits(address));
        Self {
            prefix: masked(address, length),
            length,
        }
    }

    /// Whether `address` lies in the prefix.
    pub fn contains(&self, address: impl Into<IpAddr>) -> bool {
        covers(self.prefix, self.length, address.into())
    }
}

impl From<Ipv6Prefix> for Prefix {
    fn from(prefix: Ipv6Prefix) -> Self {
        Self::new(prefix.prefix, prefix.length)
    }
}

/// Bits of an address of that family.
pub const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V6(_) => 128,
        IpAddr::V4(_) => 32,
    }
}

/// The prefix of `length` bits that `address` lies in.
pub fn masked(address: IpAddr, length: u8) -> IpAddr {
    let past = u32::from(bits(address).saturating_sub(length));
    match address {
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(past).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(past).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
    }
}

/// Whether both are of one family and their first `length` bits agree.
pub fn covers(prefix: IpAddr, length: u8, address: IpAddr) -> bool {
    masked(prefix, length) == masked(address, length)
}

/// Whether a packet must not leave the link that such an address is on.
pub const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
        IpAddr::V4(v4) => v4.is_link_local(),
    }
}

/// The addresses of an IPv4 link that no node has: its first, and its last, which is everyone's. Links
/// of two addresses or one have none (RFC 3021).
pub fn nobodys(address: IpAddr, length: u8) -> Option<[IpAddr; 2]> {
    let IpAddr::V4(v4) = address else {
        return None;
    };
    let rest = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    let first = Ipv4Addr::from_bits(v4.to_bits() & !rest);
    let last = Ipv4Addr::from_bits(v4.to_bits() | rest);
    (length < 31).then_some([first.into(), last.into()])
}

/// Whether two prefixes have an address in common.
pub fn overlap(one: impl Into<Prefix>, other: impl Into<Prefix>) -> bool {
    let (one, other) = (one.into(), other.into());
    one.contains(other.prefix) || other.contains(one.prefix)
}

/// Text that is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPrefix {
    /// Not an address, a slash and a length that its family has.
    #[error("`{0}` is not a prefix; write it as 2001:db8::/64 or 192.0.2.0/24")]
    Syntax(String),
    /// The address has bits set past the length.
    #[error("`{0}` has bits set past its length; did you mean {1}?")]
    HostBits(String, Prefix),
}

/// An address and a length that its family has.
fn split(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let digits = length.bytes().all(|octet| octet.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| digits)?;
    (length <= bits(address)).then_some((address, length))
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let Some((address, length)) = split(text) else {
            return Err(BadPrefix::Syntax(text.to_owned()));
        };
        let prefix = Self::new(address, length);
        if prefix.prefix == address {
            Ok(prefix)
        } else {
            Err(BadPrefix::HostBits(text.to_owned(), prefix))
        }
    }
}

/// One of our addresses with the length of its on-link prefix, written `2001:db8::1/64` or
/// `192.0.2.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the on-link prefix in bits, from 1 to that of a whole address.
    pub length: u8,
}

impl InterfaceAddress {
    /// The prefix that is on link.
    pub fn on_link(&self) -> Prefix {
        Prefix::new(self.address, self.length)
    }
}

/// Text that is no address with a length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address with a prefix length; write it as 2001:db8::1/64 or 192.0.2.1/24")]
pub struct BadInterfaceAddress(String);

impl FromStr for InterfaceAddress {
    type Err = BadInterfaceAddress;

    fn from_str(text: &str) -> Result<Self, BadInterfaceAddress> {
        match split(text) {
            Some((address, length @ 1..)) => Ok(Self { address, length }),
            _ => Err(BadInterfaceAddress(text.to_owned())),
        }
    }
}

/// Text of a type with a slash, and the same in serde.
macro_rules! as_text {
    ($type:ident { $address:ident }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.$address, self.length)
            }
        }

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Prefix { prefix });
as_text!(InterfaceAddress { address });

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_cover_their_own_family() {
        assert!(prefix("192.0.2.0/24").contains(Ipv4Addr::new(192, 0, 2, 255)));
        assert!(!prefix("192.0.2.0/24").contains(Ipv4Addr::new(192, 0, 3, 0)));
        assert!(!prefix("0.0.0.0/0").contains(Ipv6Addr::UNSPECIFIED));
        assert!(!prefix("::/0").contains(Ipv4Addr::UNSPECIFIED));
        assert!(prefix("2001:db8::/33").contains("2001:db8:7fff::1".parse::<Ipv6Addr>().unwrap()));
        assert!(overlap(prefix("10.0.0.0/8"), prefix("10.1.0.0/16")));
        assert!(!overlap(prefix("10.0.0.0/16"), prefix("10.1.0.0/16")));
    }

    #[test]
    fn text_is_taken_as_it_is_written() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "192.0.2.1/32"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        for text in [
            "192.0.2.0/33",
            "192.0.2/24",
            "192.0.2.0",
            "192.0.2.0/+8",
            "::/129",
        ] {
            let error = text.parse::<Prefix>().unwrap_err();
            assert_eq!(error, BadPrefix::Syntax(text.to_owned()));
        }
        let host = "192.0.2.1/24".parse::<Prefix>().unwrap_err();
        assert!(host.to_string().ends_with("did you mean 192.0.2.0/24?"));
        let own: InterfaceAddress = "192.0.2.1/24".parse().unwrap();
        assert_eq!(own.on_link(), prefix("192.0.2.0/24"));
        assert!("192.0.2.1/0".parse::<InterfaceAddress>().is_err());
        assert!("192.0.2.1/33".parse::<InterfaceAddress>().is_err());
    }
}
