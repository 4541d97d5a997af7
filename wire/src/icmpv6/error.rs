//! Error messages (RFC 4443 sections 2.4 and 3): when one may be sent, and how it is built.

use super::{kind, Header, HEADER_LEN};
use crate::checksum;
use crate::ipv6::{self, next_header, MIN_MTU};
use std::net::Ipv6Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, IntoBytes};

/// The most octets of an error message: with its IPv6 header it fits the minimum MTU.
pub const MAX_ERROR_LEN: usize = MIN_MTU - ipv6::HEADER_LEN;

/// An error, the packet that caused it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMessage {
    /// Destination Unreachable with its code.
    DestinationUnreachable {
        /// One of [`code`](super::code).
        code: u8,
    },
    /// Packet Too Big.
    PacketTooBig {
        /// MTU of the next hop in octets.
        mtu: u32,
    },
    /// Time Exceeded with its code.
    TimeExceeded {
        /// One of [`code`](super::code).
        code: u8,
    },
    /// Parameter Problem.
    ParameterProblem {
        /// One of [`code`](super::code).
        code: u8,
        /// Where the offending octet stands in the packet that caused the error.
        pointer: u32,
    },
}

impl ErrorMessage {
    /// Type, code and the word that follows the checksum.
    const fn fields(self) -> (u8, u8, u32) {
        match self {
            Self::DestinationUnreachable { code } => (kind::DESTINATION_UNREACHABLE, code, 0),
            Self::PacketTooBig { mtu } => (kind::PACKET_TOO_BIG, 0, mtu),
            Self::TimeExceeded { code } => (kind::TIME_EXCEEDED, code, 0),
            Self::ParameterProblem { code, pointer } => (kind::PARAMETER_PROBLEM, code, pointer),
        }
    }

    /// The error that a header stands for; `None` for other types.
    pub(super) const fn from_header(header: &Header) -> Option<Self> {
        let word = u32::from_be_bytes(header.word);
        let code = header.code;
        Some(match header.kind {
            kind::DESTINATION_UNREACHABLE => Self::DestinationUnreachable { code },
            kind::PACKET_TOO_BIG => Self::PacketTooBig { mtu: word },
            kind::TIME_EXCEEDED => Self::TimeExceeded { code },
            kind::PARAMETER_PROBLEM => Self::ParameterProblem {
                code,
                pointer: word,
            },
            _ => return None,
        })
    }

    /// Writes the eight octets of the ICMPv6 header over the front of `message`, whose rest is
    /// already the packet that caused the error, cut so that `message` is at most
    /// [`MAX_ERROR_LEN`]. `false`, with nothing written, when `message` is shorter than the header.
    #[inline]
    pub fn write_header(
        self,
        source: &[u8; 16],
        destination: &[u8; 16],
        message: &mut [u8],
    ) -> bool {
        let (kind, code, word) = self.fields();
        let mut header = Header {
            kind,
            code,
            checksum: U16::ZERO,
            word: word.to_be_bytes(),
        };
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let Ok((place, invoking)) = Header::mut_from_prefix(message) else {
            return false;
        };
        let sum = checksum::pseudo_header_v6(source, destination, length, next_header::ICMPV6);
        let sum = checksum::add(checksum::add(sum, header.as_bytes()), invoking);
        header.checksum = U16::new(checksum::finish(sum));
        *place = header;
        true
    }

    /// Writes the whole message to the front of `out`: header, then as much of `invoking`, the
    /// packet that caused the error from its IPv6 header on, as `out` and [`MAX_ERROR_LEN`] have
    /// room for. Answers with the octets written, or `None` when not even the header fits.
    #[inline]
    pub fn write(
        self,
        source: &[u8; 16],
        destination: &[u8; 16],
        invoking: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let room = out.len().min(MAX_ERROR_LEN).checked_sub(HEADER_LEN)?;
        let quoted = invoking.get(..room).unwrap_or(invoking);
        let length = HEADER_LEN + quoted.len();
        let message = out.get_mut(..length)?;
        message.get_mut(HEADER_LEN..)?.copy_from_slice(quoted);
        self.write_header(source, destination, message)
            .then_some(length)
    }

    /// Appends the whole message to `out`, as [`write`](Self::write) does.
    pub fn emit(self, source: Ipv6Addr, destination: Ipv6Addr, invoking: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let length = (HEADER_LEN + invoking.len()).min(MAX_ERROR_LEN);
        out.resize(start + length, 0);
        if let Some(message) = out.get_mut(start..) {
            self.write(&source.octets(), &destination.octets(), invoking, message);
        }
    }
}

