//! Whole packets and frames of the gateway's own, and taking punted ones apart.

use std::net::{Ipv4Addr, Ipv6Addr};
use wire::arp;
use wire::checksum;
use wire::ether::{self, ethertype, Frame, MacAddr};
use wire::icmpv4;
use wire::icmpv6::{code, ErrorMessage};
use wire::ipv4;
use wire::ipv6::{self, next_header, ChainError, Header, HeaderError, HeaderOption, HeaderOptions};
use wire::nd::NdMessage;
use wire::udp::Datagram;
use zerocopy::IntoBytes;

/// Octets of an Ethernet header.
pub const ETHER_LEN: usize = 14;

/// Octets of a UDP header.
const UDP_LEN: usize = 8;

/// EtherType of IPv6.
const ETHER_IPV6: [u8; 2] = [0x86, 0xdd];

/// Hop limit of what is not neighbour discovery.
const HOP_LIMIT: u8 = 64;

/// Whether a frame holds an IPv4 packet.
pub fn is_ipv4(frame: &[u8]) -> bool {
    Frame::parse(frame).is_ok_and(|frame| frame.ethertype == ethertype::IPV4)
}

/// A packet that came in a punted frame.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Link-layer source.
    pub mac: MacAddr,
    /// The IPv6 packet, link-layer padding left out.
    pub packet: &'a [u8],
    /// Its source address.
    pub source: Ipv6Addr,
    /// Its destination address.
    pub destination: Ipv6Addr,
    /// Its hop limit.
    pub hop_limit: u8,
    /// Next Header of its fixed header.
    pub next_header: u8,
    /// What follows the fixed header.
    pub payload: &'a [u8],
}

/// Why a frame holds no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// It is no IPv6 frame.
    NotIpv6,
    /// Its packet is not whole.
    Header(HeaderError),
}

impl<'a> Received<'a> {
    /// Takes a frame apart.
    ///
    /// # Errors
    ///
    /// See [`FrameError`].
    pub fn of(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (ether, packet) = frame
            .split_first_chunk::<ETHER_LEN>()
            .ok_or(FrameError::NotIpv6)?;
        let [_, _, _, _, _, _, a, b, c, d, e, f, kind @ ..] = *ether;
        if kind != ETHER_IPV6 {
            return Err(FrameError::NotIpv6);
        }
        Self::of_packet(MacAddr([a, b, c, d, e, f]), packet)
    }

    /// Takes a packet apart that came from `mac`; of one that came by no link of ours nobody asks.
    ///
    /// # Errors
    ///
    /// See [`FrameError`].
    pub fn of_packet(mac: MacAddr, packet: &'a [u8]) -> Result<Self, FrameError> {
        let (header, payload) = Header::split(packet).map_err(FrameError::Header)?;
        let whole = ipv6::HEADER_LEN + payload.len();
        Ok(Self {
            mac,
            packet: packet.get(..whole).unwrap_or(packet),
            source: header.source.into(),
            destination: header.destination.into(),
            hop_limit: header.hop_limit,
            next_header: header.next_header,
            payload,
        })
    }
}

/// A UDP datagram over IPv4 that came in a punted frame, its checksum right.
#[derive(Clone, Copy, Debug)]
pub struct Datagram4<'a> {
    /// Link-layer source.
    pub mac: MacAddr,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source and destination port.
    pub ports: (u16, u16),
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram4<'a> {
    /// Takes a frame apart; none of one that holds no whole datagram, or whose checksum is wrong or missing.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let frame = Frame::parse(frame).ok()?;
        let parts = ipv4::Header::split(frame.payload).ok()?;
        let header = parts.header;
        let udp = header.protocol == ipv4::protocol::UDP && !header.is_fragment();
        let ([a, b, c, d, e, f, sum @ ..], _) = parts.payload.split_first_chunk::<UDP_LEN>()?;
        let length = usize::from(u16::from_be_bytes([*e, *f]));
        let datagram = parts.payload.get(..length).filter(|_| udp)?;
        let right = datagram_sum(header.source, header.destination, datagram) == 0;
        let payload = datagram.get(UDP_LEN..)?;
        (frame.ethertype == ethertype::IPV4 && right && *sum != [0, 0]).then_some(Self {
            mac: frame.header.source,
            source: header.source.into(),
            destination: header.destination.into(),
            ports: (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
            payload,
        })
    }

    /// The same with addresses in their IPv6 form. There is no IPv6 packet about which an error could be sent.
    pub fn received(&self) -> Received<'a> {
        Received {
            mac: self.mac,
            packet: &[],
            source: self.source.to_ipv6_mapped(),
            destination: self.destination.to_ipv6_mapped(),
            hop_limit: 0,
            next_header: next_header::UDP,
            payload: self.payload,
        }
    }
}

