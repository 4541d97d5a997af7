//! Error messages (RFC 792, RFC 1812 section 4.3): when one may be sent, and how it is built.

use super::{code, kind, Header, HEADER_LEN};
use crate::checksum;
use crate::ipv4::{self, address, protocol};
use std::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, IntoBytes};

/// The most octets of an error message: with its IPv4 header the packet has 576 (RFC 1812 section
/// 4.3.2.3).
pub const MAX_ERROR_LEN: usize = 576 - ipv4::HEADER_LEN;

/// An error, the packet that caused it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMessage {
    /// Destination Unreachable with its code, which is any but that of the next.
    DestinationUnreachable {
        /// One of [`code`](super::code).
        code: u8,
    },
    /// Destination Unreachable, fragmentation needed and DF set (RFC 1191 section 4).
    FragmentationNeeded {
        /// MTU of the next hop in octets; 0 from a router that does not say.
        mtu: u16,
    },
    /// Time Exceeded with its code.
    TimeExceeded {
        /// 0 in transit, 1 while fragments were awaited.
        code: u8,
    },
    /// Parameter Problem with its code.
    ParameterProblem {
        /// 0 where `pointer` means something.
        code: u8,
        /// Where the offending octet stands in the packet that caused the error.
        pointer: u8,
    },
}

impl ErrorMessage {
    /// Type, code and the word that follows the checksum.
    const fn fields(self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::DestinationUnreachable { code } => (kind::DESTINATION_UNREACHABLE, code, [0; 4]),
            Self::FragmentationNeeded { mtu } => {
                let [high, low] = mtu.to_be_bytes();
                let code = code::FRAGMENTATION_NEEDED;
                (kind::DESTINATION_UNREACHABLE, code, [0, 0, high, low])
            }
            Self::TimeExceeded { code } => (kind::TIME_EXCEEDED, code, [0; 4]),
            Self::ParameterProblem { code, pointer } => {
                (kind::PARAMETER_PROBLEM, code, [pointer, 0, 0, 0])
            }
        }
    }

    /// The error that a header stands for; `None` for other types.
    pub(super) const fn from_header(header: &Header) -> Option<Self> {
        let code = header.code;
        let [first, _, high, low] = header.word;
        Some(match (header.kind, code) {
            (kind::DESTINATION_UNREACHABLE, code::FRAGMENTATION_NEEDED) => {
                Self::FragmentationNeeded {
                    mtu: u16::from_be_bytes([high, low]),
                }
            }
            (kind::DESTINATION_UNREACHABLE, _) => Self::DestinationUnreachable { code },
            (kind::TIME_EXCEEDED, _) => Self::TimeExceeded { code },
            (kind::PARAMETER_PROBLEM, _) => Self::ParameterProblem {
                code,
                pointer: first,
            },
            _ => return None,
        })
    }

    /// Writes the eight octets of the ICMP header over the front of `message`, whose rest is already
    /// the packet that caused the error, cut so that `message` is at most [`MAX_ERROR_LEN`]. `false`,
    /// with nothing written, when `message` is shorter than the header.
    #[inline]
    pub fn write_header(self, message: &mut [u8]) -> bool {
        let (kind, code, word) = self.fields();
        let mut header = Header {
            kind,
            code,
            checksum: U16::ZERO,
            word,
        };
        let Ok((place, invoking)) = Header::mut_from_prefix(message) else {
            return false;
        };
        let sum = checksum::add(checksum::add(0, header.as_bytes()), invoking);
        header.checksum = U16::new(checksum::finish(sum));
        *place = header;
        true
    }

    /// Appends the whole message to `out`: header, then as much of `invoking`, the packet that caused
    /// the error from its IPv4 header on, as [`MAX_ERROR_LEN`] has room for.
    pub fn emit(self, invoking: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let quoted = invoking.len().min(MAX_ERROR_LEN - HEADER_LEN);
        out.extend([0; HEADER_LEN]);
        out.extend(invoking.iter().take(quoted));
        if let Some(message) = out.get_mut(start..) {
            self.write_header(message);
        }
    }
}