/// Whether RFC 4443 section 2.4 (e) lets `error` be sent because of the IPv6 packet `invoking`:
/// not because of an ICMPv6 error or a redirect, nor because of a packet without one sender to answer,
/// nor because of one to a group, save for Packet Too Big and for an unrecognised option. Whether
/// the frame came as link-layer multicast is the caller's to know: it counts as a group then. Where it
/// does not show what the packet is, none may.
#[inline]
pub fn may_send_error(error: ErrorMessage, invoking: &[u8]) -> bool {
    let Ok((header, rest)) = ipv6::Header::ref_from_prefix(invoking) else {
        return false;
    };
    let source = Ipv6Addr::from(header.source);
    if source.is_unspecified() || source.is_multicast() {
        return false;
    }
    let answers_groups = matches!(
        error,
        ErrorMessage::PacketTooBig { .. }
            | ErrorMessage::ParameterProblem {
                code: super::code::UNRECOGNIZED_OPTION,
                ..
            }
    );
    if Ipv6Addr::from(header.destination).is_multicast() && !answers_groups {
        return false;
    }
    match ipv6::walk(header.next_header, rest) {
        Ok(chain) if chain.has_upper_header() => {
            let kind = rest.get(chain.offset);
            chain.upper != next_header::ICMPV6
                || kind.is_some_and(|&kind| kind >= kind::ECHO_REQUEST && kind != kind::REDIRECT)
        }
        // A later fragment: what its fragment header names is what the first one starts with, and
        // behind options anything may follow.
        Ok(chain) => !matches!(
            chain.upper,
            next_header::ICMPV6 | next_header::DESTINATION_OPTIONS
        ),
        // An error may hide where nobody can look.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{code, Packet};
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xb);
    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1);

    fn packet(source: Ipv6Addr, destination: Ipv6Addr, upper: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u16;
        let header = ipv6::Header::new(source.octets(), destination.octets(), upper, 64, length);
        [header.as_bytes(), payload].concat()
    }

    #[test]
    fn every_error_both_ways() {
        let errors = [
            (
                ErrorMessage::DestinationUnreachable { code: 3 },
                [1, 3],
                [0, 0, 0, 0],
            ),
            (
                ErrorMessage::PacketTooBig { mtu: 1452 },
                [2, 0],
                [0, 0, 5, 0xac],
            ),
            (ErrorMessage::TimeExceeded { code: 1 }, [3, 1], [0, 0, 0, 0]),
            (
                ErrorMessage::ParameterProblem {
                    code: 2,
                    pointer: 40,
                },
                [4, 2],
                [0, 0, 0, 40],
            ),
        ];
        let invoking = packet(B, A, next_header::UDP, &[7; 20]);
        for (error, front, word) in errors {
            let mut out = Vec::new();
            error.emit(A, B, &invoking, &mut out);
            assert_eq!(out[..2], front);
            assert_eq!(out[4..8], word);
            assert_eq!(out[8..], invoking);
            assert_eq!(
                Packet::parse(A, B, &out),
                Ok(Packet::Error(error, &invoking))
            );
        }
    }

    #[test]
    fn an_error_never_exceeds_the_minimum_mtu_nor_its_room() {
        let invoking = packet(B, A, next_header::UDP, &[7; 1400]);
        let error = ErrorMessage::TimeExceeded { code: 0 };
        let (a, b) = (A.octets(), B.octets());
        let mut out = [0; 1500];
        assert_eq!(error.write(&a, &b, &invoking, &mut out), Some(1240));
        assert_eq!(
            Packet::parse(A, B, &out[..1240]),
            Ok(Packet::Error(error, &invoking[..1232]))
        );
        assert_eq!(out[1240..], [0; 260]);
        assert_eq!(error.write(&a, &b, &invoking, &mut out[..100]), Some(100));
        assert_eq!(error.write(&a, &b, &invoking, &mut out[..7]), None);
        assert!(!error.write_header(&a, &b, &mut out[..7]));
    }

    #[test]
    fn errors_are_not_sent_where_they_must_not_be() {
        let exceeded = ErrorMessage::TimeExceeded { code: 0 };
        let too_big = ErrorMessage::PacketTooBig { mtu: 1280 };
        let option = ErrorMessage::ParameterProblem {
            code: code::UNRECOGNIZED_OPTION,
            pointer: 0,
        };
        let field = ErrorMessage::ParameterProblem {
            code: 0,
            pointer: 0,
        };
        let icmp = |kind: u8| packet(A, B, next_header::ICMPV6, &[kind, 0, 0, 0]);
        let behind_options = [58, 0, 1, 4, 0, 0, 0, 0, 3, 0, 0, 0];
        let cases = [
            (true, exceeded, packet(A, B, next_header::UDP, &[])),
            (true, exceeded, icmp(kind::ECHO_REQUEST)),
            (false, exceeded, icmp(kind::TIME_EXCEEDED)),
            (false, exceeded, icmp(100)),
            (false, exceeded, icmp(kind::REDIRECT)),
            (false, exceeded, packet(A, B, next_header::ICMPV6, &[])),
            (
                false,
                exceeded,
                packet(A, B, next_header::DESTINATION_OPTIONS, &behind_options),
            ),
            (
                false,
                exceeded,
                packet(Ipv6Addr::UNSPECIFIED, B, next_header::UDP, &[]),
            ),
            (false, exceeded, packet(GROUP, B, next_header::UDP, &[])),
            (false, exceeded, packet(A, GROUP, next_header::UDP, &[])),
            (true, too_big, packet(A, GROUP, next_header::UDP, &[])),
            (true, option, packet(A, GROUP, next_header::UDP, &[])),
            (false, field, packet(A, GROUP, next_header::UDP, &[])),
            (false, exceeded, vec![0x60; 39]),
            // Later fragments, and chains that nobody can follow to their end.
            (
                true,
                exceeded,
                packet(A, B, 44, &[next_header::UDP, 0, 0, 8, 0, 0, 0, 1, 9, 9]),
            ),
            (
                false,
                exceeded,
                packet(A, B, 44, &[58, 0, 0, 8, 0, 0, 0, 1, 128, 0]),
            ),
            (
                false,
                exceeded,
                packet(A, B, 44, &[60, 0, 0, 8, 0, 0, 0, 1, 9, 9]),
            ),
            (
                false,
                exceeded,
                packet(A, B, 44, &[58, 0, 0, 1, 0, 0, 0, 1]),
            ),
            (
                false,
                exceeded,
                packet(A, B, next_header::DESTINATION_OPTIONS, &[17, 9]),
            ),
        ];
        for (at, (may, error, invoking)) in cases.iter().enumerate() {
            assert_eq!(may_send_error(*error, invoking), *may, "case {at}");
        }
    }
}
