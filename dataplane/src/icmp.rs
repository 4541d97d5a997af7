//! ICMPv6 messages built in place of the packet that caused them (RFC 4443).

pub(crate) mod ipv4;

use crate::rewrite::{header_mut, shift, write};
use crate::verdict::{Drop, Reply};
use packet::{Buf, NoRoom};
use std::net::Ipv6Addr;
use wire::icmpv6::{self, code, kind, EchoHeader, ErrorMessage, MAX_ERROR_LEN};
use wire::ipv6::{next_header, Header, HEADER_LEN};
use zerocopy::network_endian::U16;
use zerocopy::FromBytes;

/// Hop limit of what is sent from here.
const HOP_LIMIT: u8 = 64;

/// Something that is wrong with a packet, and how its sender is told. An IPv4 sender is told the same
/// in the words of its own protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// Verdict if the error goes out.
    pub(crate) reply: Reply,
    /// The error.
    pub(crate) error: ErrorMessage,
}

impl Problem {
    const fn unreachable(reply: Reply, code: u8) -> Self {
        let error = ErrorMessage::DestinationUnreachable { code };
        Self { reply, error }
    }

    const fn parameter(reply: Reply, code: u8, pointer: usize) -> Self {
        let pointer = pointer as u32;
        let error = ErrorMessage::ParameterProblem { code, pointer };
        Self { reply, error }
    }

    pub(crate) const NO_ROUTE: Self = Self::unreachable(Reply::NoRoute, code::NO_ROUTE);
    pub(crate) const NEIGHBOUR: Self =
        Self::unreachable(Reply::AddressUnreachable, code::ADDRESS_UNREACHABLE);
    pub(crate) const PORT: Self = Self::unreachable(Reply::PortUnreachable, code::PORT_UNREACHABLE);
    pub(crate) const HOP_LIMIT: Self = Self {
        reply: Reply::TimeExceeded,
        error: ErrorMessage::TimeExceeded {
            code: code::HOP_LIMIT_EXCEEDED,
        },
    };

    pub(crate) const REASSEMBLY: Self = Self {
        reply: Reply::ReassemblyTimeout,
        error: ErrorMessage::TimeExceeded {
            code: code::REASSEMBLY_TIME_EXCEEDED,
        },
    };
    /// A first fragment without all of the packet's headers (RFC 7112 section 5).
    pub(crate) const CHAIN: Self =
        Self::parameter(Reply::FragmentInvalid, code::INCOMPLETE_HEADER_CHAIN, 0);

    /// A fragment with a value that none has at `pointer` (RFC 8200 section 4.5).
    pub(crate) const fn fragment(pointer: usize) -> Self {
        Self::parameter(Reply::FragmentInvalid, code::ERRONEOUS_FIELD, pointer)
    }

    /// Larger than `mtu`.
    pub(crate) fn too_big(mtu: usize) -> Self {
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
        Self {
            reply: Reply::PacketTooBig,
            error: ErrorMessage::PacketTooBig { mtu },
        }
    }

    /// Larger than the link that it came on carries, which is `mtu`.
    pub(crate) fn oversized(mtu: usize) -> Self {
        Self {
            reply: Reply::Oversized,
            ..Self::too_big(mtu)
        }
    }

    /// The octet at `pointer` names a header that is not spoken here.
    pub(crate) const fn next_header(pointer: usize) -> Self {
        Self::parameter(
            Reply::UnrecognisedNextHeader,
            code::UNRECOGNIZED_NEXT_HEADER,
            pointer,
        )
    }

    /// The routing type at `pointer` is not known (RFC 8200 section 4.4).
    pub(crate) const fn routing(pointer: usize) -> Self {
        Self::parameter(
            Reply::UnrecognisedNextHeader,
            code::ERRONEOUS_FIELD,
            pointer,
        )
    }

    /// The encapsulation limit at `pointer` is zero (RFC 2473 section 6.7).
    pub(crate) const fn limit(pointer: usize) -> Self {
        Self::parameter(Reply::EncapsulationLimit, code::ERRONEOUS_FIELD, pointer)
    }

    /// How the packet ends when no error may be sent.
    pub(crate) const fn silently(self) -> Drop {
        match self.reply {
            Reply::TimeExceeded => Drop::HopLimit,
            Reply::PacketTooBig => Drop::TooBig,
            Reply::Oversized => Drop::Oversized,
            Reply::NoRoute => Drop::NoRoute,
            Reply::AddressUnreachable => Drop::NeighbourFailed,
            Reply::EncapsulationLimit => Drop::EncapsulationLimit,
            Reply::FragmentInvalid => Drop::FragmentInvalid,
            Reply::ReassemblyTimeout => Drop::ReassemblyTimeout,
            Reply::EchoReply | Reply::PortUnreachable | Reply::UnrecognisedNextHeader => {
                Drop::Unanswerable
            }
        }
    }
}

/// Turns the packet at `at` into the error that answers it, at the front of the buffer.
pub(crate) fn error<B: Buf>(
    buf: &mut B,
    at: usize,
    source: Ipv6Addr,
    error: ErrorMessage,
) -> Result<(), NoRoom> {
    let invoking = buf.data().get(at..).ok_or(NoRoom)?;
    let (header, _) = Header::ref_from_prefix(invoking).map_err(|_| NoRoom)?;
    let destination = header.source;
    let quoted = invoking.len().min(MAX_ERROR_LEN - icmpv6::HEADER_LEN);
    let length = icmpv6::HEADER_LEN + quoted;
    buf.set_len(at + quoted)?;
    shift(buf, at, HEADER_LEN + icmpv6::HEADER_LEN)?;
    let payload = u16::try_from(length).map_err(|_| NoRoom)?;
    let source = source.octets();
    let header = Header::new(source, destination, next_header::ICMPV6, HOP_LIMIT, payload);
    let data = buf.data_mut();
    write(data, &header)?;
    let message = data.get_mut(HEADER_LEN..).ok_or(NoRoom)?;
    if error.write_header(&source, &destination, message) {
        Ok(())
    } else {
        Err(NoRoom)
    }
}

/// Turns the echo request at `at`, whose ICMPv6 header starts `icmp` octets behind that, into its
/// reply, at the front of the buffer and without extension headers (RFC 4443 section 4.2).
pub(crate) fn echo_reply<B: Buf>(buf: &mut B, at: usize, icmp: usize) -> Result<(), NoRoom> {
    let request = buf.data().get(at..).ok_or(NoRoom)?;
    let (request, _) = Header::ref_from_prefix(request).map_err(|_| NoRoom)?;
    let mut reply = *request;
    std::mem::swap(&mut reply.source, &mut reply.destination);
    shift(buf, at + icmp, HEADER_LEN)?;
    let length = buf.data().len().checked_sub(HEADER_LEN).ok_or(NoRoom)?;
    reply.payload_length = U16::new(u16::try_from(length).map_err(|_| NoRoom)?);
    reply.next_header = next_header::ICMPV6;
    reply.hop_limit = HOP_LIMIT;
    *header_mut(buf, 0).ok_or(NoRoom)? = reply;
    let message = buf.data_mut().get_mut(HEADER_LEN..).ok_or(NoRoom)?;
    let (echo, _) = EchoHeader::mut_from_prefix(message).map_err(|_| NoRoom)?;
    echo.turn_into(kind::ECHO_REPLY);
    Ok(())
}