/// Whether RFC 1812 section 4.3.2.7 lets an error be sent because of the IPv4 packet `invoking`: not
/// because of an ICMP error, of a fragment but the first, of a packet to a group, nor of one without
/// one sender to answer. Whether the frame came as link-layer broadcast is the caller's to know.
#[inline]
pub fn may_send_error(invoking: &[u8]) -> bool {
    let Ok((header, _)) = ipv4::Header::ref_from_prefix(invoking) else {
        return false;
    };
    let source = Ipv4Addr::from(header.source);
    let destination = Ipv4Addr::from(header.destination);
    if address::never_a_source(source)
        || address::is_group(destination)
        || header.fragment_offset() != 0
    {
        return false;
    }
    if header.protocol != protocol::ICMP {
        return true;
    }
    let kind = invoking.get(header.header_len());
    kind.is_some_and(|&kind| !kind::is_error(kind))
}

#[cfg(test)]
mod tests {
    use super::super::Packet;
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

    fn packet(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = (ipv4::HEADER_LEN + payload.len()) as u16;
        let header = ipv4::Header::new(source, destination, protocol, 64, length);
        [header.as_bytes(), payload].concat()
    }

    #[test]
    fn every_error_both_ways() {
        let errors = [
            (
                ErrorMessage::DestinationUnreachable { code: 1 },
                [3, 1],
                [0; 4],
            ),
            (
                ErrorMessage::FragmentationNeeded { mtu: 1452 },
                [3, 4],
                [0, 0, 5, 0xac],
            ),
            (ErrorMessage::TimeExceeded { code: 0 }, [11, 0], [0; 4]),
            (
                ErrorMessage::ParameterProblem {
                    code: 0,
                    pointer: 20,
                },
                [12, 0],
                [20, 0, 0, 0],
            ),
        ];
        let invoking = packet(B, A, protocol::UDP, &[7; 21]);
        for (error, front, word) in errors {
            let mut out = Vec::new();
            error.emit(&invoking, &mut out);
            assert_eq!(out[..2], front);
            assert_eq!(out[4..8], word);
            assert_eq!(out[8..], invoking);
            assert_eq!(Packet::parse(&out), Ok(Packet::Error(error, &invoking)));
        }
    }

    #[test]
    fn an_error_never_exceeds_its_limit_nor_its_room() {
        let invoking = packet(B, A, protocol::UDP, &[7; 1400]);
        let error = ErrorMessage::TimeExceeded { code: 0 };
        let mut out = vec![9];
        error.emit(&invoking, &mut out);
        assert_eq!(out.len(), 1 + MAX_ERROR_LEN);
        assert!(Packet::parse(&out[1..]).is_ok());
        assert!(!error.write_header(&mut out[..7]));
    }

    #[test]
    fn errors_are_not_sent_where_they_must_not_be() {
        let icmp = |kind: u8| packet(A, B, protocol::ICMP, &[kind, 0, 0, 0]);
        let group = Ipv4Addr::new(224, 0, 0, 1);
        let fragment = |offset| {
            let mut header = ipv4::Header::new(A, B, protocol::UDP, 64, 20);
            header.set_fragment(false, true, offset);
            header.as_bytes().to_vec()
        };
        let cases = [
            (true, packet(A, B, protocol::UDP, &[])),
            (true, icmp(kind::ECHO_REQUEST)),
            (true, icmp(13)),
            (false, icmp(kind::TIME_EXCEEDED)),
            (false, icmp(kind::REDIRECT)),
            (false, icmp(kind::SOURCE_QUENCH)),
            (false, icmp(99)),
            (false, packet(A, B, protocol::ICMP, &[])),
            (false, packet(A, group, protocol::UDP, &[])),
            (false, packet(A, Ipv4Addr::BROADCAST, protocol::UDP, &[])),
            (false, packet(group, B, protocol::UDP, &[])),
            (false, packet(Ipv4Addr::UNSPECIFIED, B, protocol::UDP, &[])),
            (false, packet(Ipv4Addr::LOCALHOST, B, protocol::UDP, &[])),
            (true, fragment(0)),
            (false, fragment(8)),
            (false, vec![0x45; 19]),
        ];
        for (at, (may, invoking)) in cases.iter().enumerate() {
            assert_eq!(may_send_error(invoking), *may, "case {at}");
        }
    }
}
