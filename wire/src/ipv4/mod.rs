//! IPv4: the header as a view over packet bytes (RFC 791 section 3.1), its checksum and options, and
//! where an address may stand.
//!
//! ```text
//! | version, IHL | TOS | total length | identification | flags, fragment offset |
//! | TTL | protocol | header checksum | source | destination | options, up to 40 octets |
//! ```
//!
//! What a router changes in a header it changes here, and the checksum with it (RFC 1624): a header
//! whose checksum was right stays right, and one whose checksum was wrong stays wrong.

pub mod address;
mod options;

pub use options::{kind as option_kind, HeaderOption, HeaderOptions, OptionError};

use crate::checksum;
use std::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

/// The most octets of options.
pub const MAX_OPTIONS: usize = 40;

/// The smallest link MTU that IPv4 allows (RFC 791 section 3.2).
pub const MIN_MTU: usize = 68;

/// Protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// An IPv4 packet (RFC 2003).
    pub const IPV4: u8 = 4;
    /// An IPv6 packet (RFC 4213).
    pub const IPV6: u8 = 41;
    /// Generic Routing Encapsulation (RFC 2784).
    pub const GRE: u8 = 47;
    /// UDP.
    pub const UDP: u8 = 17;
}

/// Flags and fragment offset share a word: reserved, don't fragment, more fragments, 13 bits of
/// offset.
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The fixed part of the header as it lies in the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    version_length: u8,
    traffic_class: u8,
    /// Octets of the packet, header included.
    pub total_length: U16,
    /// Identification, the same in all fragments of a packet.
    pub identification: U16,
    flags_offset: U16,
    ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Header checksum.
    pub checksum: U16,
    /// Source address.
    pub source: [u8; 4],
    /// Destination address.
    pub destination: [u8; 4],
}

