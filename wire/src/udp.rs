//! UDP over IPv6 (RFC 768, RFC 8200 section 8.1), as much as control traffic needs.

use crate::checksum;
use crate::ipv6::next_header;
use std::net::Ipv6Addr;

/// Octets of a UDP header.
pub const HEADER_LEN: usize = 8;

/// Port of Proxy Mobile IPv6 signalling over IPv4 (RFC 5844 section 6).
pub const PMIP_CONTROL: u16 = 5436;

/// Port of tunnels over IPv4 and UDP (RFC 5844 section 6).
pub const PMIP_DATA: u16 = 5437;

/// A datagram taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

/// What is wrong with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shorter than its header, or than its header says.
    #[error("the datagram is not whole")]
    Truncated,
    /// A checksum that is wrong, or none, which IPv6 does not allow.
    #[error("the checksum is wrong")]
    Checksum,
}

impl<'a> Datagram<'a> {
    /// Reads the datagram of an IPv6 packet between these addresses.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(from: Ipv6Addr, to: Ipv6Addr, bytes: &'a [u8]) -> Result<Self, Error> {
        let &[a, b, c, d, e, f, g, h, ..] = bytes else {
            return Err(Error::Truncated);
        };
        let length = u16::from_be_bytes([e, f]);
        let whole = bytes.get(..usize::from(length)).ok_or(Error::Truncated)?;
        let payload = whole.get(HEADER_LEN..).ok_or(Error::Truncated)?;
        let pseudo = pseudo(from, to, length);
        if [g, h] == [0, 0] || !checksum::verifies(checksum::add(pseudo, whole)) {
            return Err(Error::Checksum);
        }
        Ok(Self {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
            payload,
        })
    }

    /// Writes the datagram for an IPv6 packet between these addresses; `None` when it is longer than a
    /// datagram can be.
    pub fn emit(&self, from: Ipv6Addr, to: Ipv6Addr) -> Option<Vec<u8>> {
        let length = u16::try_from(HEADER_LEN + self.payload.len()).ok()?;
        let mut bytes = Vec::with_capacity(usize::from(length));
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.payload);
        let sum = checksum::finish(checksum::add(pseudo(from, to, length), &bytes));
        // Zero says that there is none.
        let sum = if sum == 0 { 0xffff } else { sum };
        if let Some(place) = bytes.get_mut(6..8) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        Some(bytes)
    }
}

fn pseudo(from: Ipv6Addr, to: Ipv6Addr, length: u16) -> u64 {
    let (from, to) = (from.octets(), to.octets());
    checksum::pseudo_header_v6(&from, &to, length.into(), next_header::UDP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        let (from, to) = ("fe80::1".parse().unwrap(), "ff02::1:2".parse().unwrap());
        let datagram = Datagram {
            source: 546,
            destination: 547,
            payload: b"solicit",
        };
        let bytes = datagram.emit(from, to).unwrap();
        assert_eq!(Datagram::parse(from, to, &bytes), Ok(datagram));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(Datagram::parse(from, to, &damaged).is_err(), "octet {at}");
        }
        assert_eq!(
            Datagram::parse(from, to, &bytes[..7]),
            Err(Error::Truncated)
        );
        assert_eq!(
            Datagram::parse(from, to, &bytes[..9]),
            Err(Error::Truncated)
        );
    }
}
