//! ICMP messages for IPv4, built in place of the packet that caused them (RFC 792, RFC 1812 section
//! 4.3).

use super::{Problem, HOP_LIMIT};
use crate::rewrite::{ipv4_mut, shift, write};
use crate::verdict::Reply;
use packet::{Buf, NoRoom};
use std::net::Ipv4Addr;
use wire::icmpv4::{code, kind, EchoHeader, ErrorMessage, HEADER_LEN as ICMP_LEN, MAX_ERROR_LEN};
use wire::icmpv6;
use wire::ipv4::{protocol, Header, HEADER_LEN};
use zerocopy::FromBytes;

/// Precedence of ICMP errors: internetwork control (RFC 1812 section 4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 6 << 5;

/// What an IPv4 sender is told of a problem.
fn message(problem: Problem) -> ErrorMessage {
    let unreachable = |code| ErrorMessage::DestinationUnreachable { code };
    match (problem.reply, problem.error) {
        (_, icmpv6::ErrorMessage::PacketTooBig { mtu }) => ErrorMessage::FragmentationNeeded {
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
        },
        (Reply::TimeExceeded, _) => ErrorMessage::TimeExceeded {
            code: code::TTL_EXCEEDED,
        },
        (Reply::AddressUnreachable, _) => unreachable(code::HOST_UNREACHABLE),
        (Reply::PortUnreachable, _) => unreachable(code::PORT_UNREACHABLE),
        (Reply::UnrecognisedNextHeader, _) => unreachable(code::PROTOCOL_UNREACHABLE),
        _ => unreachable(code::NETWORK_UNREACHABLE),
    }
}

/// Turns the packet at `at` into the error that answers it, at the front of the buffer.
pub(crate) fn error<B: Buf>(
    buf: &mut B,
    at: usize,
    source: Ipv4Addr,
    problem: Problem,
) -> Result<(), NoRoom> {
    let invoking = buf.data().get(at..).ok_or(NoRoom)?;
    let (header, _) = Header::ref_from_prefix(invoking).map_err(|_| NoRoom)?;
    let destination = Ipv4Addr::from(header.source);
    let quoted = invoking.len().min(MAX_ERROR_LEN - ICMP_LEN);
    buf.set_len(at + quoted)?;
    shift(buf, at, HEADER_LEN + ICMP_LEN)?;
    let length = u16::try_from(HEADER_LEN + ICMP_LEN + quoted).map_err(|_| NoRoom)?;
    let mut header = Header::new(source, destination, protocol::ICMP, HOP_LIMIT, length);
    header.set_traffic_class(INTERNETWORK_CONTROL);
    let data = buf.data_mut();
    write(data, &header)?;
    let place = data.get_mut(HEADER_LEN..).ok_or(NoRoom)?;
    if message(problem).write_header(place) {
        Ok(())
    } else {
        Err(NoRoom)
    }
}

/// Turns the echo request at `at`, whose ICMP header starts `icmp` octets behind that, into its reply,
/// at the front of the buffer and without options.
pub(crate) fn echo_reply<B: Buf>(buf: &mut B, at: usize, icmp: usize) -> Result<(), NoRoom> {
    let request = buf.data().get(at..).ok_or(NoRoom)?;
    let (request, _) = Header::ref_from_prefix(request).map_err(|_| NoRoom)?;
    let mut reply = *request;
    shift(buf, at + icmp, HEADER_LEN)?;
    let length = u16::try_from(buf.data().len()).map_err(|_| NoRoom)?;
    reply.answer(HOP_LIMIT, length);
    *ipv4_mut(buf, 0).ok_or(NoRoom)? = reply;
    let message = buf.data_mut().get_mut(HEADER_LEN..).ok_or(NoRoom)?;
    let (echo, _) = EchoHeader::mut_from_prefix(message).map_err(|_| NoRoom)?;
    echo.turn_into(kind::ECHO_REPLY);
    Ok(())
}
