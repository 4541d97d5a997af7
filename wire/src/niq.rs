//! ICMPv6 Node Information messages (RFC 4620): asking a node for its addresses, and its answer.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+-------------------------------+
//! | type 139, 140 | code          | checksum                      |
//! +---------------+---------------+-------------------------------+
//! | Qtype                         | flags                         |
//! +-------------------------------+-------------------------------+
//! | nonce, eight octets: chosen by who asks, given back by who answers
//! +---------------------------------------------------------------+
//! | whom it is about; or four octets of zeros and an address, again and again
//! ```

use crate::checksum;
use crate::icmpv6::kind;
use crate::ipv6::next_header;
use crate::names::error_names;
use crate::reader::Reader;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Octets before the data.
const FIXED_LEN: usize = 16;

/// Octets of one address in an answer, with the field in front of it that once was a time to live.
const ADDRESS_LEN: usize = 20;

/// What is asked (RFC 4620 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Qtype(pub u16);

impl Qtype {
    /// Whether the node knows this protocol.
    pub const NOOP: Self = Self(0);
    /// Its name.
    pub const NODE_NAME: Self = Self(2);
    /// Its IPv6 addresses.
    pub const NODE_ADDRESSES: Self = Self(3);
    /// Its IPv4 addresses.
    pub const IPV4_ADDRESSES: Self = Self(4);
}

/// Flags of [`Qtype::NODE_ADDRESSES`] (RFC 4620 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u16);

impl Flags {
    /// Global addresses.
    pub const GLOBAL: Self = Self(0x20);
    /// Site-local addresses.
    pub const SITE_LOCAL: Self = Self(0x10);
    /// Link-local addresses.
    pub const LINK_LOCAL: Self = Self(0x08);
    /// IPv4 addresses in IPv6 form.
    pub const COMPATIBLE: Self = Self(0x04);
    /// Those of all interfaces, and not of one alone.
    pub const ALL: Self = Self(0x02);
    /// In an answer: there are more than fit.
    pub const TRUNCATED: Self = Self(0x01);
    /// What an answer gives back of a question.
    pub const ASKED: Self = Self(0x3e);

