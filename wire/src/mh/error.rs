//! Why bytes are not a Mobility Header message, or a message cannot be written.

use super::HomeNetworkPrefix;
use crate::names::error_names;

/// Why [`Message::parse`](super::Message::parse) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer octets than the fixed header or its Header Len field asks for.
    #[error("mobility header cut short: {have} of {need} octets")]
    Truncated {
        /// Octets there are.
        have: usize,
        /// Octets there should be.
        need: usize,
    },
    /// The checksum does not match (RFC 6275 section 6.1.1).
    #[error("mobility header checksum {0:#06x} is wrong")]
    Checksum(u16),
    /// Payload Proto is not 59 (RFC 6275 section 9.2).
    #[error("payload proto is {0}, not 59")]
    PayloadProto(u8),
    /// Octets stand after what Header Len covers.
    #[error("{0} octets follow the mobility header")]
    TrailingOctets(usize),
    /// Header Len is less than this type of message needs (RFC 6275 section 9.2).
    #[error("mobility header type {mh_type} has {have} octets, needs {need}")]
    TooShort {
        /// MH type.
        mh_type: u8,
        /// Octets there are.
        have: usize,
        /// Octets of the fixed part.
        need: usize,
    },
    /// An option runs past the end of the message.
    #[error("mobility option {kind} at octet {offset} runs past the end")]
    OptionTruncated {
        /// Option type.
        kind: u8,
        /// Where the option starts, from the start of the Mobility Header.
        offset: usize,
    },
    /// A PadN option runs past the end of the message.
    #[error("padding at octet {offset} runs past the end")]
    PaddingTruncated {
        /// Where the option starts, from the start of the Mobility Header.
        offset: usize,
    },
    /// An option of a known type has a length that its type does not allow.
    #[error("mobility option {kind} has length {length}")]
    OptionLength {
        /// Option type.
        kind: u8,
        /// The length it came with.
        length: usize,
    },
    /// A prefix length above 128, or above 32 for an IPv4 prefix.
    #[error("prefix length {0} is more than an address has bits")]
    PrefixLength(u8),
    /// An option that is to hold text does not hold UTF-8.
    #[error("mobility option {0} is not text")]
    OptionText(u8),
    /// An option follows one that authenticates what stands before it (RFC 4285 section 5).
    #[error("mobility option {0} stands behind the authentication option")]
    BehindAuthentication(u8),
}

error_names!(Error {
    Error::Truncated { .. } => "truncated",
    Error::Checksum(_) => "checksum",
    Error::PayloadProto(_) => "payload_proto",
    Error::TrailingOctets(_) => "trailing_octets",
    Error::TooShort { .. } => "too_short",
    Error::OptionTruncated { .. } => "option_truncated",
    Error::PaddingTruncated { .. } => "padding_truncated",
    Error::OptionLength { .. } => "option_length",
    Error::PrefixLength(_) => "prefix_length",
    Error::OptionText(_) => "option_text",
    Error::BehindAuthentication(_) => "behind_authentication",
});

impl Error {
    /// Where the offending field stands in the Mobility Header, for the errors that RFC 6275
    /// section 9.2 answers with an ICMPv6 Parameter Problem, code 0. `None`: drop without answer.
    pub const fn parameter_problem_pointer(&self) -> Option<u8> {
        match self {
            Self::PayloadProto(_) => Some(0),
            Self::TooShort { .. } => Some(1),
            _ => None,
        }
    }
}

/// Why [`Message::emit`](super::Message::emit) refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The message would exceed the 2048 octets that Header Len can express.
    #[error("message of {0} octets exceeds the 2048 of a mobility header")]
    TooLong(usize),
    /// The data of an option would exceed 255 octets.
    #[error("mobility option {kind} with {octets} octets of data exceeds 255")]
    OptionTooLong {
        /// Option type.
        kind: u8,
        /// Octets of data.
        octets: usize,
    },
    /// A prefix with bits set past its length, or a length above 128.
    #[error("prefix {0} has bits past its length")]
    Prefix(HomeNetworkPrefix),
    /// An option with a value that the wire cannot express, or that would be read as another one.
    #[error("mobility option {0} cannot express its value")]
    OptionValue(u8),
    /// An option follows one that authenticates what stands before it (RFC 4285 section 5).
    #[error("mobility option {0} stands behind the authentication option")]
    BehindAuthentication(u8),
    /// An `Unknown` option with a type that has a variant of its own, or that is padding.
    #[error("mobility option type {0} is not an unknown one")]
    KnownOption(u8),
    /// A `Message::Other` with a type that has a variant of its own, or with data that does not end
    /// on an 8-octet boundary.
    #[error("mobility header type {mh_type} with {octets} octets of data cannot be sent as it is")]
    OtherShape {
        /// MH type.
        mh_type: u8,
        /// Octets of data.
        octets: usize,
    },
}
