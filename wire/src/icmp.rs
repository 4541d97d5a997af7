//! What ICMP for IPv4 (RFC 792) and ICMPv6 (RFC 4443) share: the header and the echo message as views over
//! packet bytes, and how a message is taken apart. [`icmpv4`](crate::icmpv4) and [`icmpv6`](crate::icmpv6) have the
//! rest: types, codes, what the checksum is over, and errors.

use crate::checksum;
use crate::names::error_names;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of the header that all messages share, with the first word of their body.
pub const HEADER_LEN: usize = 8;

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
    /// Checksum over the message, that of ICMPv6 over the pseudo-header, too.
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
    /// Message type: request or reply.
    pub kind: u8,
    /// Code, 0.
    pub code: u8,
    /// Checksum over the message, that of ICMPv6 over the pseudo-header, too.
    pub checksum: U16,
    /// Identifier.
    pub identifier: U16,
    /// Sequence number.
    pub sequence: U16,
}

impl EchoHeader {
    /// Gives the message another type in place, as a request becomes its reply. The checksum stays right (source and
    /// destination may change places) and stays wrong when it was.
    #[inline]
    pub fn turn_into(&mut self, kind: u8) {
        let old = u16::from_be_bytes([self.kind, self.code]);
        let new = u16::from_be_bytes([kind, self.code]);
        self.kind = kind;
        self.checksum = U16::new(checksum::update(self.checksum.get(), old, new));
    }
}

/// A message taken apart; `E` is the family's error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a, E> {
    /// An error and as much of the packet that caused it as came along.
    Error(E, &'a [u8]),
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

impl<'a, E> Packet<'a, E> {
    /// Takes a message apart whose checksum is over `sum` (the pseudo-header) and the message, whose echo messages
    /// are of the types `echo`, and whose errors `error` knows by their header.
    pub(crate) fn take_apart(
        bytes: &'a [u8],
        sum: u64,
        echo: [u8; 2],
        error: impl FnOnce(&Header) -> Option<E>,
    ) -> Result<Self, Error> {
        let (header, body) = Header::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
        if !checksum::verifies(checksum::add(sum, bytes)) {
            return Err(Error::Checksum);
        }
        if echo.contains(&header.kind) {
            let (echo, data) = EchoHeader::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
            return Ok(Self::Echo(echo, data));
        }
        Ok(match error(header) {
            Some(error) => Self::Error(error, body),
            None => Self::Other(header, body),
        })
    }
}
