//! DHCPv6 (RFC 8415), as much of it as a relay agent reads and writes.
//!
//! A relay passes messages on and does not understand them: what it does not look at, it must not
//! change. So messages stay the octets that they are, and this module points into them.
//!
//! ```text
//!   client, server │ type │ transaction (3) │ option │ option │ ...
//!   relay          │ type │ hops │ link address (16) │ peer address (16) │ option │ ...
//!   option         │ code (2) │ length (2) │ data │
//!                                            └─ of an identity association: options again
//! ```

mod former;
mod lease;

pub use former::{associations, with_former, FormerLease};
pub use lease::{mend, Lease, Mended};

use crate::reader::Reader;
use std::net::Ipv6Addr;

/// UDP port of clients.
pub const CLIENT_PORT: u16 = 546;

/// UDP port of servers and relay agents.
pub const SERVER_PORT: u16 = 547;

/// Where clients send: all relay agents and servers on the link.
pub const ALL_RELAYS_AND_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Message types (RFC 8415 section 7.3).
pub mod kind {
    /// Looks for servers.
    pub const SOLICIT: u8 = 1;
    /// A server's offer.
    pub const ADVERTISE: u8 = 2;
    /// Asks one server.
    pub const REQUEST: u8 = 3;
    /// Asks whether addresses still fit the link.
    pub const CONFIRM: u8 = 4;
    /// Extends leases with the server that gave them.
    pub const RENEW: u8 = 5;
    /// Extends leases with any server.
    pub const REBIND: u8 = 6;
    /// A server's answer.
    pub const REPLY: u8 = 7;
    /// Gives leases back.
    pub const RELEASE: u8 = 8;
    /// Says that an address is in use already.
    pub const DECLINE: u8 = 9;
    /// Has a client ask anew.
    pub const RECONFIGURE: u8 = 10;
    /// Asks for configuration without leases.
    pub const INFORMATION_REQUEST: u8 = 11;
    /// A client's message on its way to a server.
    pub const RELAY_FORWARD: u8 = 12;
    /// A server's message on its way to a client.
    pub const RELAY_REPLY: u8 = 13;
}

/// Option codes (RFC 8415 section 21, RFC 6939).
pub mod code {
    /// The client's DUID.
    pub const CLIENT_ID: u16 = 1;
    /// The server's DUID.
    pub const SERVER_ID: u16 = 2;
    /// An identity association for addresses.
    pub const IA_NA: u16 = 3;
    /// An identity association for temporary addresses.
    pub const IA_TA: u16 = 4;
    /// An address of an association.
    pub const IA_ADDRESS: u16 = 5;
    /// The message that a relay passes on.
    pub const RELAY_MESSAGE: u16 = 9;
    /// A status.
    pub const STATUS: u16 = 13;
    /// The relay's name for the client's interface.
    pub const INTERFACE_ID: u16 = 18;
    /// An identity association for delegated prefixes.
    pub const IA_PD: u16 = 25;
    /// A prefix of an association.
    pub const IA_PREFIX: u16 = 26;
    /// The client's link-layer address.
    pub const CLIENT_LINK_LAYER: u16 = 79;
}

/// Status codes (RFC 8415 section 21.13).
pub mod status {
    /// No address can be given.
    pub const NO_ADDRESSES: u16 = 2;
    /// No prefix can be given.
    pub const NO_PREFIXES: u16 = 6;
}

/// The message, or an option of it, ends where it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DHCPv6 message is not whole")]
pub struct Malformed;

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpOption<'a> {
    /// Its code.
    pub code: u16,
    /// What it holds.
    pub data: &'a [u8],
    /// All of it, code and length included.
    pub whole: &'a [u8],
}

/// The options of a message or of an option, one after another. After one that is not whole it ends.
#[derive(Clone, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// The options in these octets.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The data of the first option with this code; `None` when there is none.
    pub fn first(&self, code: u16) -> Option<&'a [u8]> {
        let mut found = self.clone().flatten();
        found.find(|it| it.code == code).map(|it| it.data)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<DhcpOption<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let all = self.0;
        let mut reader = Reader(all);
        let read = (|| {
            let code = reader.u16()?;
            let length = usize::from(reader.u16()?);
            let data = reader.slice(length)?;
            let whole = all.get(..4 + length)?;
            Some(DhcpOption { code, data, whole })
        })();
        self.0 = match read {
            Some(_) => reader.0,
            None => &[],
        };
        Some(read.ok_or(Malformed))
    }
}

/// Whether all options are whole.
fn whole(bytes: &[u8]) -> Result<Options<'_>, Malformed> {
    let options = Options::new(bytes);
    match options.clone().find_map(Result::err) {
        Some(error) => Err(error),
        None => Ok(options),
    }
}

/// A message between client and server.
#[derive(Clone, Debug)]
pub struct ClientMessage<'a> {
    /// Its type, one of [`kind`].
    pub kind: u8,
    /// What its answer repeats.
    pub transaction: [u8; 3],
    /// Its options, which are whole.
    pub options: Options<'a>,
}

impl<'a> ClientMessage<'a> {
    /// Reads a message that is not a relay's.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (kind, transaction) = (reader.octet(), reader.array());
        Ok(Self {
            kind: kind.ok_or(Malformed)?,
            transaction: transaction.ok_or(Malformed)?,
            options: whole(reader.0)?,
        })
    }
}

/// A message between a relay agent and a server.
#[derive(Clone, Debug)]
pub struct RelayMessage<'a> {
    /// Its type: [`kind::RELAY_FORWARD`] or [`kind::RELAY_REPLY`].
    pub kind: u8,
    /// Relay agents that it has passed before this one.
    pub hops: u8,
    /// An address of the client's link.
    pub link: Ipv6Addr,
    /// The client.
    pub peer: Ipv6Addr,
    /// Its options, which are whole.
    pub options: Options<'a>,
}

impl<'a> RelayMessage<'a> {
    /// Reads a relay's message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (kind, hops) = (reader.octet(), reader.octet());
        let (link, peer) = (reader.address(), reader.address());
        Ok(Self {
            kind: kind.ok_or(Malformed)?,
            hops: hops.ok_or(Malformed)?,
            link: link.ok_or(Malformed)?,
            peer: peer.ok_or(Malformed)?,
            options: whole(reader.0)?,
        })
    }
}

/// Appends an option; whether it fits into one.
pub fn put(code: u16, parts: &[&[u8]], bytes: &mut Vec<u8>) -> bool {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let Ok(length) = u16::try_from(length) else {
        return false;
    };
    bytes.extend(code.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    for part in parts {
        bytes.extend(*part);
    }
    true
}

/// The fixed part of a relay's message; its options follow.
pub fn relay_header(kind: u8, hops: u8, link: Ipv6Addr, peer: Ipv6Addr) -> Vec<u8> {
    let mut bytes = vec![kind, hops];
    bytes.extend(link.octets());
    bytes.extend(peer.octets());
    bytes
}