/// The upper layer of a packet that is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper<'a> {
    /// Next header value of the upper layer.
    pub kind: u8,
    /// Where it starts, from the first octet of the packet.
    pub offset: usize,
    /// Its octets.
    pub bytes: &'a [u8],
}

/// Why the extension headers of a packet for us end its journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They cannot be walked.
    Chain(ChainError),
    /// The packet is a fragment.
    Fragment,
    /// An option that is not known here and says that the packet is to be discarded (RFC 8200
    /// section 4.2), or one that runs past the end of its header.
    Option(Option<ErrorMessage>),
    /// A routing header with segments left (RFC 8200 section 4.4).
    Routing(ErrorMessage),
}

/// The ICMPv6 Parameter Problem that says that the field at `offset` of the packet is wrong.
pub fn erroneous_field(offset: usize) -> ErrorMessage {
    ErrorMessage::ParameterProblem {
        code: code::ERRONEOUS_FIELD,
        pointer: u32::try_from(offset).unwrap_or(u32::MAX),
    }
}

/// Walks to the upper layer of a packet that is for us: every option has its say on the way.
///
/// # Errors
///
/// See [`Refusal`].
pub fn upper<'a>(received: &Received<'a>) -> Result<Upper<'a>, Refusal> {
    let payload = received.payload;
    let chain = ipv6::walk(received.next_header, payload).map_err(Refusal::Chain)?;
    let mut kind = received.next_header;
    let mut at = 0;
    while at < chain.offset {
        let Some([next, units, rest @ ..]) = payload.get(at..).and_then(|p| p.first_chunk::<4>())
        else {
            return Err(Refusal::Chain(ChainError::Truncated(at)));
        };
        let length = match kind {
            next_header::FRAGMENT => 8,
            _ => (usize::from(*units) + 1) * 8,
        };
        let header = payload.get(at..at + length).unwrap_or_default();
        match kind {
            next_header::HOP_BY_HOP | next_header::DESTINATION_OPTIONS => {
                check_options(header, ipv6::HEADER_LEN + at)?;
            }
            next_header::ROUTING if rest[1] > 0 => {
                let routing_type = ipv6::HEADER_LEN + at + 2;
                return Err(Refusal::Routing(erroneous_field(routing_type)));
            }
            _ => {}
        }
        kind = *next;
        at += length;
    }
    if chain
        .fragment
        .is_some_and(|fragment| fragment.offset > 0 || fragment.more)
    {
        return Err(Refusal::Fragment);
    }
    Ok(Upper {
        kind: chain.upper,
        offset: ipv6::HEADER_LEN + chain.offset,
        bytes: payload.get(chain.offset..).unwrap_or_default(),
    })
}

/// What the upper bits of the type of each unknown option ask for (RFC 8200 section 4.2).
fn check_options(header: &[u8], at: usize) -> Result<(), Refusal> {
    for option in HeaderOptions::new(header) {
        let Ok(option) = option else {
            return Err(Refusal::Option(None));
        };
        if matches!(
            option.kind,
            HeaderOption::TUNNEL_ENCAPSULATION_LIMIT | HeaderOption::ROUTER_ALERT
        ) {
            continue;
        }
        let answer = match option.kind >> 6 {
            0 => continue,
            1 => None,
            // For a multicast destination the last two differ; no message for a group comes here.
            _ => Some(ErrorMessage::ParameterProblem {
                code: code::UNRECOGNIZED_OPTION,
                pointer: u32::try_from(at + option.offset).unwrap_or(u32::MAX),
            }),
        };
        return Err(Refusal::Option(answer));
    }
    Ok(())
}

/// An IPv6 packet around `payload`.
fn ipv6_packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let header = Header::new(
        source.octets(),
        destination.octets(),
        kind,
        hop_limit,
        length,
    );
    let mut packet = Vec::with_capacity(ipv6::HEADER_LEN + payload.len());
    packet.extend(header.as_bytes());
    packet.extend(payload);
    packet
}

/// A packet that carries an ICMPv6 message to a neighbour, and goes no farther.
pub fn icmpv6_packet(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let kind = next_header::ICMPV6;
    ipv6_packet(source, destination, kind, wire::nd::HOP_LIMIT, message)
}