    /// These and others.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in `mask` too.
    #[must_use]
    pub const fn and(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Whom a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Who has this address: code 0.
    Ipv6(Ipv6Addr),
    /// Who has this name, in DNS wire format; none with [`Qtype::NOOP`]: code 1.
    Name(Vec<u8>),
    /// Who has this IPv4 address: code 2.
    Ipv4(Ipv4Addr),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NiQuery {
    /// What is asked.
    pub qtype: Qtype,
    /// Which of it.
    pub flags: Flags,
    /// What an answer is known by.
    pub nonce: [u8; 8],
    /// Whom it is about.
    pub subject: Subject,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Its addresses, those that are preferred before the others: code 0 to
    /// [`Qtype::NODE_ADDRESSES`].
    Addresses(Vec<Ipv6Addr>),
    /// Code 0 to any other question: the data as it came.
    Other(Vec<u8>),
    /// It does not say: code 1.
    Refused,
    /// It does not know what is asked: code 2.
    UnknownQtype,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NiReply {
    /// What was asked.
    pub qtype: Qtype,
    /// Which of it; and whether there is more.
    pub flags: Flags,
    /// The question's.
    pub nonce: [u8; 8],
    /// What the node says.
    pub answer: Answer,
}

/// A Node Information message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NiMessage {
    /// Type 139.
    Query(NiQuery),
    /// Type 140.
    Reply(NiReply),
}

/// Why [`NiMessage::parse`] refused. All of these are to be discarded in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer octets than the fixed part.
    #[error("{0} octets are too few")]
    TooShort(usize),
    /// The ICMPv6 checksum does not match.
    #[error("checksum is wrong")]
    Checksum,
    /// Neither 139 nor 140.
    #[error("ICMPv6 type {0} is not node information")]
    Type(u8),
    /// A code that RFC 4620 does not know.
    #[error("code {0} is not known")]
    Code(u8),
    /// A subject that is no address of its family.
    #[error("a subject of {0} octets")]
    SubjectLength(usize),
    /// Addresses that are cut off.
    #[error("{0} octets are no addresses")]
    AddressesLength(usize),
}

error_names!(Error {
    Error::TooShort(_) => "too_short",
    Error::Checksum => "checksum",
    Error::Type(_) => "type",
    Error::Code(_) => "code",
    Error::SubjectLength(_) => "subject_length",
    Error::AddressesLength(_) => "addresses_length",
});

impl NiQuery {
    /// The answer to it.
    pub fn reply(&self, answer: Answer) -> NiReply {
        let addresses = self.qtype == Qtype::NODE_ADDRESSES;
        let answered = matches!(answer, Answer::Addresses(_));
        NiReply {
            qtype: self.qtype,
            flags: match addresses && answered {
                true => self.flags.and(Flags::ASKED),
                false => Flags::default(),
            },
            nonce: self.nonce,
            answer,
        }
    }
}

impl NiMessage {
    /// The ICMPv6 type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Query(_) => kind::NODE_INFORMATION_QUERY,
            Self::Reply(_) => kind::NODE_INFORMATION_REPLY,
        }
    }

    /// Decodes the ICMPv6 message `bytes`, which start at the type octet and end with the packet; the
    /// addresses are those of its IPv6 header.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(source: Ipv6Addr, destination: Ipv6Addr, bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let short = || Error::TooShort(bytes.len());
        let [kind, code, _, _] = reader.array().ok_or_else(short)?;
        let qtype = Qtype(u16::from_be_bytes(reader.array().ok_or_else(short)?));
        let flags = Flags(u16::from_be_bytes(reader.array().ok_or_else(short)?));
        let nonce = reader.array().ok_or_else(short)?;
        let data = bytes.get(FIXED_LEN..).ok_or_else(short)?;
        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            next_header::ICMPV6,
        );
        if !checksum::verifies(checksum::add(sum, bytes)) {
            return Err(Error::Checksum);
        }
        match kind {
            kind::NODE_INFORMATION_QUERY => Ok(Self::Query(NiQuery {
                qtype,
                flags,
                nonce,
                subject: subject(qtype, code, data)?,
            })),
            kind::NODE_INFORMATION_REPLY => Ok(Self::Reply(NiReply {
                qtype,
                flags,
                nonce,
                answer: answer(qtype, code, data)?,
            })),
            other => Err(Error::Type(other)),
        }
    }

    /// Appends the whole ICMPv6 message, from the type octet on, to `out`, with its checksum.
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr, out: &mut Vec<u8>) {
        let start = out.len();
        let (code, qtype, flags, nonce) = match self {
            Self::Query(query) => {
                let code = match query.subject {
                    Subject::Ipv6(_) => 0,
                    Subject::Name(_) => 1,
                    Subject::Ipv4(_) => 2,
                };
                (code, query.qtype, query.flags, query.nonce)
            }
            Self::Reply(reply) => {
                let code = match reply.answer {
                    Answer::Addresses(_) | Answer::Other(_) => 0,
                    Answer::Refused => 1,
                    Answer::UnknownQtype => 2,
                };
                (code, reply.qtype, reply.flags, reply.nonce)
            }
        };
        out.extend([self.kind(), code, 0, 0]);
        out.extend(qtype.0.to_be_bytes());
        out.extend(flags.0.to_be_bytes());
        out.extend(nonce);
        match self {
            Self::Query(query) => match &query.subject {
                Subject::Ipv6(address) => out.extend(address.octets()),
                Subject::Ipv4(address) => out.extend(address.octets()),
                Subject::Name(name) => out.extend(name),
            },
            Self::Reply(reply) => match &reply.answer {
                Answer::Addresses(addresses) => {
                    for address in addresses {
                        out.extend([0; 4]);
                        out.extend(address.octets());
                    }
                }
                Answer::Other(data) => out.extend(data),
                Answer::Refused | Answer::UnknownQtype => {}
            },
        }
        let message = out.get_mut(start..).unwrap_or_default();
        let sum = checksum::pseudo_header_v6(
            &source.octets(),
            &destination.octets(),
            u32::try_from(message.len()).unwrap_or(u32::MAX),
            next_header::ICMPV6,
        );
        let check = checksum::finish(checksum::add(sum, message)).to_be_bytes();
        if let Some(field) = message.get_mut(2..4) {
            field.copy_from_slice(&check);
        }
    }
}

fn subject(qtype: Qtype, code: u8, data: &[u8]) -> Result<Subject, Error> {
    let wrong = |_| Error::SubjectLength(data.len());
    match code {
        // Whatever the code says: nobody in particular is asked whether he is there.
        _ if qtype == Qtype::NOOP => Ok(Subject::Name(data.to_vec())),
        0 => Ok(Subject::Ipv6(
            <[u8; 16]>::try_from(data).map_err(wrong)?.into(),
        )),
        1 => Ok(Subject::Name(data.to_vec())),
        2 => Ok(Subject::Ipv4(
            <[u8; 4]>::try_from(data).map_err(wrong)?.into(),
        )),
        other => Err(Error::Code(other)),
    }
}

