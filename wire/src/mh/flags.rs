//! The flag words of mobility messages, bit for bit as on the wire.

use serde::{Deserialize, Serialize};

/// Gives a flag word its two operations.
macro_rules! flag_word {
    ($word:ident) => {
        impl $word {
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
    };
}

/// Flags of a Binding Update (RFC 6275, 3963, 5213, 5555, 5845, 6602, 7161, 8885).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpdateFlags(pub u16);

flag_word!(UpdateFlags);

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
    /// T: TLV header format (RFC 5845 section 6.2).
    pub const TLV: Self = Self(0x0080);
    /// B: bulk binding update (RFC 6602 section 4.1). With P clear the same bit is RFC 5648's O.
    pub const BULK: Self = Self(0x0040);
    /// S: multicast subscriptions (RFC 7161).
    pub const MULTICAST: Self = Self(0x0020);
    /// D: the sender is a MAAR or a CMD (RFC 8885 section 4.1).
    pub const DISTRIBUTED: Self = Self(0x0010);
}

/// Flags of a Binding Acknowledgement (RFC 6275, 3963, 5213, 5845, 6602, 7161, 8885).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AcknowledgementFlags(pub u8);

flag_word!(AcknowledgementFlags);

impl AcknowledgementFlags {
    /// K: key management mobility capability.
    pub const KEY_MANAGEMENT: Self = Self(0x80);
    /// R: mobile router (RFC 3963).
    pub const MOBILE_ROUTER: Self = Self(0x40);
    /// P: proxy registration (RFC 5213 section 8.2).
    pub const PROXY: Self = Self(0x20);
    /// T: TLV header format (RFC 5845 section 6.3).
    pub const TLV: Self = Self(0x10);
    /// B: bulk binding update (RFC 6602 section 4.2).
    pub const BULK: Self = Self(0x08);
    /// S: multicast subscriptions (RFC 7161).
    pub const MULTICAST: Self = Self(0x04);
    /// D: the sender can be a MAAR or a CMD (RFC 8885 section 4.2).
    pub const DISTRIBUTED: Self = Self(0x02);
}

/// Flags of both binding revocation messages (RFC 5846 sections 5.1 and 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevocationFlags(pub u16);

flag_word!(RevocationFlags);

impl RevocationFlags {
    /// P: the revoked bindings are proxy ones.
    pub const PROXY: Self = Self(0x8000);
    /// V: only the binding of the IPv4 home address ends.
    pub const IPV4_ONLY: Self = Self(0x4000);
    /// G: every binding that the two peers share, or that shares an identifier.
    pub const GLOBAL: Self = Self(0x2000);
}
