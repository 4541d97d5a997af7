//! Mobility Header messages (RFC 6275 section 6.1, RFC 5213 section 8, RFC 5846, RFC 5847).
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+---------------+---------------+
//! | payload proto | header len    | MH type       | reserved      |
//! +---------------+---------------+---------------+---------------+
//! | checksum                      | message data, then options    |
//! +-------------------------------+-------------------------------+
//! ```

mod anchor;
pub mod authentication;
mod display;
mod emit;
mod emit_option;
mod error;
mod flags;
mod heartbeat;
mod ipv4;
mod option;
pub mod options;
mod parse;
mod parse_option;
mod prefix;
mod revocation;
mod status;
#[cfg(test)]
mod tests;

pub use anchor::{AssignedHomeAddress, Experimental, MnGroupIdentifier, PreviousMaar};
pub use authentication::{Authentication, ReplayTimestamp};
pub use emit::set_checksum;
pub use error::{EmitError, Error};
pub use flags::{AcknowledgementFlags, RevocationFlags, UpdateFlags};
pub use heartbeat::Heartbeat;
pub use ipv4::{
    DelegatedPrefix, DhcpMode, Ipv4AddressStatus, Ipv4HomeAddress, Ipv4HomeAddressAnswer,
    NatDetection,
};
pub use option::{AccessTechnology, HandoffIndicator, MnIdentifier, MobilityOption, NtpTime};
pub use prefix::{BadPrefix, HomeNetworkPrefix};
pub use revocation::{
    RevocationAcknowledgement, RevocationIndication, RevocationStatus, RevocationTrigger,
};
pub use status::Status;

use option::kind;
use revocation::revocation_type;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// IPv6 next header value of the Mobility Header.
pub const NEXT_HEADER: u8 = 135;

/// The only Payload Proto there may be: no next header.
const PAYLOAD_PROTO_NONE: u8 = 59;

/// Octets before the message data: up to the end of the checksum.
const FIXED_LEN: usize = 6;

/// MH type numbers.
mod mh_type {
    pub(super) const BINDING_REFRESH_REQUEST: u8 = 0;
    pub(super) const BINDING_UPDATE: u8 = 5;
    pub(super) const BINDING_ACKNOWLEDGEMENT: u8 = 6;
    pub(super) const BINDING_ERROR: u8 = 7;
    pub(super) const HEARTBEAT: u8 = 13;
    pub(super) const BINDING_REVOCATION: u8 = 16;
}

/// A mobility message, header and checksum apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Binding Refresh Request, type 0 (RFC 6275 section 6.1.2).
    BindingRefreshRequest(BindingRefreshRequest),
    /// Binding Update or Proxy Binding Update, type 5.
    BindingUpdate(BindingUpdate),
    /// Binding Acknowledgement or Proxy Binding Acknowledgement, type 6.
    BindingAcknowledgement(BindingAcknowledgement),
    /// Binding Error, type 7 (RFC 6275 section 6.1.9).
    BindingError(BindingError),
    /// Heartbeat, type 13 (RFC 5847).
    Heartbeat(Heartbeat),
    /// Binding Revocation Indication, type 16 (RFC 5846 section 5.1).
    RevocationIndication(RevocationIndication),
    /// Binding Revocation Acknowledgement, type 16 (RFC 5846 section 5.2).
    RevocationAcknowledgement(RevocationAcknowledgement),
    /// A type that this crate does not decode, or a binding revocation that is neither of the two:
    /// its number and all octets after the checksum.
    Other {
        /// MH type.
        mh_type: u8,
        /// Message data, padding included.
        data: Vec<u8>,
    },
}

impl Message {
    /// The MH type octet.
    pub const fn mh_type(&self) -> u8 {
        match self {
            Self::BindingRefreshRequest(_) => mh_type::BINDING_REFRESH_REQUEST,
            Self::BindingUpdate(_) => mh_type::BINDING_UPDATE,
            Self::BindingAcknowledgement(_) => mh_type::BINDING_ACKNOWLEDGEMENT,
            Self::BindingError(_) => mh_type::BINDING_ERROR,
            Self::Heartbeat(_) => mh_type::HEARTBEAT,
            Self::RevocationIndication(_) | Self::RevocationAcknowledgement(_) => {
                mh_type::BINDING_REVOCATION
            }
            Self::Other { mh_type, .. } => *mh_type,
        }
    }

