//! Frames as hosts and peers send them, and what came back taken apart.

use std::net::Ipv6Addr;
use wire::checksum;
use wire::ether::MacAddr;
use wire::ipv6::address::multicast_mac;
use wire::ipv6::{next_header, Header};
use wire::mh::Message;
use wire::nd::NdMessage;
use zerocopy::IntoBytes;

/// An address from its text.
pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An IPv6 packet.
pub fn packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let length = payload.len() as u16;
    let header = Header::new(
        source.octets(),
        destination.octets(),
        kind,
        hop_limit,
        length,
    );
    let mut packet = header.as_bytes().to_vec();
    packet.extend(payload);
    packet
}

/// An Ethernet frame around an IPv6 packet.
pub fn frame(from: MacAddr, to: MacAddr, packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend([0x86, 0xdd]);
    frame.extend(packet);
    frame
}

/// An ICMPv6 message with its checksum.
pub fn icmp(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    let sum = checksum::pseudo_header_v6(
        &source.octets(),
        &destination.octets(),
        message.len() as u32,
        next_header::ICMPV6,
    );
    let check = checksum::finish(checksum::add(sum, &message));
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// A packet with an ICMPv6 message.
pub fn icmp_packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    code: u8,
    rest: &[u8],
) -> Vec<u8> {
    let message = icmp(source, destination, kind, code, rest);
    packet(source, destination, next_header::ICMPV6, 64, &message)
}

/// A packet with a neighbour discovery message.
pub fn nd_packet(source: Ipv6Addr, destination: Ipv6Addr, message: &NdMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(source, destination, &mut bytes).unwrap();
    packet(source, destination, next_header::ICMPV6, 255, &bytes)
}

/// A packet with a mobility message.
pub fn mh_packet(source: Ipv6Addr, destination: Ipv6Addr, message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(source, destination, &mut bytes).unwrap();
    packet(source, destination, next_header::MOBILITY, 64, &bytes)
}

/// The link-layer address of a multicast group, or `mac`.
pub fn mac_of(destination: Ipv6Addr, mac: MacAddr) -> MacAddr {
    if destination.is_multicast() {
        multicast_mac(destination)
    } else {
        mac
    }
}

/// A frame taken apart.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Link-layer destination.
    pub to: MacAddr,
    /// Link-layer source.
    pub from: MacAddr,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// Next header.
    pub kind: u8,
    /// What follows the IPv6 header.
    pub payload: Vec<u8>,
    /// The IPv6 packet.
    pub packet: Vec<u8>,
}

impl Seen {
    /// Takes a frame apart; `None` when it holds no IPv6 packet.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let (ether, packet) = frame.split_first_chunk::<14>()?;
        if ether[12..] != [0x86, 0xdd] {
            return None;
        }
        let (header, payload) = Header::split(packet).ok()?;
        Some(Self {
            to: MacAddr(ether[..6].try_into().unwrap()),
            from: MacAddr(ether[6..12].try_into().unwrap()),
            source: header.source.into(),
            destination: header.destination.into(),
            hop_limit: header.hop_limit,
            kind: header.next_header,
            payload: payload.to_vec(),
            packet: packet[..40 + payload.len()].to_vec(),
        })
    }

    /// Its neighbour discovery message, if it has one.
    pub fn nd(&self) -> Option<NdMessage> {
        if self.kind != next_header::ICMPV6 {
            return None;
        }
        let parsed = NdMessage::parse(self.source, self.destination, self.hop_limit, &self.payload);
        parsed.ok()
    }

    /// Its mobility message, if it has one.
    pub fn mh(&self) -> Option<Message> {
        if self.kind != next_header::MOBILITY {
            return None;
        }
        Message::parse(self.source, self.destination, &self.payload).ok()
    }

    /// Its ICMPv6 type and code, if it has any.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        (self.kind == next_header::ICMPV6).then(|| (self.payload[0], self.payload[1]))
    }
}
