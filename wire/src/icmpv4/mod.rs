//! ICMP for IPv4 (RFC 792): header and echo as views over packet bytes, decoding, and error messages,
//! which [`ErrorMessage`] builds.

mod error;

pub use error::{may_send_error, ErrorMessage, MAX_ERROR_LEN};

use crate::checksum;
use crate::names::error_names;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of the header that all messages share, with the first word of their body.
pub const HEADER_LEN: usize = 8;

/// Message types.
pub mod kind {
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination Unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Source Quench, which nobody sends any more (RFC 6633).
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 12;

    /// Whether a message of this type tells of an error, so that no error answers it. Types that are
    /// not known to be questions or answers count as errors, for it is not known that they are none.
    pub const fn is_error(kind: u8) -> bool {
        // Echo, router discovery, timestamp, information and address mask, each with its answer, and
        // extended echo (RFC 8335).
        !matches!(kind, ECHO_REPLY | ECHO_REQUEST | 9 | 10 | 13..=18 | 42 | 43)
    }
}

/// Codes of the error messages.
pub mod code {
    /// Destination Unreachable: network.
    pub const NETWORK_UNREACHABLE: u8 = 0;
    /// Destination Unreachable: host.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// Destination Unreachable: protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Destination Unreachable: port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Destination Unreachable: fragmentation needed and DF set.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Time Exceeded: in transit.
    pub const TTL_EXCEEDED: u8 = 0;
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
    /// Checksum over the message.
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
    /// 8 request, 0 reply.
    pub kind: u8,
    /// Code, 0.
    pub code: u8,
    /// Checksum over the message.
    pub checksum: U16,
    /// Identifier.
    pub identifier: U16,
    /// Sequence number.
    pub sequence: U16,
}

impl EchoHeader {
    /// Turns a request into its reply in place. The checksum stays right and stays wrong when it was.
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

/// Why bytes are not an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer than eight octets.
    #[error("shorter than an ICMP header")]
    Truncated,
    /// The checksum does not match.
    #[error("ICMP checksum is wrong")]
    Checksum,
}

error_names!(Error {
    Error::Truncated => "truncated",
    Error::Checksum => "checksum",
});

impl<'a> Packet<'a> {
    /// Takes a message apart. `bytes` start at the type octet and end with the packet.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, body) = Header::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
        if !checksum::verifies(checksum::add(0, bytes)) {
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

    const REQUEST: [u8; 12] = [8, 0, 0x06, 0xf4, 0x12, 0x34, 0, 7, b'p', b'i', b'n', b'g'];

    #[test]
    fn an_echo_request_becomes_its_reply() {
        let Ok(Packet::Echo(echo, b"ping")) = Packet::parse(&REQUEST) else {
            panic!("not an echo: {:?}", Packet::parse(&REQUEST));
        };
        assert_eq!((echo.identifier.get(), echo.sequence.get()), (0x1234, 7));
        let mut reply = REQUEST;
        let (header, _) = EchoHeader::mut_from_prefix(&mut reply).unwrap();
        header.make_reply();
        assert_eq!(reply[..2], [0, 0]);
        assert!(matches!(
            Packet::parse(&reply),
            Ok(Packet::Echo(echo, b"ping")) if echo.kind == kind::ECHO_REPLY
        ));
    }

    #[test]
    fn each_bad_message_has_its_named_error() {
        let name = |bytes: &[u8]| Packet::parse(bytes).unwrap_err().name();
        assert_eq!(name(&REQUEST[..7]), "truncated");
        assert_eq!(name(&REQUEST[..11]), "checksum");
        assert_eq!(Error::all_names(), ["truncated", "checksum"]);
    }
}
