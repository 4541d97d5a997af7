//! Generic Routing Encapsulation headers (RFC 2784), with a key (RFC 2890) or with nothing.

/// Set where a key follows.
const KEY: u16 = 0x2000;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows it, as an EtherType.
    pub protocol: u16,
    /// Its key.
    pub key: Option<u32>,
}

/// Octets of a header with a key or without.
pub const fn length(keyed: bool) -> usize {
    if keyed {
        8
    } else {
        4
    }
}

impl Header {
    /// Reads the header at the front of `bytes`. None of one that is not whole, of another version, or with
    /// a checksum, a sequence number or anything else that is not read here.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[a, b, c, d], behind) = bytes.split_first_chunk()?;
        let key = match u16::from_be_bytes([a, b]) {
            0 => None,
            KEY => Some(u32::from_be_bytes(*behind.first_chunk()?)),
            _ => return None,
        };
        Some(Self {
            protocol: u16::from_be_bytes([c, d]),
            key,
        })
    }

    /// Octets that it has.
    pub const fn length(&self) -> usize {
        length(self.key.is_some())
    }

    /// Its octets, of which so many count.
    #[inline]
    pub fn emit(&self) -> ([u8; 8], usize) {
        let flags = if self.key.is_some() { KEY } else { 0 };
        let [a, b] = flags.to_be_bytes();
        let [c, d] = self.protocol.to_be_bytes();
        let [e, f, g, h] = self.key.unwrap_or(0).to_be_bytes();
        ([a, b, c, d, e, f, g, h], self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for key in [None, Some(0), Some(0xdead_beef)] {
            let header = Header {
                protocol: 0x86dd,
                key,
            };
            let (octets, length) = header.emit();
            assert_eq!(Header::parse(&octets[..length]), Some(header));
            assert_eq!(Header::parse(&octets[..length - 1]), None);
        }
        let (octets, _) = Header {
            protocol: 0x0800,
            key: Some(0x0102_0304),
        }
        .emit();
        assert_eq!(octets, [0x20, 0, 8, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn other_flags_and_versions_are_not_read() {
        // Checksum, routing, sequence number, strict source route, reserved, version 1.
        for flags in [0x8000_u16, 0x4000, 0x1000, 0x0800, 0x0400, 0x3000, 1] {
            let [a, b] = flags.to_be_bytes();
            assert_eq!(Header::parse(&[a, b, 8, 0, 0, 0, 0, 0, 0, 0]), None);
        }
    }
}
