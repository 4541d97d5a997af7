//! ICMPv6 (RFC 4443): header and echo as views over packet bytes, decoding for control, and error
//! messages, which [`ErrorMessage`] builds. Neighbour discovery is in [`nd`](crate::nd).

mod error;

pub use error::{may_send_error, ErrorMessage, MAX_ERROR_LEN};

use crate::checksum;
use crate::ipv6::next_header;
use crate::names::error_names;
use std::net::Ipv6Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of the header that all messages share, with the first word of their body.
pub const HEADER_LEN: usize = 8;

/// Message types. Below 128 they are errors.
pub mod kind {
    /// Destination Unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// Packet Too Big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo Request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Router Solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router Advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour Solicitation.
    pub const NEIGHBOUR_SOLICITATION: u8 = 135;
    /// Neighbour Advertisement.
    pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Node Information Query.
    pub const NODE_INFORMATION_QUERY: u8 = 139;
    /// Node Information Reply.
    pub const NODE_INFORMATION_REPLY: u8 = 140;
}

/// Codes of the error messages.
pub mod code {
    /// Destination Unreachable: no route.
    pub const NO_ROUTE: u8 = 0;
    /// Destination Unreachable: administratively prohibited.
    pub const PROHIBITED: u8 = 1;
    /// Destination Unreachable: beyond the scope of the source address.
    pub const BEYOND_SCOPE: u8 = 2;
    /// Destination Unreachable: address unreachable.
    pub const ADDRESS_UNREACHABLE: u8 = 3;
    /// Destination Unreachable: port unreachable.
    pub const PORT_UNREACHABLE: u8 = 4;
    /// Destination Unreachable: the source address failed a policy.
    pub const SOURCE_POLICY: u8 = 5;
    /// Time Exceeded: hop limit exceeded in transit.
    pub const HOP_LIMIT_EXCEEDED: u8 = 0;
    /// Time Exceeded: fragment reassembly time exceeded.
    pub const REASSEMBLY_TIME_EXCEEDED: u8 = 1;
    /// Parameter Problem: erroneous header field.
    pub const ERRONEOUS_FIELD: u8 = 0;
    /// Parameter Problem: unrecognised next header.
    pub const UNRECOGNIZED_NEXT_HEADER: u8 = 1;
    /// Parameter Problem: unrecognised IPv6 option.
    pub const UNRECOGNIZED_OPTION: u8 = 2;
    /// Parameter Problem: the first fragment has not all headers (RFC 7112).
    pub const INCOMPLETE_HEADER_CHAIN: u8 = 3;
}

/// The first eight octets of every message, as they lie in the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Message type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum over pseudo-header and message.
    pub checksum: U16,
    /// The first word of the body, whose meaning is the type's.
    pub word: [u8; 4],
}

/// The header of an echo message, as it lies in the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EchoHeader {
    /// 128 request, 129 reply.
    pub kind: u8,
    /// Code, 0.
    pub code: u8,
    /// Checksum over pseudo-header and message.
    pub checksum: U16,
    /// Identifier.
    pub identifier: U16,
    /// Sequence number.
    pub sequence: U16,
}

impl EchoHeader {
    /// Turns a request into its reply in place. The checksum stays right when source and destination
    /// address change places and stays wrong when it was.
    #[inline]
    pub fn make_reply(&mut self) {
        let old = u16::from_be_bytes([self.kind, self.code]);
        let new = u16::from_be_bytes([kind::ECHO_REPLY, self.code]);
        self.kind = kind::ECHO_REPLY;
        self.checksum = U16::new(checksum::update(self.checksum.get(), old, new));
    }
}

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// An error and as much of the packet that caused it as came along.
    Error(ErrorMessage, &'a [u8]),
    /// An echo request or reply and its data.
    Echo(&'a EchoHeader, &'a [u8]),
    /// Any other message: its header and what follows.
    Other(&'a Header, &'a [u8]),
}

/// Why bytes are not an ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer than eight octets.
    #[error("shorter than an ICMPv6 header")]
    Truncated,
    /// The checksum does not match.
    #[error("ICMPv6 checksum is wrong")]
    Checksum,
}

error_names!(Error {
    Error::Truncated => "truncated",
    Error::Checksum => "checksum",
});

impl<'a> Packet<'a> {
    /// Takes a message apart. `bytes` start at the type octet and end with the packet, the addresses
    /// are those of its IPv6 header.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(source: Ipv6Addr, destination: Ipv6Addr, bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, body) = Header::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            next_header::ICMPV6,
        );
        if !checksum::verifies(checksum::add(sum, bytes)) {
            return Err(Error::Checksum);
        }
        if matches!(header.kind, kind::ECHO_REQUEST | kind::ECHO_REPLY) {
            let (echo, data) = EchoHeader::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
            return Ok(Self::Echo(echo, data));
        }
        Ok(match ErrorMessage::from_header(header) {
            Some(error) => Self::Error(error, body),
            None => Self::Other(header, body),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xb);

    /// An echo request from A to B.
    const REQUEST: [u8; 12] = [128, 0, 0x33, 0x26, 0x12, 0x34, 0, 7, b'p', b'i', b'n', b'g'];

    #[test]
    fn an_echo_request_becomes_its_reply() {
        let Ok(Packet::Echo(echo, data)) = Packet::parse(A, B, &REQUEST) else {
            panic!("not an echo");
        };
        assert_eq!((echo.identifier.get(), echo.sequence.get()), (0x1234, 7));
        assert_eq!(data, b"ping");
        let mut reply = REQUEST;
        let (header, _) = EchoHeader::mut_from_prefix(&mut reply).unwrap();
        header.make_reply();
        assert_eq!(reply[..4], [129, 0, 0x32, 0x26]);
        assert!(matches!(
            Packet::parse(B, A, &reply),
            Ok(Packet::Echo(echo, b"ping")) if echo.kind == kind::ECHO_REPLY
        ));
    }

    #[test]
    fn each_bad_message_has_its_named_error() {
        let name = |bytes: &[u8]| Packet::parse(A, B, bytes).unwrap_err().name();
        assert_eq!(name(&REQUEST[..7]), "truncated");
        assert_eq!(name(&REQUEST[..11]), "checksum");
        assert_eq!(Error::all_names(), ["truncated", "checksum"]);
    }
}