impl Header {
    /// A header without options, its checksum right, of a packet that must not be fragmented and so
    /// needs no identification (RFC 6864 section 4.1).
    #[inline]
    pub fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: u8,
        ttl: u8,
        total_length: u16,
    ) -> Self {
        let mut header = Self {
            version_length: 0x45,
            traffic_class: 0,
            total_length: U16::new(total_length),
            identification: U16::ZERO,
            flags_offset: U16::new(DONT_FRAGMENT),
            ttl,
            protocol,
            checksum: U16::ZERO,
            source: source.octets(),
            destination: destination.octets(),
        };
        header.seal();
        header
    }

    /// IP version; 4 unless the packet is something else.
    #[inline]
    pub const fn version(&self) -> u8 {
        self.version_length >> 4
    }

    /// Octets of the header, options included, as it says itself: 0 to 60.
    #[inline]
    pub const fn header_len(&self) -> usize {
        (self.version_length & 0x0f) as usize * 4
    }

    /// What IPv6 calls the traffic class: six bits of DSCP, two of ECN (RFC 2474, RFC 3168).
    #[inline]
    pub const fn traffic_class(&self) -> u8 {
        self.traffic_class
    }

    /// Sets the traffic class, and the checksum with it.
    #[inline]
    pub const fn set_traffic_class(&mut self, class: u8) {
        let old = u16::from_be_bytes([self.version_length, self.traffic_class]);
        self.traffic_class = class;
        let new = u16::from_be_bytes([self.version_length, self.traffic_class]);
        self.update(old, new);
    }

    /// Hops left.
    #[inline]
    pub const fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Takes one from the hops left, if there is one, and changes the checksum with it.
    #[inline(always)]
    pub const fn count_hop(&mut self) {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        self.ttl = self.ttl.saturating_sub(1);
        let new = u16::from_be_bytes([self.ttl, self.protocol]);
        self.update(old, new);
    }

    /// Whether routers must not fragment the packet.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Whether more fragments of the packet follow this one.
    #[inline]
    pub const fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Where this fragment's payload belongs in the packet's, in octets.
    #[inline]
    pub const fn fragment_offset(&self) -> usize {
        (self.flags_offset.get() & OFFSET) as usize * 8
    }

    /// Whether this is not a whole packet.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | OFFSET) != 0
    }

    /// Sets flags and fragment offset, the latter in octets and a multiple of eight, and leaves the
    /// checksum as it was.
    #[inline]
    pub const fn set_fragment(&mut self, dont_fragment: bool, more: bool, offset: u16) {
        let mut word = offset >> 3;
        if dont_fragment {
            word |= DONT_FRAGMENT;
        }
        if more {
            word |= MORE_FRAGMENTS;
        }
        self.flags_offset = U16::new(word);
    }

    /// The header of a piece of this packet: `octets` of its payload from `from` on, behind `options`,
    /// which are part of the checksum; `last` says whether nothing of the payload follows. `None` where
    /// lengths and offset are no header's.
    pub fn piece(&self, options: &[u8], from: usize, octets: usize, last: bool) -> Option<Self> {
        let front = HEADER_LEN + options.len();
        let words = u8::try_from(front / 4).ok()?;
        let offset = u16::try_from(self.fragment_offset() + from).ok()?;
        if front % 4 != 0 || words > 15 || offset % 8 != 0 {
            return None;
        }
        let mut piece = *self;
        piece.version_length = 0x40 | words;
        piece.total_length = U16::new(u16::try_from(front + octets).ok()?);
        piece.set_fragment(false, !last || self.more_fragments(), offset);
        piece.checksum = U16::ZERO;
        let sum = checksum::add(checksum::add(0, piece.as_bytes()), options);
        piece.checksum = U16::new(checksum::finish(sum));
        Some(piece)
    }

    /// Turns the header into that of an answer without options: addresses change places, `ttl` hops
    /// are left, `total_length` octets in all, and the checksum is right.
    #[inline]
    pub fn answer(&mut self, ttl: u8, total_length: u16) {
        std::mem::swap(&mut self.source, &mut self.destination);
        self.version_length = 0x45;
        self.total_length = U16::new(total_length);
        self.ttl = ttl;
        self.seal();
    }

    /// Makes the checksum of a header without options right.
    #[inline]
    pub fn seal(&mut self) {
        self.checksum = U16::ZERO;
        self.checksum = U16::new(checksum::finish(checksum::add(0, self.as_bytes())));
    }

    #[inline(always)]
    const fn update(&mut self, old: u16, new: u16) {
        self.checksum = U16::new(checksum::update(self.checksum.get(), old, new));
    }

    /// Takes a packet apart and drops what a link layer padded on. The checksum is verified, the
    /// options are not looked at.
    ///
    /// # Errors
    ///
    /// See [`HeaderError`].
    #[inline]
    pub fn split(packet: &[u8]) -> Result<Parts<'_>, HeaderError> {
        let (header, rest) = Self::ref_from_prefix(packet).map_err(|_| HeaderError::Truncated)?;
        if header.version() != 4 {
            return Err(HeaderError::Version(header.version()));
        }
        let options = header
            .header_len()
            .checked_sub(HEADER_LEN)
            .ok_or(HeaderError::HeaderLength)?;
        let (options, rest) = rest
            .split_at_checked(options)
            .ok_or(HeaderError::Truncated)?;
        let payload = usize::from(header.total_length.get())
            .checked_sub(header.header_len())
            .ok_or(HeaderError::TotalLength)?;
        let payload = rest.get(..payload).ok_or(HeaderError::PayloadTruncated)?;
        let sum = checksum::add(checksum::add(0, header.as_bytes()), options);
        if !checksum::verifies(sum) {
            return Err(HeaderError::Checksum);
        }
        Ok(Parts {
            header,
            options,
            payload,
        })
    }
}

/// A packet taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The fixed part of the header.
    pub header: &'a Header,
    /// The rest of the header.
    pub options: &'a [u8],
    /// What follows the header, as far as Total Length goes.
    pub payload: &'a [u8],
}

/// Why bytes are not an IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer octets than the header.
    #[error("shorter than an IPv4 header")]
    Truncated,
    /// Another IP version.
    #[error("IP version {0}, not 4")]
    Version(u8),
    /// A header length below the fixed part's.
    #[error("a header length below 20 octets")]
    HeaderLength,
    /// A total length below the header's.
    #[error("a total length below the header's")]
    TotalLength,
    /// Fewer octets than Total Length says.
    #[error("shorter than its total length")]
    PayloadTruncated,
    /// The header checksum does not match.
    #[error("IPv4 header checksum is wrong")]
    Checksum,
}

