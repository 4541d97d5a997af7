//! DHCPv4 messages (RFC 2131, RFC 2132): parsing and writing, both in whole.
//!
//! Parsing is strict about what would be misread: the magic cookie has to be there, options have to be
//! whole, and an option that comes in parts is put together (RFC 3396). Option overload (RFC 2132
//! section 9.3) is followed into neither `sname` nor `file`: a client has no use for it. Both fields are
//! kept as they came, for a relay agent passes on what it does not read.

use crate::ether::MacAddr;
use std::net::Ipv4Addr;

/// UDP port of servers and relay agents.
pub const SERVER_PORT: u16 = 67;

/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;

/// Octets before the options, magic cookie included.
const FIXED: usize = 240;

/// What follows the fixed fields before options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The least that a message is padded to, for clients that know BOOTP alone (RFC 1542 section 2.1).
const LEAST: usize = 300;

/// Ethernet, in `htype`.
const ETHERNET: u8 = 1;

/// `op` of clients and of servers.
pub mod op {
    /// From a client.
    pub const REQUEST: u8 = 1;
    /// From a server.
    pub const REPLY: u8 = 2;
}

/// Message types (option 53).
pub mod kind {
    /// A client looks for servers.
    pub const DISCOVER: u8 = 1;
    /// A server offers an address.
    pub const OFFER: u8 = 2;
    /// A client asks for an address.
    pub const REQUEST: u8 = 3;
    /// A client found its address in use.
    pub const DECLINE: u8 = 4;
    /// A server leases.
    pub const ACK: u8 = 5;
    /// A server does not lease.
    pub const NAK: u8 = 6;
    /// A client gives its address back.
    pub const RELEASE: u8 = 7;
    /// A client asks for parameters alone.
    pub const INFORM: u8 = 8;
}

/// Option codes.
pub mod code {
    /// Subnet mask.
    pub const SUBNET_MASK: u8 = 1;
    /// Routers.
    pub const ROUTER: u8 = 3;
    /// Interface MTU.
    pub const MTU: u8 = 26;
    /// Requested IP address.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Lease time in seconds.
    pub const LEASE_TIME: u8 = 51;
    /// Message type.
    pub const MESSAGE_TYPE: u8 = 53;
    /// Server identifier.
    pub const SERVER_IDENTIFIER: u8 = 54;
    /// Client identifier, which a server echoes (RFC 6842).
    pub const CLIENT_IDENTIFIER: u8 = 61;
    /// Relay Agent Information (RFC 3046), which a relay agent adds and takes off.
    pub const RELAY_AGENT: u8 = 82;
}

/// Sub-options of [`code::RELAY_AGENT`].
pub mod relay {
    /// The circuit that the client is on (RFC 3046 section 3.1).
    pub const CIRCUIT_ID: u8 = 1;
    /// Who is at its end (RFC 3046 section 3.2); the home address for RFC 5844 section 3.4.2.
    pub const REMOTE_ID: u8 = 2;
    /// An address of the network to lease from, where it is not the relay agent's (RFC 3527).
    pub const LINK_SELECTION: u8 = 5;
    /// Which of several networks with the same addresses is meant (RFC 6607 section 3.2).
    pub const VIRTUAL_SUBNET: u8 = 151;
    /// Taken out by a server that goes by the above (RFC 6607 section 3.3).
    pub const VIRTUAL_SUBNET_CONTROL: u8 = 152;
}

