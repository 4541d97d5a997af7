//! ICMP for IPv4 (RFC 792): header and echo as views over packet bytes, decoding, and error messages,
//! which [`ErrorMessage`] builds.

mod error;

pub use crate::icmp::{EchoHeader, Error, Header, HEADER_LEN};
pub use error::{may_send_error, ErrorMessage, MAX_ERROR_LEN};

use crate::icmp;

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

/// A message taken apart.
pub type Packet<'a> = icmp::Packet<'a, ErrorMessage>;

impl<'a> Packet<'a> {
    /// Takes a message apart. `bytes` start at the type octet and end with the packet.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let echo = [kind::ECHO_REQUEST, kind::ECHO_REPLY];
        Self::take_apart(bytes, 0, echo, ErrorMessage::from_header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

    const REQUEST: [u8; 12] = [8, 0, 0x06, 0xf4, 0x12, 0x34, 0, 7, b'p', b'i', b'n', b'g'];

    #[test]
    fn an_echo_request_becomes_its_reply() {
        let Ok(Packet::Echo(echo, b"ping")) = Packet::parse(&REQUEST) else {
            panic!("not an echo: {:?}", Packet::parse(&REQUEST));
        };
        assert_eq!((echo.identifier.get(), echo.sequence.get()), (0x1234, 7));
        let mut reply = REQUEST;
        let (header, _) = EchoHeader::mut_from_prefix(&mut reply).unwrap();
        header.turn_into(kind::ECHO_REPLY);
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