crate::names::error_names!(HeaderError {
    HeaderError::Truncated => "header_truncated",
    HeaderError::Version(_) => "version",
    HeaderError::HeaderLength => "header_length",
    HeaderError::TotalLength => "total_length",
    HeaderError::PayloadTruncated => "payload_truncated",
    HeaderError::Checksum => "checksum",
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From a capture: 192.168.0.1 to 192.168.0.199, UDP, DF, 115 octets.
    const CAPTURED: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn a_header_both_ways() {
        let (a, b) = ([192, 168, 0, 1], [192, 168, 0, 199]);
        let header = Header::new(a.into(), b.into(), protocol::UDP, 64, 115);
        assert_eq!(header.as_bytes(), CAPTURED);
        let view = Header::ref_from_bytes(&CAPTURED).unwrap();
        assert_eq!((view.version(), view.header_len(), view.ttl()), (4, 20, 64));
        assert!(view.dont_fragment() && !view.is_fragment());
    }

    #[test]
    fn fragments_say_where_they_belong() {
        let mut header = Header::read_from_bytes(&CAPTURED).unwrap();
        header.set_fragment(false, true, 1480);
        assert!(!header.dont_fragment() && header.more_fragments() && header.is_fragment());
        assert_eq!(header.fragment_offset(), 1480);
        header.set_fragment(false, false, 8);
        assert!(header.is_fragment() && !header.more_fragments());
    }

    #[test]
    fn a_piece_of_a_piece_is_one_of_the_same_packet() {
        let mut header = Header::read_from_bytes(&CAPTURED).unwrap();
        header.set_fragment(false, true, 800);
        let options = [148, 4, 0, 0];
        let piece = header.piece(&options, 16, 8, false).unwrap();
        let bytes = [piece.as_bytes(), &options, &[7; 8]].concat();
        let parts = Header::split(&bytes).unwrap();
        assert_eq!((parts.options, parts.payload), (&options[..], &[7; 8][..]));
        assert_eq!(
            (piece.fragment_offset(), piece.more_fragments()),
            (816, true)
        );
        let last = header.piece(&[], 24, 3, true).unwrap();
        assert!(last.more_fragments(), "others of the packet follow");
        header.set_fragment(false, false, 800);
        assert!(!header.piece(&[], 24, 3, true).unwrap().more_fragments());
        assert_eq!(header.piece(&[1; 3], 0, 8, true), None);
        assert_eq!(header.piece(&[1; 44], 0, 8, true), None);
        assert_eq!(header.piece(&[], 12, 8, true), None);
        assert_eq!(header.piece(&[], 65_000, 8, true), None);
    }

    #[test]
    fn each_bad_packet_has_its_named_error() {
        let mut whole = CAPTURED.to_vec();
        whole.resize(120, 7);
        let parts = Header::split(&whole).unwrap();
        assert_eq!(
            (parts.options.len(), parts.payload),
            (0, &[7u8; 95][..]),
            "what was padded on is no payload"
        );
        let with = |at: usize, value: u8| {
            let mut changed = whole.clone();
            changed[at] = value;
            Header::split(&changed).map(|_| ()).unwrap_err().name()
        };
        let cases = [
            (
                Header::split(&whole[..19]).unwrap_err().name(),
                "header_truncated",
            ),
            (with(0, 0x65), "version"),
            (with(0, 0x44), "header_length"),
            (with(3, 19), "total_length"),
            (with(3, 121), "payload_truncated"),
            (with(8, 63), "checksum"),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
        assert_eq!(HeaderError::all_names().len(), cases.len());
        // Options that are not there.
        assert_eq!(
            Header::split(&{
                let mut short = CAPTURED.to_vec();
                short[0] = 0x46;
                short
            }),
            Err(HeaderError::Truncated)
        );
    }

    fn sealed(options: &[u8], header: Header) -> Vec<u8> {
        let mut bytes = [header.as_bytes(), options].concat();
        bytes[10..12].fill(0);
        let sum = checksum::finish(checksum::add(0, &bytes));
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn what_a_router_changes_leaves_the_checksum_right(
            octets in any::<[u8; 20]>(),
            words in 0u8..=10,
            class in any::<u8>(),
        ) {
            let mut header = Header::read_from_bytes(&octets).unwrap();
            header.version_length = 0x45 + words;
            header.total_length = U16::new(header.header_len() as u16);
            let options = vec![1; usize::from(words) * 4];
            let mut packet = sealed(&options, header);
            prop_assert!(Header::split(&packet).is_ok());
            let (view, _) = Header::mut_from_prefix(&mut packet).unwrap();
            let before = view.ttl();
            view.count_hop();
            view.set_traffic_class(class);
            prop_assert_eq!((view.ttl(), view.traffic_class()), (before.saturating_sub(1), class));
            prop_assert!(Header::split(&packet).is_ok());
            // What was wrong is not mended.
            packet[17] ^= 0x10;
            let (view, _) = Header::mut_from_prefix(&mut packet).unwrap();
            view.count_hop();
            prop_assert_eq!(Header::split(&packet), Err(HeaderError::Checksum));
        }
    }
}