/// A packet that carries the octets of a mobility message.
pub fn mobility_packet(source: Ipv6Addr, destination: Ipv6Addr, octets: &[u8]) -> Vec<u8> {
    let kind = next_header::MOBILITY;
    ipv6_packet(source, destination, kind, HOP_LIMIT, octets)
}

/// A packet that carries an ICMPv6 error about `packet` to its sender.
pub fn error_packet(source: Ipv6Addr, packet: &Received<'_>, error: ErrorMessage) -> Vec<u8> {
    error_about(source, packet.source, packet.packet, error)
}

/// A packet that carries an ICMPv6 error about `packet`, as far as there is of it, to `sender`.
pub fn error_about(
    source: Ipv6Addr,
    sender: Ipv6Addr,
    packet: &[u8],
    error: ErrorMessage,
) -> Vec<u8> {
    let mut message = Vec::new();
    error.emit(source, sender, packet, &mut message);
    ipv6_packet(source, sender, next_header::ICMPV6, HOP_LIMIT, &message)
}

/// A packet that carries an ICMP error about the IPv4 `packet`, as far as there is of it, to `sender`.
pub fn error_about_ipv4(
    source: Ipv4Addr,
    sender: Ipv4Addr,
    packet: &[u8],
    error: icmpv4::ErrorMessage,
) -> Vec<u8> {
    let mut message = Vec::new();
    error.emit(packet, &mut message);
    let length = u16::try_from(ipv4::HEADER_LEN + message.len()).unwrap_or(u16::MAX);
    let kind = ipv4::protocol::ICMP;
    let header = ipv4::Header::new(source, sender, kind, HOP_LIMIT, length);
    [header.as_bytes(), &message].concat()
}

/// A frame that carries a neighbour discovery message.
///
/// # Errors
///
/// What [`NdMessage::emit`] says.
pub fn discovery_frame(
    macs: (MacAddr, MacAddr),
    source: Ipv6Addr,
    destination: Ipv6Addr,
    message: &NdMessage,
) -> Result<Vec<u8>, wire::nd::EmitError> {
    let mut bytes = Vec::with_capacity(96);
    message.emit(source, destination, &mut bytes)?;
    let kind = next_header::ICMPV6;
    let packet = ipv6_packet(source, destination, kind, wire::nd::HOP_LIMIT, &bytes);
    Ok(ipv6_frame(macs, &packet))
}

/// A frame that carries an IPv6 packet.
pub fn ipv6_frame((from, to): (MacAddr, MacAddr), packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHER_LEN + packet.len());
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(ETHER_IPV6);
    frame.extend(packet);
    frame
}

/// A packet that carries a datagram; `None` when that is too long.
pub fn udp_packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    datagram: Datagram<'_>,
) -> Option<Vec<u8>> {
    let bytes = datagram.emit(source, destination)?;
    let kind = next_header::UDP;
    Some(ipv6_packet(source, destination, kind, HOP_LIMIT, &bytes))
}

/// A frame that carries a UDP datagram over IPv4 between two ends, addresses with ports.
pub fn datagram_frame(
    macs: (MacAddr, MacAddr),
    ends: ((Ipv4Addr, u16), (Ipv4Addr, u16)),
    payload: &[u8],
) -> Vec<u8> {
    let link = ether::Header::new(macs.1, macs.0, ethertype::IPV4);
    [link.as_bytes(), &datagram_packet(ends, payload)].concat()
}

