//! Status codes of the Binding Acknowledgement (RFC 6275 section 6.1.8, RFC 5213 section 8.9).

use serde::{Deserialize, Serialize};

/// Outcome of a registration. Below 128 it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Status(pub u8);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// What the registry calls this status, for people.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    0..=127 => "accepted, unassigned status",
                    _ => "rejected, unassigned status",
                }
            }
        }
    };
}

statuses! {
    /// Binding Update accepted.
    ACCEPTED = 0, "accepted";
    /// Accepted, but prefix discovery is necessary.
    PREFIX_DISCOVERY_NECESSARY = 1, "accepted, prefix discovery necessary";
    /// Reason unspecified.
    UNSPECIFIED = 128, "reason unspecified";
    /// Administratively prohibited.
    ADMINISTRATIVELY_PROHIBITED = 129, "administratively prohibited";
    /// Insufficient resources.
    INSUFFICIENT_RESOURCES = 130, "insufficient resources";
    /// Home registration not supported.
    HOME_REGISTRATION_NOT_SUPPORTED = 131, "home registration not supported";
    /// Not home subnet.
    NOT_HOME_SUBNET = 132, "not home subnet";
    /// Not home agent for this mobile node.
    NOT_HOME_AGENT = 133, "not home agent for this mobile node";
    /// Duplicate Address Detection failed.
    DAD_FAILED = 134, "duplicate address detection failed";
    /// Sequence number out of window.
    SEQUENCE_OUT_OF_WINDOW = 135, "sequence number out of window";
    /// Registration type change disallowed.
    TYPE_CHANGE_DISALLOWED = 139, "registration type change disallowed";
    /// PROXY_REG_NOT_ENABLED: proxy registration not enabled for the mobile node.
    PROXY_REG_NOT_ENABLED = 152, "proxy registration not enabled for the mobile node";
    /// NOT_LMA_FOR_THIS_MOBILE_NODE.
    NOT_LMA_FOR_THIS_MOBILE_NODE = 153, "not local mobility anchor for this mobile node";
    /// MAG_NOT_AUTHORIZED_FOR_PROXY_REG.
    MAG_NOT_AUTHORIZED_FOR_PROXY_REG = 154, "mobile access gateway not authorized";
    /// NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX.
    NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX = 155, "not authorized for home network prefix";
    /// TIMESTAMP_MISMATCH.
    TIMESTAMP_MISMATCH = 156, "timestamp mismatch";
    /// TIMESTAMP_LOWER_THAN_PREV_ACCEPTED.
    TIMESTAMP_LOWER_THAN_PREV_ACCEPTED = 157, "timestamp lower than previously accepted";
    /// MISSING_HOME_NETWORK_PREFIX_OPTION.
    MISSING_HOME_NETWORK_PREFIX_OPTION = 158, "missing home network prefix option";
    /// BCE_PBU_PREFIX_SET_DO_NOT_MATCH.
    BCE_PBU_PREFIX_SET_DO_NOT_MATCH = 159, "prefixes do not match the binding cache entry";
    /// MISSING_MN_IDENTIFIER_OPTION.
    MISSING_MN_IDENTIFIER_OPTION = 160, "missing mobile node identifier option";
    /// MISSING_HANDOFF_INDICATOR_OPTION.
    MISSING_HANDOFF_INDICATOR_OPTION = 161, "missing handoff indicator option";
    /// MISSING_ACCESS_TECH_TYPE_OPTION.
    MISSING_ACCESS_TECH_TYPE_OPTION = 162, "missing access technology type option";
}

impl Status {
    /// Whether the registration was accepted (below 128).
    pub const fn is_accepted(self) -> bool {
        self.0 < 128
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
