//! Networks that an anchor serves side by side, with addresses of their own that others may have too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU8;
use std::str::FromStr;

/// Most octets of a domain's name.
const MOST: usize = 15;

/// The name of a domain, a network whose IPv4 addresses are its own: 1 to 15 lower-case letters, digits, dots
/// and hyphens, the first a letter. It is what hosts of the domain select as their service (RFC 5149).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName {
    length: NonZeroU8,
    /// Zeros behind the name.
    octets: [u8; MOST],
}

/// What cannot name a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDomainName;

impl fmt::Display for BadDomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a domain's name has 1 to {MOST} lower-case letters, digits, dots and hyphens, and begins with a letter"
        )
    }
}

impl std::error::Error for BadDomainName {}

impl DomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        let name = self.octets.get(..usize::from(self.length.get()));
        name.and_then(|name| std::str::from_utf8(name).ok())
            .unwrap_or_default()
    }
}

impl FromStr for DomainName {
    type Err = BadDomainName;

    fn from_str(text: &str) -> Result<Self, BadDomainName> {
        let fits = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let mut octets = [0; MOST];
        let place = octets.get_mut(..text.len()).filter(|_| begins);
        let length = u8::try_from(text.len()).ok().and_then(NonZeroU8::new);
        match (place, length) {
            (Some(place), Some(length)) if text.bytes().all(fits) => {
                place.copy_from_slice(text.as_bytes());
                Ok(Self { length, octets })
            }
            _ => Err(BadDomainName),
        }
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl Serialize for DomainName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// An IPv4 address of one domain, which hosts of others may have too. In text it is `10.1.0.7%red`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainAddress {
    /// The domain.
    pub domain: DomainName,
    /// The address in it.
    pub address: Ipv4Addr,
}

impl fmt::Display for DomainAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%{}", self.address, self.domain)
    }
}

impl FromStr for DomainAddress {
    type Err = BadDomainName;

    fn from_str(text: &str) -> Result<Self, BadDomainName> {
        let (address, domain) = text.split_once('%').ok_or(BadDomainName)?;
        Ok(Self {
            domain: domain.parse()?,
            address: address.parse().map_err(|_| BadDomainName)?,
        })
    }
}

impl Serialize for DomainAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DomainAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for name in ["a", "red", "red.example", "net-1", "abcdefghijklmno"] {
            assert_eq!(name.parse::<DomainName>().unwrap().to_string(), name);
        }
        for bad in [
            "",
            "Red",
            "1red",
            "a b",
            "abcdefghijklmnop",
            "r\u{e9}d",
            "a%b",
        ] {
            assert_eq!(bad.parse::<DomainName>(), Err(BadDomainName), "{bad}");
        }
        assert_eq!(size_of::<Option<DomainName>>(), 16);
    }

    #[test]
    fn an_address_stands_in_text_with_its_domain() {
        let address: DomainAddress = "10.1.0.7%red".parse().unwrap();
        assert_eq!(address.to_string(), "10.1.0.7%red");
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, "\"10.1.0.7%red\"");
        assert_eq!(
            serde_json::from_str::<DomainAddress>(&json).unwrap(),
            address
        );
        for bad in ["10.1.0.7", "10.1.0%red", "10.1.0.7%", "10.1.0.7%%"] {
            assert!(bad.parse::<DomainAddress>().is_err(), "{bad}");
        }
    }
}