fn answer(qtype: Qtype, code: u8, data: &[u8]) -> Result<Answer, Error> {
    match code {
        _ if qtype == Qtype::NOOP => Ok(Answer::Other(data.to_vec())),
        0 if qtype == Qtype::NODE_ADDRESSES => {
            let entries = data.chunks_exact(ADDRESS_LEN);
            if !entries.remainder().is_empty() {
                return Err(Error::AddressesLength(data.len()));
            }
            // Whatever stands in front of an address counts as zero (RFC 4620 section 6.3).
            let address = |entry: &[u8]| entry.last_chunk::<16>().copied().map(Ipv6Addr::from);
            Ok(Answer::Addresses(entries.filter_map(address).collect()))
        }
        0 => Ok(Answer::Other(data.to_vec())),
        1 => Ok(Answer::Refused),
        2 => Ok(Answer::UnknownQtype),
        other => Err(Error::Code(other)),
    }
}

impl Display for NiMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => write!(
                f,
                "node information query, Qtype {}, about {:?}",
                query.qtype.0, query.subject
            ),
            Self::Reply(reply) => write!(
                f,
                "node information reply, Qtype {}: {:?}",
                reply.qtype.0, reply.answer
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const NODE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    const NONCE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|it| it.to_digit(16)).collect();
        let pairs = digits.chunks(2);
        pairs.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    }

    fn query() -> NiQuery {
        NiQuery {
            qtype: Qtype::NODE_ADDRESSES,
            flags: Flags::GLOBAL.with(Flags::LINK_LOCAL).with(Flags::ALL),
            nonce: NONCE,
            subject: Subject::Ipv6(NODE),
        }
    }

    /// As scapy writes them: ICMPv6NIQueryIPv6(qtype=3, flags="GLA", nonce=…, data="fe80::2"),
    /// ICMPv6NIReplyIPv6(…, data=[(0, "2001:db8:1::5"), (0, "fe80::2")]) and
    /// ICMPv6NIReplyRefuse(qtype=3, nonce=…).
    #[test]
    fn messages_are_what_scapy_writes() {
        let addresses = vec!["2001:db8:1::5".parse().unwrap(), NODE];
        let cases = [
            (
                NiMessage::Query(query()),
                (ASKER, NODE),
                "8b0068dc0003002a0102030405060708fe800000000000000000000000000002",
            ),
            (
                NiMessage::Reply(query().reply(Answer::Addresses(addresses))),
                (NODE, ASKER),
                "8c003a050003002a01020304050607080000000020010db8000100000000000000000005\
                 00000000fe800000000000000000000000000002",
            ),
            (
                NiMessage::Reply(query().reply(Answer::Refused)),
                (NODE, ASKER),
                "8c016698000300000102030405060708",
            ),
        ];
        for (message, (source, destination), hex) in cases {
            let mut out = Vec::new();
            message.emit(source, destination, &mut out);
            assert_eq!(out, octets(hex), "{message}");
            assert_eq!(NiMessage::parse(source, destination, &out), Ok(message));
        }
    }

    #[test]
    fn each_bad_message_has_its_named_error() {
        let broken = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            let reply = query().reply(Answer::Addresses(vec![NODE]));
            NiMessage::Reply(reply).emit(ASKER, NODE, &mut bytes);
            change(&mut bytes);
            repair(&mut bytes);
            NiMessage::parse(ASKER, NODE, &bytes).unwrap_err().name()
        };
        assert_eq!(broken(&|bytes| bytes.truncate(15)), "too_short");
        assert_eq!(broken(&|bytes| bytes[0] = 128), "type");
        assert_eq!(broken(&|bytes| bytes[1] = 3), "code");
        assert_eq!(broken(&|bytes| bytes.truncate(35)), "addresses_length");
        assert_eq!(broken(&|bytes| bytes[0] = 139), "subject_length");
        let bytes = octets("8c016699000300000102030405060708");
        assert_eq!(NiMessage::parse(NODE, ASKER, &bytes), Err(Error::Checksum));
    }

    fn repair(bytes: &mut [u8]) {
        let sum = |bytes: &[u8]| {
            let length = bytes.len() as u32;
            let (from, to) = (ASKER.octets(), NODE.octets());
            let sum = checksum::pseudo_header_v6(&from, &to, length, next_header::ICMPV6);
            checksum::finish(checksum::add(sum, bytes))
        };
        bytes[2..4].fill(0);
        let check = sum(bytes).to_be_bytes();
        bytes[2..4].copy_from_slice(&check);
    }

    #[test]
    fn what_stands_before_an_address_counts_as_zero() {
        let mut bytes = Vec::new();
        let reply = query().reply(Answer::Addresses(vec![NODE]));
        NiMessage::Reply(reply.clone()).emit(ASKER, NODE, &mut bytes);
        bytes[19] = 60;
        repair(&mut bytes);
        let parsed = NiMessage::parse(ASKER, NODE, &bytes);
        assert_eq!(parsed, Ok(NiMessage::Reply(reply)));
    }
}
