//! Status codes of the Binding Acknowledgement (RFC 6275 section 6.1.8, RFC 5213 section 8.9, and the
//! RFCs that came after).

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
    /// GRE_KEY_OPTION_NOT_REQUIRED: accepted without keys (RFC 5845).
    GRE_KEY_NOT_REQUIRED = 2, "accepted, GRE key option not required";
    /// GRE_TUNNELING_BUT_TLV_HEADER_NOT_SUPPORTED (RFC 5845).
    GRE_WITHOUT_TLV = 3, "accepted, GRE without TLV header";
    /// MCOA NOTCOMPLETE: some of the care-of addresses were refused (RFC 5648).
    MCOA_NOT_COMPLETE = 4, "accepted, some care-of addresses refused";
    /// MCOA RETURNHOME WO/NDP (RFC 5648).
    MCOA_RETURN_HOME = 5, "accepted, returning home without neighbour discovery";
    /// PBU_ACCEPTED_TB_IGNORED_SETTINGSMISMATCH (RFC 6058).
    TRANSIENT_BINDING_IGNORED = 6, "accepted, transient binding ignored";
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
    /// Expired home nonce index.
    EXPIRED_HOME_NONCE = 136, "expired home nonce index";
    /// Expired care-of nonce index.
    EXPIRED_CARE_OF_NONCE = 137, "expired care-of nonce index";
    /// Expired nonces.
    EXPIRED_NONCES = 138, "expired nonces";
    /// Registration type change disallowed.
    TYPE_CHANGE_DISALLOWED = 139, "registration type change disallowed";
    /// Mobile router operation not permitted (RFC 3963).
    MOBILE_ROUTER_NOT_PERMITTED = 140, "mobile router operation not permitted";
    /// Invalid prefix (RFC 3963).
    INVALID_PREFIX = 141, "invalid prefix";
    /// Not authorised for prefix (RFC 3963).
    NOT_AUTHORIZED_FOR_PREFIX = 142, "not authorized for prefix";
    /// Forwarding setup failed (RFC 3963).
    FORWARDING_SETUP_FAILED = 143, "forwarding setup failed";
    /// MIPV6-ID-MISMATCH: the replay protection timestamp is not valid (RFC 4285).
    ID_MISMATCH = 144, "replay protection identifier mismatch";
    /// MIPV6-MESG-ID-REQD: replay protection by timestamp is required (RFC 4285).
    MESG_ID_REQUIRED = 145, "replay protection option required";
    /// MIPV6-AUTH-FAIL: authentication failed (RFC 4285).
    AUTH_FAIL = 146, "authentication failed";
    /// Permanent home keygen token unavailable (RFC 4866).
    PERMANENT_HOME_KEYGEN_TOKEN_UNAVAILABLE = 147, "permanent home keygen token unavailable";
    /// CGA and signature verification failed (RFC 4866).
    CGA_VERIFICATION_FAILED = 148, "CGA and signature verification failed";
    /// Permanent home keygen token exists (RFC 4866).
    PERMANENT_HOME_KEYGEN_TOKEN_EXISTS = 149, "permanent home keygen token exists";
    /// Non-null home nonce index expected (RFC 4866).
    NON_NULL_HOME_NONCE_INDEX = 150, "non-null home nonce index expected";
    /// SERVICE_AUTHORIZATION_FAILED: not authorised for the selected service (RFC 5149).
    SERVICE_AUTHORIZATION_FAILED = 151, "service authorization failed";
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
    /// GRE_KEY_OPTION_REQUIRED (RFC 5845).
    GRE_KEY_OPTION_REQUIRED = 163, "GRE key option required";
    /// MCOA MALFORMED (RFC 5648).
    MCOA_MALFORMED = 164, "malformed binding identifier";
    /// MCOA NON-MCOA BINDING EXISTS (RFC 5648).
    MCOA_NON_MCOA_BINDING_EXISTS = 165, "a binding without identifier exists";
    /// MCOA PROHIBITED (RFC 5648).
    MCOA_PROHIBITED = 166, "several care-of addresses prohibited";
    /// MCOA UNKNOWN COA (RFC 5648).
    MCOA_UNKNOWN_CARE_OF_ADDRESS = 167, "unknown care-of address";
    /// MCOA BULK REGISTRATION PROHIBITED (RFC 5648).
    MCOA_BULK_PROHIBITED = 168, "bulk registration prohibited";
    /// MCOA SIMULTANEOUS HOME AND FOREIGN PROHIBITED (RFC 5648).
    MCOA_SIMULTANEOUS_PROHIBITED = 169, "simultaneous home and foreign prohibited";
    /// NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE (RFC 5844).
    NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE = 170, "not authorized for IPv4 mobility service";
    /// NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS (RFC 5844).
    NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS = 171, "not authorized for IPv4 home address";
    /// NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE (RFC 5844).
    NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE = 172, "not authorized for IPv6 mobility service";
    /// MULTIPLE_IPV4_HOME_ADDRESS_ASSIGNMENT_NOT_SUPPORTED (RFC 5844).
    MULTIPLE_IPV4_HOME_ADDRESSES_NOT_SUPPORTED = 173, "multiple IPv4 home addresses not supported";
    /// Invalid care-of address (RFC 6275).
    INVALID_CARE_OF_ADDRESS = 174, "invalid care-of address";
    /// INVALID_MOBILE_NODE_GROUP_IDENTIFIER (RFC 6602).
    INVALID_MN_GROUP_IDENTIFIER = 175, "invalid mobile node group identifier";
    /// REINIT_SA_WITH_HAC (RFC 6618).
    REINIT_SA_WITH_HAC = 176, "security association with the controller to be set up anew";
    /// NOT_AUTHORIZED_FOR_DELEGATED_MNP (RFC 7148).
    NOT_AUTHORIZED_FOR_DELEGATED_PREFIX = 177, "not authorized for delegated prefix";
    /// REQUESTED_DMNP_IN_USE (RFC 7148).
    DELEGATED_PREFIX_IN_USE = 178, "requested delegated prefix in use";
    /// CANNOT_MEET_QOS_SERVICE_REQUEST (RFC 7222).
    CANNOT_MEET_QOS = 179, "cannot meet the quality of service asked for";
    /// CANNOT_SUPPORT_MULTIPATH_BINDING (RFC 8278).
    MULTIPATH_NOT_ENABLED = 180, "multipath not enabled";
}

impl Status {
    /// Proxy registration not supported, in a proxy binding acknowledgement of the draft's form alone:
    /// the registry has the number for [`MOBILE_ROUTER_NOT_PERMITTED`](Self::MOBILE_ROUTER_NOT_PERMITTED).
    pub const PROXY_NOT_SUPPORTED: Self = Self::MOBILE_ROUTER_NOT_PERMITTED;
    /// Binding cache entry missing, in a proxy binding acknowledgement of the draft's form alone: the
    /// registry has the number for [`INVALID_PREFIX`](Self::INVALID_PREFIX).
    pub const BINDING_CACHE_ENTRY_MISSING: Self = Self::INVALID_PREFIX;

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
