//! ICMPv6 (RFC 4443): header and echo as views over packet bytes, decoding for control, and error
//! messages, which [`ErrorMessage`] builds. Neighbour discovery is in [`nd`](crate::nd).

mod error;

pub use crate::icmp::{EchoHeader, Error, Header, HEADER_LEN};
pub use error::{may_send_error, ErrorMessage, MAX_ERROR_LEN};

use crate::ipv6::next_header;
use crate::{checksum, icmp};
use std::net::Ipv6Addr;

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

/// A message taken apart.
pub type Packet<'a> = icmp::Packet<'a, ErrorMessage>;

impl<'a> Packet<'a> {
    /// Takes a message apart. `bytes` start at the type octet and end with the packet, the addresses
    /// are those of its IPv6 header.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(source: Ipv6Addr, destination: Ipv6Addr, bytes: &'a [u8]) -> Result<Self, Error> {
        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            next_header::ICMPV6,
        );
        let echo = [kind::ECHO_REQUEST, kind::ECHO_REPLY];
        Self::take_apart(bytes, sum, echo, ErrorMessage::from_header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

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
        header.turn_into(kind::ECHO_REPLY);
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
