//! IPv6: the header as a view over packet bytes (RFC 8200 section 3), the walk along extension
//! headers, and what addresses and link-layer addresses say of each other.

pub mod address;
mod chain;

pub use chain::{
    encapsulation_limit_header, walk, Chain, ChainError, EncapsulationLimit, Fragment,
    HeaderOption, HeaderOptions, Routing, MAX_CHAIN_HEADERS, MAX_CHAIN_OCTETS,
};

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;

/// The smallest link MTU that IPv6 allows (RFC 8200 section 5).
pub const MIN_MTU: usize = 1280;

/// Next header values.
pub mod next_header {
    /// Hop-by-Hop Options header.
    pub const HOP_BY_HOP: u8 = 0;
    /// IPv4 in IPv6.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IPv6.
    pub const IPV6: u8 = 41;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Generic Routing Encapsulation (RFC 2784).
    pub const GRE: u8 = 47;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// Authentication Header.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// No next header.
    pub const NONE: u8 = 59;
    /// Destination Options header.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Mobility Header.
    pub const MOBILITY: u8 = 135;
}

/// The fixed header as it lies in the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Version, traffic class and flow label in one word.
    version_class_flow: U32,
    /// Octets that follow this header, extension headers included.
    pub payload_length: U16,
    /// Type of the header that follows.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
}

impl Header {
    /// A header with traffic class and flow label zero.
    #[inline]
    pub const fn new(
        source: [u8; 16],
        destination: [u8; 16],
        next_header: u8,
        hop_limit: u8,
        payload_length: u16,
    ) -> Self {
        Self {
            version_class_flow: U32::from_bytes([0x60, 0, 0, 0]),
            payload_length: U16::new(payload_length),
            next_header,
            hop_limit,
            source,
            destination,
        }
    }

    /// IP version; 6 unless the packet is something else.
    #[inline]
    pub const fn version(&self) -> u8 {
        (self.version_class_flow.get() >> 28) as u8
    }

    /// Traffic class: six bits of DSCP, two of ECN.
    #[inline]
    pub const fn traffic_class(&self) -> u8 {
        (self.version_class_flow.get() >> 20) as u8
    }

    /// Sets the traffic class.
    #[inline]
    pub const fn set_traffic_class(&mut self, class: u8) {
        let rest = self.version_class_flow.get() & 0xf00f_ffff;
        self.version_class_flow = U32::new(rest | (class as u32) << 20);
    }

    /// The 20-bit flow label.
    #[inline]
    pub const fn flow_label(&self) -> u32 {
        self.version_class_flow.get() & 0x000f_ffff
    }

    /// Sets the flow label to the lower 20 bits of `label`.
    #[inline]
    pub const fn set_flow_label(&mut self, label: u32) {
        let rest = self.version_class_flow.get() & 0xfff0_0000;
        self.version_class_flow = U32::new(rest | label & 0x000f_ffff);
    }

    /// Splits a packet into its header and what Payload Length covers, and drops what a link layer
    /// padded on.
    ///
    /// # Errors
    ///
    /// See [`HeaderError`].
    #[inline]
    pub fn split(packet: &[u8]) -> Result<(&Self, &[u8]), HeaderError> {
        let (header, rest) = Self::ref_from_prefix(packet).map_err(|_| HeaderError::Truncated)?;
        if header.version() != 6 {
            return Err(HeaderError::Version(header.version()));
        }
        match rest.get(..usize::from(header.payload_length.get())) {
            Some(payload) => Ok((header, payload)),
            None => Err(HeaderError::PayloadTruncated),
        }
    }
}

/// Why bytes are not an IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer than 40 octets.
    #[error("shorter than an IPv6 header")]
    Truncated,
    /// Another IP version.
    #[error("IP version {0}, not 6")]
    Version(u8),
    /// Fewer octets than Payload Length says.
    #[error("shorter than its payload length")]
    PayloadTruncated,
}

crate::names::error_names!(HeaderError {
    HeaderError::Truncated => "header_truncated",
    HeaderError::Version(_) => "version",
    HeaderError::PayloadTruncated => "payload_truncated",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_both_ways() {
        let mut header = Header::new([1; 16], [2; 16], next_header::MOBILITY, 64, 0x0102);
        header.set_traffic_class(0xab);
        header.set_flow_label(0xfff1_2345);
        let mut bytes = vec![0x6a, 0xb1, 0x23, 0x45, 1, 2, 135, 64];
        bytes.extend([1; 16]);
        bytes.extend([2; 16]);
        assert_eq!(header.as_bytes(), bytes);
        let view = Header::ref_from_bytes(&bytes).unwrap();
        assert_eq!(view, &header);
        assert_eq!(view.version(), 6);
        assert_eq!(view.traffic_class(), 0xab);
        assert_eq!(view.flow_label(), 0x12345);
    }

    #[test]
    fn a_packet_splits_at_its_payload_length() {
        let mut packet = Header::new([1; 16], [2; 16], next_header::UDP, 64, 3)
            .as_bytes()
            .to_vec();
        packet.extend([7, 8, 9, 0]);
        let (_, payload) = Header::split(&packet).unwrap();
        assert_eq!(payload, [7, 8, 9]);
        let name = |packet: &[u8]| Header::split(packet).unwrap_err().name();
        assert_eq!(name(&packet[..42]), "payload_truncated");
        assert_eq!(name(&packet[..39]), "header_truncated");
        packet[0] = 0x45;
        assert_eq!(name(&packet), "version");
    }
}
