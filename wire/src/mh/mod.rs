//! Mobility Header messages (RFC 6275 section 6.1, RFC 5213 section 8).
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+---------------+---------------+
//! | payload proto | header len    | MH type       | reserved      |
//! +---------------+---------------+---------------+---------------+
//! | checksum                      | message data, then options    |
//! +-------------------------------+-------------------------------+
//! ```

mod display;
mod emit;
mod error;
mod option;
pub mod options;
mod parse;
mod status;
#[cfg(test)]
mod tests;

pub use error::{EmitError, Error};
pub use option::{
    AccessTechnology, BadPrefix, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, MobilityOption,
    NtpTime,
};
pub use status::Status;

use option::kind;
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
    /// A type that this crate does not decode: its number and all octets after the checksum.
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
            Self::Other { .. } => &[],
        }
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

/// Flags of a Binding Update, bit for bit as on the wire (RFC 6275, 3963, 5213, 5555, 5845, 6602,
/// 7161, 8885).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpdateFlags(pub u16);

impl UpdateFlags {
    /// A: an acknowledgement is asked for.
    pub const ACKNOWLEDGE: Self = Self(0x8000);
    /// H: home registration.
    pub const HOME_REGISTRATION: Self = Self(0x4000);
    /// L: link-local address compatibility.
    pub const LINK_LOCAL_COMPATIBILITY: Self = Self(0x2000);
    /// K: key management mobility capability.
    pub const KEY_MANAGEMENT: Self = Self(0x1000);
    /// M: MAP registration (RFC 5380).
    pub const MAP_REGISTRATION: Self = Self(0x0800);
    /// R: mobile router (RFC 3963).
    pub const MOBILE_ROUTER: Self = Self(0x0400);
    /// P: proxy registration (RFC 5213 section 8.1).
    pub const PROXY: Self = Self(0x0200);
    /// F: force UDP encapsulation (RFC 5555).
    pub const FORCE_UDP: Self = Self(0x0100);
    /// T: TLV header format (RFC 5845).
    pub const TLV: Self = Self(0x0080);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Flags of a Binding Acknowledgement, bit for bit as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AcknowledgementFlags(pub u8);

impl AcknowledgementFlags {
    /// K: key management mobility capability.
    pub const KEY_MANAGEMENT: Self = Self(0x80);
    /// R: mobile router (RFC 3963).
    pub const MOBILE_ROUTER: Self = Self(0x40);
    /// P: proxy registration (RFC 5213 section 8.2).
    pub const PROXY: Self = Self(0x20);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
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