    /// The mobility options in their order; none for [`Message::Other`].
    pub fn options(&self) -> &[MobilityOption] {
        match self {
            Self::BindingRefreshRequest(message) => &message.options,
            Self::BindingUpdate(message) => &message.options,
            Self::BindingAcknowledgement(message) => &message.options,
            Self::BindingError(message) => &message.options,
            Self::Heartbeat(message) => &message.options,
            Self::RevocationIndication(message) => &message.options,
            Self::RevocationAcknowledgement(message) => &message.options,
            Self::Other { .. } => &[],
        }
    }

    /// Its options, to be added to; `None` where it has none that are known.
    pub fn options_mut(&mut self) -> Option<&mut Vec<MobilityOption>> {
        Some(match self {
            Self::BindingRefreshRequest(message) => &mut message.options,
            Self::BindingUpdate(message) => &mut message.options,
            Self::BindingAcknowledgement(message) => &mut message.options,
            Self::BindingError(message) => &mut message.options,
            Self::Heartbeat(message) => &mut message.options,
            Self::RevocationIndication(message) => &mut message.options,
            Self::RevocationAcknowledgement(message) => &mut message.options,
            Self::Other { .. } => return None,
        })
    }
}

/// Binding Refresh Request (RFC 6275 section 6.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BindingRefreshRequest {
    /// Mobility options, padding left out.
    pub options: Vec<MobilityOption>,
}

/// Binding Update (RFC 6275 section 6.1.7); a Proxy Binding Update when `flags.proxy` is set
/// (RFC 5213 section 8.1).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BindingUpdate {
    /// Sequence number.
    pub sequence: u16,
    /// The sixteen flag bits.
    pub flags: UpdateFlags,
    /// Requested lifetime; zero de-registers.
    pub lifetime: Lifetime,
    /// Mobility options, padding left out.
    pub options: Vec<MobilityOption>,
}

/// Binding Acknowledgement (RFC 6275 section 6.1.8); a Proxy Binding Acknowledgement when
/// `flags.proxy` is set (RFC 5213 section 8.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingAcknowledgement {
    /// Outcome.
    pub status: Status,
    /// The eight flag bits.
    pub flags: AcknowledgementFlags,
    /// Sequence number of the update that this answers.
    pub sequence: u16,
    /// Granted lifetime.
    pub lifetime: Lifetime,
    /// Mobility options, padding left out.
    pub options: Vec<MobilityOption>,
}

/// Binding Error (RFC 6275 section 6.1.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingError {
    /// 1 unknown binding for Home Address option, 2 unrecognised MH type.
    pub status: u8,
    /// The home address that the offending packet carried, or the unspecified address.
    pub home_address: Ipv6Addr,
    /// Mobility options, padding left out.
    pub options: Vec<MobilityOption>,
}

impl BindingError {
    /// Status: no binding for the address in a Home Address option.
    pub const UNKNOWN_BINDING: u8 = 1;
    /// Status: the MH type is not known.
    pub const UNRECOGNIZED_MH_TYPE: u8 = 2;
}

/// A binding lifetime as it stands on the wire: units of four seconds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Lifetime(pub u16);

impl Lifetime {
    /// De-registration.
    pub const ZERO: Self = Self(0);
    /// All ones: infinity (RFC 6275 section 6.1.7).
    pub const INFINITE: Self = Self(u16::MAX);

    /// The lifetime in seconds (units of four; infinity is not treated apart).
    pub const fn as_secs(self) -> u32 {
        self.0 as u32 * 4
    }

    /// The longest finite lifetime that does not exceed `secs` seconds.
    pub fn from_secs_floor(secs: u32) -> Self {
        Self(
            u16::try_from(secs / 4)
                .unwrap_or(u16::MAX - 1)
                .min(u16::MAX - 1),
        )
    }
}
