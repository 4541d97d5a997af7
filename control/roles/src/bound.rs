//! What a binding is for, in either family.

use crate::domain::{DomainAddress, DomainName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use wire::mh::HomeNetworkPrefix;

/// What a binding is for: a home network prefix, or the IPv4 home address of one host, which is a
/// prefix of full length (RFC 5844 section 3.1.1). In text, also when serialised, it is
/// `2001:db8::/64` or `192.0.2.7`, and `10.1.0.7%red` when the address is one of a domain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BoundPrefix {
    /// A home network prefix.
    V6(HomeNetworkPrefix),
    /// An IPv4 home address.
    V4(Ipv4Addr),
    /// An IPv4 home address of a domain.
    V4In(DomainAddress),
}

impl BoundPrefix {
    /// An IPv4 home address, of a domain or of none.
    pub fn ipv4(domain: Option<DomainName>, address: Ipv4Addr) -> Self {
        match domain {
            Some(domain) => Self::V4In(DomainAddress { domain, address }),
            None => Self::V4(address),
        }
    }

    /// The domain that it is of, if it is of one.
    pub const fn domain(self) -> Option<DomainName> {
        match self {
            Self::V6(_) | Self::V4(_) => None,
            Self::V4In(it) => Some(it.domain),
        }
    }

    /// Its first address.
    pub const fn address(self) -> IpAddr {
        match self {
            Self::V6(prefix) => IpAddr::V6(prefix.prefix),
            Self::V4(address) => IpAddr::V4(address),
            Self::V4In(it) => IpAddr::V4(it.address),
        }
    }

    /// Its length in bits.
    pub const fn length(self) -> u8 {
        match self {
            Self::V6(prefix) => prefix.length,
            Self::V4(_) | Self::V4In(_) => 32,
        }
    }
}

impl From<HomeNetworkPrefix> for BoundPrefix {
    fn from(prefix: HomeNetworkPrefix) -> Self {
        Self::V6(prefix)
    }
}

impl From<Ipv4Addr> for BoundPrefix {
    fn from(address: Ipv4Addr) -> Self {
        Self::V4(address)
    }
}

impl fmt::Display for BoundPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V6(prefix) => prefix.fmt(f),
            Self::V4(address) => address.fmt(f),
            Self::V4In(it) => it.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_stand_in_text_and_are_read_back() {
        let v6 = BoundPrefix::V6("2001:db8:1::/64".parse().unwrap());
        let v4 = BoundPrefix::from(Ipv4Addr::new(192, 0, 2, 7));
        let red = Some("red".parse().unwrap());
        let v4_in = BoundPrefix::ipv4(red, Ipv4Addr::new(192, 0, 2, 7));
        assert_ne!(v4, v4_in);
        for (bound, text, length, domain) in [
            (v6, "2001:db8:1::/64", 64, None),
            (v4, "192.0.2.7", 32, None),
            (v4_in, "192.0.2.7%red", 32, red),
        ] {
            assert_eq!(bound.domain(), domain);
            assert_eq!(bound.to_string(), text);
            let json = serde_json::to_string(&bound).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<BoundPrefix>(&json).unwrap(), bound);
            assert_eq!(bound.length(), length);
        }
        assert_eq!(v4.address(), IpAddr::from([192, 0, 2, 7]));
    }
}
