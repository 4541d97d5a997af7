//! Binding revocation messages (RFC 5846 section 5).

use super::{MobilityOption, RevocationFlags};
use serde::{Deserialize, Serialize};

/// Values of the B.R. Type octet, which tells the two messages apart.
pub(super) mod revocation_type {
    pub const INDICATION: u8 = 1;
    pub const ACKNOWLEDGEMENT: u8 = 2;
}

/// Binding Revocation Indication, type 16 and B.R. Type 1 (RFC 5846 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationIndication {
    /// Why the bindings end.
    pub trigger: RevocationTrigger,
    /// Matches the acknowledgement.
    pub sequence: u16,
    /// What kind of bindings, and how many.
    pub flags: RevocationFlags,
    /// Mobility options, padding left out; they tell which bindings.
    pub options: Vec<MobilityOption>,
}

/// Binding Revocation Acknowledgement, type 16 and B.R. Type 2 (RFC 5846 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationAcknowledgement {
    /// Outcome.
    pub status: RevocationStatus,
    /// Sequence number of the indication that this answers.
    pub sequence: u16,
    /// As in the indication.
    pub flags: RevocationFlags,
    /// Mobility options, padding left out; they tell which bindings could not be revoked.
    pub options: Vec<MobilityOption>,
}

/// Gives an octet's values their names, for code and for people.
macro_rules! named_octet {
    ($octet:ident, $otherwise:literal; $($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        impl $octet {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// What the value means, for people.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    _ => $otherwise,
                }
            }
        }

        impl std::fmt::Display for $octet {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} ({})", self.0, self.name())
            }
        }
    };
}

pub(super) use named_octet;

/// Why bindings are revoked. Below 128 for those of one mobile node, 128 to 249 for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevocationTrigger(pub u8);

named_octet! {
    RevocationTrigger, "unassigned trigger";
    /// Unspecified.
    UNSPECIFIED = 0, "unspecified";
    /// Administrative reason.
    ADMINISTRATIVE = 1, "administrative reason";
    /// Handover to another gateway, access technology unchanged.
    HANDOVER_SAME_ACCESS = 2, "handover, same access type";
    /// Handover to another gateway, to another access technology.
    HANDOVER_DIFFERENT_ACCESS = 3, "handover, different access type";
    /// Handover to another gateway, access technologies unknown.
    HANDOVER_UNKNOWN = 4, "handover, access type unknown";
    /// The user ended the session.
    USER_TERMINATION = 5, "ended by the user";
    /// The access network ended the session.
    ACCESS_TERMINATION = 6, "ended by the access network";
    /// The two ends may disagree on what there is.
    OUT_OF_SYNC = 7, "possibly out of step";
    /// Every binding of the two peers.
    PER_PEER = 128, "per-peer policy";
    /// Bindings that share an identifier, by the policy of the revoking node.
    LOCAL_POLICY = 129, "policy of the revoking node";
}

impl RevocationTrigger {
    /// Whether it may stand in an indication with G set; the others may only stand in one without.
    /// The values for testing (250 to 255) may stand in both.
    pub const fn allows_global(self) -> bool {
        self.0 >= 128
    }

    /// Whether it may stand in an indication with G clear.
    pub const fn allows_single(self) -> bool {
        self.0 < 128 || self.0 >= 250
    }

    /// Whether the binding is revoked because its host went to another gateway.
    pub const fn is_handover(self) -> bool {
        matches!(
            self,
            Self::HANDOVER_SAME_ACCESS | Self::HANDOVER_DIFFERENT_ACCESS | Self::HANDOVER_UNKNOWN
        )
    }
}

/// Outcome of a revocation. Below 128 it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevocationStatus(pub u8);

named_octet! {
    RevocationStatus, "unassigned status";
    /// Success.
    SUCCESS = 0, "success";
    /// Some of the bindings were gone already.
    PARTIAL_SUCCESS = 1, "partial success";
    /// Binding does not exist.
    NO_BINDING = 128, "binding does not exist";
    /// IPv4 home address option required.
    IPV4_HOME_ADDRESS_REQUIRED = 129, "IPv4 home address option required";
    /// Global revocation not authorised.
    GLOBAL_NOT_AUTHORIZED = 130, "global revocation not authorized";
    /// The identity of the mobile nodes is required.
    IDENTITY_REQUIRED = 131, "identity of the mobile nodes required";
    /// The mobile node is attached.
    ATTACHED = 132, "mobile node is attached";
    /// Revocation trigger not supported.
    TRIGGER_NOT_SUPPORTED = 133, "revocation trigger not supported";
    /// Revocation function not supported.
    FUNCTION_NOT_SUPPORTED = 134, "revocation function not supported";
    /// Proxy binding revocation not supported.
    PROXY_NOT_SUPPORTED = 135, "proxy binding revocation not supported";
}

impl RevocationStatus {
    /// Whether the revocation was carried out (below 128).
    pub const fn is_accepted(self) -> bool {
        self.0 < 128
    }
}
