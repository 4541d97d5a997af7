//! Ethernet II and the 802.1Q tag.
//!
//! ```text
//! | destination | source | ethertype | payload
//! | destination | source | 0x8100 | priority, VLAN | ethertype | payload
//! ```

use crate::names::error_names;
use serde::{Deserialize, Serialize};
use std::fmt;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of an untagged header.
pub const HEADER_LEN: usize = 14;

/// Octets that one 802.1Q tag adds.
pub const TAG_LEN: usize = 4;

/// Ethertype numbers.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// Address Resolution Protocol.
    pub const ARP: u16 = 0x0806;
    /// 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// The Ethernet II header as it lies in the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Destination.
    pub destination: MacAddr,
    /// Source.
    pub source: MacAddr,
    /// Ethertype of what follows; below 0x600 it is a length.
    pub ethertype: U16,
}

impl Header {
    /// A header.
    #[inline]
    pub const fn new(destination: MacAddr, source: MacAddr, ethertype: u16) -> Self {
        Self {
            destination,
            source,
            ethertype: U16::new(ethertype),
        }
    }
}

/// What follows the ethertype 0x8100.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Tag {
    /// Priority (3 bits), drop eligibility (1), VLAN identifier (12).
    pub control: U16,
    /// Ethertype of what follows.
    pub ethertype: U16,
}

impl Tag {
    /// A tag with priority 0.
    #[inline]
    pub const fn new(vlan: u16, ethertype: u16) -> Self {
        Self {
            control: U16::new(vlan & 0x0fff),
            ethertype: U16::new(ethertype),
        }
    }

    /// VLAN identifier; 0 is a priority tag without a VLAN.
    #[inline]
    pub const fn vlan(&self) -> u16 {
        self.control.get() & 0x0fff
    }

    /// Priority, 0 to 7.
    #[inline]
    pub const fn priority(&self) -> u8 {
        (self.control.get() >> 13) as u8
    }
}

/// A frame taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: &'a Header,
    /// The 802.1Q tag, if there is one. A second tag is payload.
    pub tag: Option<&'a Tag>,
    /// Ethertype of the payload.
    pub ethertype: u16,
    /// What follows header and tag.
    pub payload: &'a [u8],
}

/// Why bytes are not an Ethernet II frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer octets than the header.
    #[error("shorter than an Ethernet header")]
    Truncated,
    /// Fewer octets than the header and the tag that it announces.
    #[error("shorter than its 802.1Q tag")]
    TagTruncated,
    /// An 802.3 length in place of the ethertype.
    #[error("802.3 frame of length {0}, not Ethernet II")]
    Length(u16),
}

error_names!(Error {
    Error::Truncated => "truncated",
    Error::TagTruncated => "tag_truncated",
    Error::Length(_) => "length",
});

impl<'a> Frame<'a> {
    /// Takes a frame apart.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
        let (tag, ethertype, payload) = match header.ethertype.get() {
            ethertype::VLAN => {
                let (tag, payload) = Tag::ref_from_prefix(rest).map_err(|_| Error::TagTruncated)?;
                (Some(tag), tag.ethertype.get(), payload)
            }
            ethertype => (None, ethertype, rest),
        };
        if ethertype < 0x600 {
            return Err(Error::Length(ethertype));
        }
        Ok(Self {
            header,
            tag,
            ethertype,
            payload,
        })
    }
}

/// A 48-bit link-layer address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set (multicast and broadcast).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not six two-digit hexadecimal octets separated by colons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a link-layer address; write it as 02:00:00:00:00:01")]
pub struct BadMacAddr(String);

impl std::str::FromStr for MacAddr {
    type Err = BadMacAddr;

    fn from_str(text: &str) -> Result<Self, BadMacAddr> {
        let bad = || BadMacAddr(text.to_owned());
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts
                .next()
                // `from_str_radix` takes a plus sign, an octet does not.
                .filter(|part| part.len() == 2 && !part.starts_with('+'))
                .ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self(octets))
    }
}

impl Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

    #[test]
    fn an_untagged_frame_both_ways() {
        let bytes = [2, 0, 0, 0, 0, 0xa, 2, 0, 0, 0, 0, 0xb, 0x86, 0xdd, 0x60];
        let header = Header::new(A, B, ethertype::IPV6);
        assert_eq!(header.as_bytes(), &bytes[..HEADER_LEN]);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.header, &header);
        assert_eq!((frame.tag, frame.ethertype), (None, ethertype::IPV6));
        assert_eq!(frame.payload, [0x60]);
    }

    #[test]
    fn a_tagged_frame_both_ways() {
        let header = Header::new(A, B, ethertype::VLAN);
        let bytes = [header.as_bytes(), &[0xaf, 0xff, 0x08, 0x06, 9]].concat();
        let frame = Frame::parse(&bytes).unwrap();
        let tag = frame.tag.unwrap();
        assert_eq!((tag.vlan(), tag.priority()), (0xfff, 5));
        assert_eq!((frame.ethertype, frame.payload), (ethertype::ARP, &[9][..]));
        assert_eq!(
            Tag::new(0x123, ethertype::IPV6).as_bytes(),
            [0x01, 0x23, 0x86, 0xdd]
        );
    }

    #[test]
    fn each_bad_frame_has_its_named_error() {
        let tagged = [Header::new(A, B, ethertype::VLAN).as_bytes(), &[0, 1, 8]].concat();
        let length = Header::new(A, B, 0x5ff);
        let cases = [
            ("truncated", &tagged[..13]),
            ("tag_truncated", &tagged[..]),
            ("length", length.as_bytes()),
        ];
        for (name, bytes) in cases {
            assert_eq!(Frame::parse(bytes).unwrap_err().name(), name);
        }
        assert_eq!(Error::all_names().len(), cases.len());
    }

    #[test]
    fn link_layer_addresses_in_text() {
        assert_eq!("02:00:00:00:00:0a".parse(), Ok(A));
        assert_eq!(A.to_string(), "02:00:00:00:00:0a");
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:0a:00",
            "+2:00:00:00:00:0a",
            "2:0:0:0:0:a",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
