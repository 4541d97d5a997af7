//! The Address Resolution Protocol for IPv4 over Ethernet (RFC 826), as a view over packet bytes.

use crate::ether::{ethertype, MacAddr};
use crate::names::error_names;
use std::fmt;
use std::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets of a packet.
pub const LEN: usize = 28;

/// The hardware type of Ethernet.
const ETHERNET: u16 = 1;

/// Operations.
pub mod operation {
    /// Who has this address?
    pub const REQUEST: u16 = 1;
    /// I have.
    pub const REPLY: u16 = 2;
}

/// A packet as it lies behind its Ethernet header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Packet {
    hardware: U16,
    protocol: U16,
    hardware_length: u8,
    protocol_length: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender: [u8; 4],
    target_mac: MacAddr,
    target: [u8; 4],
}

impl Packet {
    const fn new(
        operation: u16,
        (sender_mac, sender): (MacAddr, Ipv4Addr),
        (target_mac, target): (MacAddr, Ipv4Addr),
    ) -> Self {
        Self {
            hardware: U16::new(ETHERNET),
            protocol: U16::new(ethertype::IPV4),
            hardware_length: 6,
            protocol_length: 4,
            operation: U16::new(operation),
            sender_mac,
            sender: sender.octets(),
            target_mac,
            target: target.octets(),
        }
    }

    /// Asks who has `target`. With an unspecified `sender` it is a probe, which nobody learns from
    /// (RFC 5227 section 1.1).
    pub const fn request(mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        let nobody = MacAddr([0; 6]);
        Self::new(operation::REQUEST, (mac, sender), (nobody, target))
    }

    /// Answers a request for `address`, which is at `mac`.
    pub const fn reply_to(&self, mac: MacAddr, address: Ipv4Addr) -> Self {
        let asker = (self.sender_mac, self.sender());
        Self::new(operation::REPLY, (mac, address), asker)
    }

    /// Reads a packet; what a link layer padded on is left out.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<&Self, Error> {
        let (packet, _) = Self::ref_from_prefix(bytes).map_err(|_| Error::Truncated)?;
        let kind = (packet.hardware.get(), packet.protocol.get());
        let lengths = (packet.hardware_length, packet.protocol_length);
        if kind != (ETHERNET, ethertype::IPV4) || lengths != (6, 4) {
            return Err(Error::Family);
        }
        if !matches!(
            packet.operation.get(),
            operation::REQUEST | operation::REPLY
        ) {
            return Err(Error::Operation(packet.operation.get()));
        }
        Ok(packet)
    }

    /// One of [`operation`].
    pub const fn operation(&self) -> u16 {
        self.operation.get()
    }

    /// Whether it asks.
    pub const fn is_request(&self) -> bool {
        self.operation.get() == operation::REQUEST
    }

    /// The sender's address.
    pub const fn sender(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.sender;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The sender's link-layer address.
    pub const fn sender_mac(&self) -> MacAddr {
        self.sender_mac
    }

    /// The address that is asked for, or the asker's in a reply.
    pub const fn target(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.target;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Whether it announces the sender's own address to everyone (RFC 5227 section 3).
    pub const fn is_announcement(&self) -> bool {
        u32::from_be_bytes(self.sender) == u32::from_be_bytes(self.target)
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sender, mac, target) = (self.sender(), self.sender_mac, self.target());
        if self.is_request() {
            write!(f, "ARP who has {target}? tell {sender} at {mac}")
        } else {
            write!(f, "ARP {sender} is at {mac}, to {target}")
        }
    }
}

/// Why bytes are not an ARP packet that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer than 28 octets.
    #[error("shorter than an ARP packet")]
    Truncated,
    /// Not about IPv4 addresses on Ethernet.
    #[error("ARP of other address families than Ethernet and IPv4")]
    Family,
    /// Neither request nor reply.
    #[error("ARP operation {0}")]
    Operation(u16),
}

error_names!(Error {
    Error::Truncated => "truncated",
    Error::Family => "family",
    Error::Operation(_) => "operation",
});

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
    const A_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const B_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

    #[test]
    fn a_question_and_its_answer() {
        let request = Packet::request(A, A_IP, B_IP);
        assert_eq!(
            request.as_bytes(),
            [
                0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xa, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192,
                0, 2, 11
            ]
        );
        let padded = [request.as_bytes(), &[0; 18]].concat();
        let read = Packet::parse(&padded).unwrap();
        assert!(read.is_request() && !read.is_announcement());
        let reply = read.reply_to(B, B_IP);
        assert_eq!((reply.sender(), reply.sender_mac()), (B_IP, B));
        assert_eq!((reply.target(), reply.operation()), (A_IP, 2));
        assert_eq!(Packet::parse(reply.as_bytes()), Ok(&reply));
        assert!(Packet::request(A, A_IP, A_IP).is_announcement());
        assert_eq!(
            request.to_string(),
            "ARP who has 192.0.2.11? tell 192.0.2.10 at 02:00:00:00:00:0a"
        );
    }

    #[test]
    fn each_bad_packet_has_its_named_error() {
        let request = Packet::request(A, A_IP, B_IP);
        let with = |at: usize, value: u8| {
            let mut bytes = request.as_bytes().to_vec();
            bytes[at] = value;
            Packet::parse(&bytes).unwrap_err().name()
        };
        let short = Packet::parse(&request.as_bytes()[..27]);
        assert_eq!(short.unwrap_err().name(), "truncated");
        for at in [1, 2, 4, 5] {
            assert_eq!(with(at, 9), "family");
        }
        assert_eq!(with(7, 3), "operation");
        assert_eq!(Error::all_names(), ["truncated", "family", "operation"]);
    }
}