/// Octets of `sname` and `file` together.
const NAMES: usize = 192;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shorter than its fixed fields.
    #[error("shorter than its fixed fields")]
    Truncated,
    /// Not of Ethernet.
    #[error("not of Ethernet")]
    Hardware,
    /// No magic cookie: BOOTP, or nothing.
    #[error("without the magic cookie")]
    Cookie,
    /// An option runs past the end.
    #[error("option {0} runs past the end")]
    Option(u8),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One of [`op`].
    pub op: u8,
    /// Relay agents that it came through.
    pub hops: u8,
    /// Transaction.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Whether the client can be answered by broadcast alone.
    pub broadcast: bool,
    /// The client's own address, while it has one.
    pub client: Ipv4Addr,
    /// The address that it is given.
    pub given: Ipv4Addr,
    /// The relay agent, if one is in between.
    pub relay: Ipv4Addr,
    /// The client's link-layer address.
    pub mac: MacAddr,
    /// `sname` and `file` as they came; empty when both are all zeros.
    pub names: Vec<u8>,
    /// Options in their order, each code once; padding and the end are not among them.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// A server's answer to a message, without options yet.
    pub fn answer(&self) -> Self {
        Self {
            op: op::REPLY,
            given: Ipv4Addr::UNSPECIFIED,
            client: Ipv4Addr::UNSPECIFIED,
            hops: 0,
            secs: 0,
            names: Vec::new(),
            options: Vec::new(),
            ..*self
        }
    }

    /// Reads the payload of a UDP datagram.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED>().ok_or(Error::Truncated)?;
        let word = |at: usize| {
            let octets = fixed.get(at..).and_then(|rest| rest.first_chunk::<4>());
            octets.copied().unwrap_or_default()
        };
        let [op, htype, hlen, hops] = word(0);
        if (htype, hlen) != (ETHERNET, 6) {
            return Err(Error::Hardware);
        }
        if word(236) != COOKIE {
            return Err(Error::Cookie);
        }
        let [secs @ .., flags, _] = word(8);
        let [a, b, c, d] = word(28);
        let [e, f, ..] = word(32);
        let names = fixed.get(44..44 + NAMES).unwrap_or_default();
        let named = names.iter().any(|octet| *octet != 0);
        let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
        loop {
            match *rest {
                [] | [255, ..] => break,
                [0, ref behind @ ..] => rest = behind,
                [code, length, ref behind @ ..] => {
                    let (data, behind) = behind
                        .split_at_checked(length.into())
                        .ok_or(Error::Option(code))?;
                    match options.iter_mut().find(|(known, _)| *known == code) {
                        Some((_, parts)) => parts.extend(data),
                        None => options.push((code, data.to_vec())),
                    }
                    rest = behind;
                }
                [code] => return Err(Error::Option(code)),
            }
        }
        Ok(Self {
            op,
            hops,
            xid: u32::from_be_bytes(word(4)),
            secs: u16::from_be_bytes(secs),
            broadcast: flags & 0x80 != 0,
            client: word(12).into(),
            given: word(16).into(),
            relay: word(24).into(),
            mac: MacAddr([a, b, c, d, e, f]),
            names: if named { names.to_vec() } else { Vec::new() },
            options,
        })
    }

    /// Writes the payload of a UDP datagram; what is over 255 octets in an option goes into more of
    /// its code.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, ETHERNET, 6, self.hops];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend([if self.broadcast { 0x80 } else { 0 }, 0]);
        for address in [self.client, self.given, Ipv4Addr::UNSPECIFIED, self.relay] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.mac.0);
        bytes.resize(FIXED - COOKIE.len() - NAMES, 0);
        bytes.extend(self.names.iter().take(NAMES));
        bytes.resize(FIXED - COOKIE.len(), 0);
        bytes.extend(COOKIE);
        for (code, data) in &self.options {
            let parts = data.chunks(255);
            let empty: Option<&[u8]> = data.is_empty().then_some(&[]);
            for part in parts.chain(empty) {
                bytes.extend([*code, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
                bytes.extend(part);
            }
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(LEAST), 0);
        bytes
    }

    /// The data of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|(known, _)| *known == code);
        found.map(|(_, data)| data.as_slice())
    }

    /// The address in an option.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets = self.option(code)?;
        <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
    }

    /// Its message type, one of [`kind`].
    pub fn kind(&self) -> Option<u8> {
        match self.option(code::MESSAGE_TYPE)? {
            [kind] => Some(*kind),
            _ => None,
        }
    }

    /// Adds an option.
    pub fn put(&mut self, code: u8, data: impl Into<Vec<u8>>) {
        self.options.push((code, data.into()));
    }

    /// Puts an option in the place of the one with its code, or behind all others.
    pub fn set(&mut self, code: u8, data: impl Into<Vec<u8>>) {
        match self.options.iter_mut().find(|(known, _)| *known == code) {
            Some((_, old)) => *old = data.into(),
            None => self.put(code, data),
        }
    }

    /// Takes an option out; whether it was there.
    pub fn remove(&mut self, code: u8) -> bool {
        let before = self.options.len();
        self.options.retain(|(known, _)| *known != code);
        self.options.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As scapy writes it: BOOTP(op=1, xid=0x12345678, flags="B", ciaddr="10.1.0.7",
    /// chaddr=02:00:00:00:00:01) / DHCP with message-type request, requested_addr 10.1.0.7.
    fn sample() -> Vec<u8> {
        let mut bytes = vec![1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 3, 0x80, 0];
        bytes.extend([10, 1, 0, 7]);
        bytes.extend([0; 12]);
        bytes.extend([2, 0, 0, 0, 0, 1]);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99, 53, 1, 3, 0, 50, 4, 10, 1, 0, 7, 255]);
        bytes
    }

    #[test]
    fn a_request_is_read_field_by_field() {
        let message = Message::parse(&sample()).unwrap();
        assert_eq!(message.kind(), Some(kind::REQUEST));
        assert_eq!((message.op, message.xid, message.secs), (1, 0x1234_5678, 3));
        assert!(message.broadcast);
        assert_eq!(message.client, Ipv4Addr::new(10, 1, 0, 7));
        assert_eq!(message.mac, MacAddr([2, 0, 0, 0, 0, 1]));
        let asked = message.address(code::REQUESTED_ADDRESS);
        assert_eq!(asked, Some(Ipv4Addr::new(10, 1, 0, 7)));
    }

    #[test]
    fn what_is_written_is_read_back_and_long_options_in_parts() {
        let mut message = Message::parse(&sample()).unwrap().answer();
        message.given = Ipv4Addr::new(10, 1, 0, 9);
        message.put(code::MESSAGE_TYPE, [kind::ACK]);
        message.put(code::CLIENT_IDENTIFIER, vec![7; 300]);
        let bytes = message.emit();
        assert_eq!(Message::parse(&bytes), Ok(message));
        assert_eq!(bytes.first(), Some(&op::REPLY));
        let short = Message::parse(&sample()).unwrap().answer().emit();
        assert_eq!(short.len(), LEAST);
    }

    #[test]
    fn what_a_relay_agent_does_not_read_it_passes_on() {
        let mut sample = sample();
        sample[3] = 2;
        sample[44] = b'b';
        sample[235] = b'f';
        let mut message = Message::parse(&sample).unwrap();
        assert_eq!((message.hops, message.names.len()), (2, NAMES));
        message.set(code::REQUESTED_ADDRESS, [10, 1, 0, 8]);
        message.set(code::RELAY_AGENT, [relay::REMOTE_ID, 1, 7]);
        let bytes = message.emit();
        assert_eq!(bytes[..236], sample[..236]);
        let end = [53, 1, 3, 50, 4, 10, 1, 0, 8, 82, 3, 2, 1, 7, 255];
        assert_eq!(bytes[240..255], end);
        assert!(message.remove(code::RELAY_AGENT) && !message.remove(code::RELAY_AGENT));
        assert!(message.answer().names.is_empty());
    }

    #[test]
    fn broken_messages_are_refused() {
        let sample = sample();
        for length in 0..FIXED {
            assert_eq!(Message::parse(&sample[..length]), Err(Error::Truncated));
        }
        assert_eq!(Message::parse(&sample[..242]), Err(Error::Option(53)));
        assert_eq!(Message::parse(&sample[..241]), Err(Error::Option(53)));
        let mut other = sample.clone();
        other[2] = 8;
        assert_eq!(Message::parse(&other), Err(Error::Hardware));
        other = sample;
        other[237] = 0;
        assert_eq!(Message::parse(&other), Err(Error::Cookie));
    }
}