/// A packet that carries a UDP datagram over IPv4 between two ends, addresses with ports.
pub fn datagram_packet(
    (source, destination): ((Ipv4Addr, u16), (Ipv4Addr, u16)),
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(UDP_LEN + payload.len()).unwrap_or(u16::MAX);
    let mut datagram = Vec::with_capacity(length.into());
    for field in [source.1, destination.1, length, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    let (from, to) = (source.0.octets(), destination.0.octets());
    // Zero stands for none.
    let sum = match datagram_sum(from, to, &datagram) {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let total = length.saturating_add(ipv4::HEADER_LEN as u16);
    let header = ipv4::Header::new(
        source.0,
        destination.0,
        ipv4::protocol::UDP,
        HOP_LIMIT,
        total,
    );
    [header.as_bytes(), &datagram].concat()
}

/// The checksum over a UDP datagram and its addresses: 0 for one whose own is right (RFC 768).
pub fn datagram_sum(source: [u8; 4], destination: [u8; 4], datagram: &[u8]) -> u16 {
    let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    let mut sum = checksum::add(0, &source);
    sum = checksum::add(sum, &destination);
    sum = checksum::add(sum, &u16::from(ipv4::protocol::UDP).to_be_bytes());
    sum = checksum::add(sum, &length.to_be_bytes());
    checksum::finish(checksum::add(sum, datagram))
}

/// A frame that carries an ARP packet.
pub fn arp_frame(macs: (MacAddr, MacAddr), packet: &arp::Packet) -> Vec<u8> {
    let (from, to) = macs;
    let header = ether::Header::new(to, from, ethertype::ARP);
    [header.as_bytes(), packet.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
        let source = "2001:db8::1".parse().unwrap();
        let destination = "2001:db8::2".parse().unwrap();
        let mut frame = vec![2; 12];
        frame.extend(ETHER_IPV6);
        frame.extend(ipv6_packet(source, destination, kind, 64, payload));
        frame
    }

    fn walked(kind: u8, payload: &[u8]) -> Result<(u8, usize), Refusal> {
        let frame = packet(kind, payload);
        let received = Received::of(&frame).unwrap();
        upper(&received).map(|upper| (upper.kind, upper.offset))
    }

    #[test]
    fn a_frame_without_a_whole_packet_is_named() {
        assert_eq!(Received::of(&[0; 13]).unwrap_err(), FrameError::NotIpv6);
        let mut frame = packet(59, &[1, 2, 3]);
        frame.pop();
        assert_eq!(
            Received::of(&frame).unwrap_err(),
            FrameError::Header(HeaderError::PayloadTruncated)
        );
        frame[13] = 0;
        assert_eq!(Received::of(&frame).unwrap_err(), FrameError::NotIpv6);
    }

    #[test]
    fn options_are_skipped_or_refused_as_their_type_says() {
        assert_eq!(walked(135, &[0; 8]), Ok((135, 40)));
        // Padding, an encapsulation limit, and an unknown option that may be skipped.
        let header = [135, 1, 1, 0, 4, 1, 9, 0x1e, 2, 0, 0, 1, 3, 0, 0, 0];
        assert_eq!(walked(60, &header), Ok((135, 56)));
        let with = |kind| [135, 0, 1, 0, kind, 2, 0, 0];
        assert_eq!(walked(60, &with(0x5e)), Err(Refusal::Option(None)));
        let problem = ErrorMessage::ParameterProblem {
            code: 2,
            pointer: 44,
        };
        for kind in [0x9e, 0xc9] {
            // The second is the Home Address option: no role that takes it runs here.
            assert_eq!(walked(60, &with(kind)), Err(Refusal::Option(Some(problem))));
        }
        let overlong = [135, 0, 0x1e, 9, 0, 0, 0, 0];
        assert_eq!(walked(60, &overlong), Err(Refusal::Option(None)));
    }

    #[test]
    fn fragments_and_routing_headers_are_refused() {
        assert_eq!(
            walked(44, &[135, 0, 0, 1, 0, 0, 0, 1, 59, 0]),
            Err(Refusal::Fragment)
        );
        // An atomic fragment is a whole packet (RFC 6946).
        assert_eq!(walked(44, &[135, 0, 0, 0, 0, 0, 0, 1]), Ok((135, 48)));
        assert_eq!(
            walked(43, &[135, 0, 4, 1, 0, 0, 0, 0]),
            Err(Refusal::Routing(erroneous_field(42)))
        );
        assert_eq!(walked(43, &[135, 0, 4, 0, 0, 0, 0, 0]), Ok((135, 48)));
        assert_eq!(
            walked(60, &[135]),
            Err(Refusal::Chain(ChainError::Truncated(0)))
        );
    }

    #[test]
    fn an_error_quotes_no_more_than_fits() {
        let frame = packet(135, &[7; 1_400]);
        let received = Received::of(&frame).unwrap();
        let source = received.destination;
        let answer = error_packet(source, &received, erroneous_field(41));
        assert_eq!(answer.len(), ipv6::MIN_MTU);
        let (header, body) = Header::split(&answer).unwrap();
        assert_eq!(Ipv6Addr::from(header.destination), received.source);
        assert_eq!(body[..2], [4, 0]);
        assert_eq!(body[4..8], 41_u32.to_be_bytes());
        assert_eq!(body[8..48], received.packet[..40]);
    }
}
