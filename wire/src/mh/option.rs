//! Mobility options (RFC 6275 section 6.2, RFC 5213 section 8, RFC 4283), and the values of those
//! that hold a single one.

use super::{
    Authentication, DelegatedPrefix, DhcpMode, Experimental, HomeNetworkPrefix, Ipv4HomeAddress,
    Ipv4HomeAddressAnswer, Lifetime, MnGroupIdentifier, NatDetection, PreviousMaar,
    ReplayTimestamp,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Option type numbers.
pub(super) mod kind {
    pub const PAD1: u8 = 0;
    pub const PAD_N: u8 = 1;
    pub const BINDING_REFRESH_ADVICE: u8 = 2;
    pub const ALTERNATE_CARE_OF_ADDRESS: u8 = 3;
    pub const MN_IDENTIFIER: u8 = 8;
    pub const AUTHENTICATION: u8 = 9;
    pub const REPLAY_PROTECTION: u8 = 10;
    pub const EXPERIMENTAL: u8 = 18;
    pub const SERVICE_SELECTION: u8 = 20;
    pub const HOME_NETWORK_PREFIX: u8 = 22;
    pub const HANDOFF_INDICATOR: u8 = 23;
    pub const ACCESS_TECHNOLOGY: u8 = 24;
    pub const MN_LINK_LAYER_IDENTIFIER: u8 = 25;
    pub const LINK_LOCAL_ADDRESS: u8 = 26;
    pub const TIMESTAMP: u8 = 27;
    pub const RESTART_COUNTER: u8 = 28;
    pub const IPV4_HOME_ADDRESS: u8 = 29;
    pub const IPV4_ADDRESS_ACKNOWLEDGEMENT: u8 = 30;
    pub const NAT_DETECTION: u8 = 31;
    pub const IPV4_CARE_OF_ADDRESS: u8 = 32;
    pub const GRE_KEY: u8 = 33;
    pub const IPV4_HOME_ADDRESS_REQUEST: u8 = 36;
    pub const IPV4_HOME_ADDRESS_REPLY: u8 = 37;
    pub const IPV4_DEFAULT_ROUTER: u8 = 38;
    pub const IPV4_DHCP_MODE: u8 = 39;
    pub const LMA_ADDRESS: u8 = 41;
    pub const MN_GROUP_IDENTIFIER: u8 = 50;
    pub const MAG_ADDRESS: u8 = 51;
    pub const DELEGATED_PREFIX: u8 = 55;
    pub const ANCHORED_PREFIX: u8 = 65;
    pub const LOCAL_PREFIX: u8 = 66;
    pub const PREVIOUS_MAAR: u8 = 67;
    pub const SERVING_MAAR: u8 = 68;
    pub const DLIF_LINK_LOCAL_ADDRESS: u8 = 69;
    pub const DLIF_LINK_LAYER_ADDRESS: u8 = 70;

    /// Whether the type is padding or has a variant of its own.
    pub const fn is_known(kind: u8) -> bool {
        matches!(
            kind,
            PAD1..=ALTERNATE_CARE_OF_ADDRESS
                | MN_IDENTIFIER..=REPLAY_PROTECTION
                | EXPERIMENTAL
                | SERVICE_SELECTION
                | HOME_NETWORK_PREFIX..=GRE_KEY
                | IPV4_HOME_ADDRESS_REQUEST..=IPV4_DHCP_MODE
                | LMA_ADDRESS
                | MN_GROUP_IDENTIFIER
                | MAG_ADDRESS
                | DELEGATED_PREFIX
                | ANCHORED_PREFIX..=DLIF_LINK_LAYER_ADDRESS
        )
    }
}

/// A mobility option. Padding is not kept: `emit` puts in what the alignment asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MobilityOption {
    /// Binding Refresh Advice, type 2: when to refresh (RFC 6275 section 6.2.4).
    BindingRefreshAdvice(Lifetime),
    /// Alternate Care-of Address, type 3 (RFC 6275 section 6.2.5).
    AlternateCareOfAddress(Ipv6Addr),
    /// Mobile Node Identifier, type 8 (RFC 4283).
    MnIdentifier(MnIdentifier),
    /// Mobility Message Authentication, type 9; nothing but its like may follow (RFC 4285 section
    /// 5).
    Authentication(Authentication),
    /// Mobility Message Replay Protection, type 10 (RFC 4285 section 6).
    ReplayProtection(ReplayTimestamp),
    /// Experimental, type 18 (RFC 5096).
    Experimental(Experimental),
    /// Service Selection, type 20: which service is asked for; not empty (RFC 5149 section 3).
    ServiceSelection(String),
    /// Home Network Prefix, type 22 (RFC 5213 section 8.3).
    HomeNetworkPrefix(HomeNetworkPrefix),
    /// Handoff Indicator, type 23 (RFC 5213 section 8.4).
    HandoffIndicator(HandoffIndicator),
    /// Access Technology Type, type 24 (RFC 5213 section 8.5).
    AccessTechnology(AccessTechnology),
    /// Mobile Node Link-layer Identifier, type 25 (RFC 5213 section 8.6).
    MnLinkLayerIdentifier(Vec<u8>),
    /// Link-local Address, type 26; unspecified asks the LMA for one (RFC 5213 section 8.7).
    LinkLocalAddress(Ipv6Addr),
    /// Timestamp, type 27 (RFC 5213 section 8.8).
    Timestamp(NtpTime),
    /// Restart Counter, type 28: how often the sender has lost its sessions (RFC 5847 section 3.4).
    RestartCounter(u32),
    /// IPv4 Home Address, type 29 (RFC 5555 section 3.1.1).
    Ipv4HomeAddress {
        /// The address, or unspecified to be given one.
        home: Ipv4HomeAddress,
        /// P: a mobile network prefix is asked for.
        prefix_requested: bool,
    },
    /// IPv4 Address Acknowledgement, type 30 (RFC 5555 section 3.2.1).
    Ipv4AddressAcknowledgement(Ipv4HomeAddressAnswer),
    /// NAT Detection, type 31 (RFC 5555 section 3.2.2).
    NatDetection(NatDetection),
    /// IPv4 Care-of Address, type 32 (RFC 5555 section 3.1.2).
    Ipv4CareOfAddress(Ipv4Addr),
    /// GRE Key, type 33; without a key it asks for one, or says that none is needed (RFC 5845
    /// section 6.1).
    GreKey(Option<u32>),
    /// IPv4 Home Address Request, type 36 (RFC 5844 section 3.3.1).
    Ipv4HomeAddressRequest(Ipv4HomeAddress),
    /// IPv4 Home Address Reply, type 37 (RFC 5844 section 3.3.2).
    Ipv4HomeAddressReply(Ipv4HomeAddressAnswer),
    /// IPv4 Default-Router Address, type 38 (RFC 5844 section 3.3.3).
    Ipv4DefaultRouter(Ipv4Addr),
    /// IPv4 DHCP Support Mode, type 39 (RFC 5844 section 3.3.4).
    Ipv4DhcpMode(DhcpMode),
    /// Local Mobility Anchor Address, type 41 (RFC 5949 section 6.2.2).
    LmaAddress(IpAddr),
    /// Mobile Node Group Identifier, type 50 (RFC 6602 section 4.3).
    MnGroupIdentifier(MnGroupIdentifier),
    /// MAG IPv6 Address, type 51 (RFC 6705 section 11.1).
    MagAddress(Ipv6Addr),
    /// Delegated Mobile Network Prefix, type 55 (RFC 7148 section 4.1).
    DelegatedPrefix(DelegatedPrefix),
    /// Anchored Prefix, type 65 (RFC 8885 section 4.3).
    AnchoredPrefix(HomeNetworkPrefix),
    /// Local Prefix, type 66 (RFC 8885 section 4.4).
    LocalPrefix(HomeNetworkPrefix),
    /// Previous MAAR, type 67 (RFC 8885 section 4.5).
    PreviousMaar(PreviousMaar),
    /// Serving MAAR, type 68: its global address (RFC 8885 section 4.6).
    ServingMaar(Ipv6Addr),
    /// DLIF Link-Local Address, type 69 (RFC 8885 section 4.7).
    DlifLinkLocalAddress(Ipv6Addr),
    /// DLIF Link-Layer Address, type 70 (RFC 8885 section 4.8).
    DlifLinkLayerAddress(Vec<u8>),
    /// An option of a known type in a form that its type does not have, where the RFCs let a
    /// receiver pass over it: a Previous MAAR whose length is not 34, an LMA Address of an unknown
    /// code, a MAG address that is not of 128 bits.
    Skipped {
        /// Option type.
        kind: u8,
        /// Option data, without type and length.
        data: Vec<u8>,
    },
    /// Any other option: its type and data octets.
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data, without type and length.
        data: Vec<u8>,
    },
}

impl MobilityOption {
    /// The option type octet.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::BindingRefreshAdvice(_) => kind::BINDING_REFRESH_ADVICE,
            Self::AlternateCareOfAddress(_) => kind::ALTERNATE_CARE_OF_ADDRESS,
            Self::MnIdentifier(_) => kind::MN_IDENTIFIER,
            Self::Authentication(_) => kind::AUTHENTICATION,
            Self::ReplayProtection(_) => kind::REPLAY_PROTECTION,
            Self::Experimental(_) => kind::EXPERIMENTAL,
            Self::ServiceSelection(_) => kind::SERVICE_SELECTION,
            Self::HomeNetworkPrefix(_) => kind::HOME_NETWORK_PREFIX,
            Self::HandoffIndicator(_) => kind::HANDOFF_INDICATOR,
            Self::AccessTechnology(_) => kind::ACCESS_TECHNOLOGY,
            Self::MnLinkLayerIdentifier(_) => kind::MN_LINK_LAYER_IDENTIFIER,
            Self::LinkLocalAddress(_) => kind::LINK_LOCAL_ADDRESS,
            Self::Timestamp(_) => kind::TIMESTAMP,
            Self::RestartCounter(_) => kind::RESTART_COUNTER,
            Self::Ipv4HomeAddress { .. } => kind::IPV4_HOME_ADDRESS,
            Self::Ipv4AddressAcknowledgement(_) => kind::IPV4_ADDRESS_ACKNOWLEDGEMENT,
            Self::NatDetection(_) => kind::NAT_DETECTION,
            Self::Ipv4CareOfAddress(_) => kind::IPV4_CARE_OF_ADDRESS,
            Self::GreKey(_) => kind::GRE_KEY,
            Self::Ipv4HomeAddressRequest(_) => kind::IPV4_HOME_ADDRESS_REQUEST,
            Self::Ipv4HomeAddressReply(_) => kind::IPV4_HOME_ADDRESS_REPLY,
            Self::Ipv4DefaultRouter(_) => kind::IPV4_DEFAULT_ROUTER,
            Self::Ipv4DhcpMode(_) => kind::IPV4_DHCP_MODE,
            Self::LmaAddress(_) => kind::LMA_ADDRESS,
            Self::MnGroupIdentifier(_) => kind::MN_GROUP_IDENTIFIER,
            Self::MagAddress(_) => kind::MAG_ADDRESS,
            Self::DelegatedPrefix(_) => kind::DELEGATED_PREFIX,
            Self::AnchoredPrefix(_) => kind::ANCHORED_PREFIX,
            Self::LocalPrefix(_) => kind::LOCAL_PREFIX,
            Self::PreviousMaar(_) => kind::PREVIOUS_MAAR,
            Self::ServingMaar(_) => kind::SERVING_MAAR,
            Self::DlifLinkLocalAddress(_) => kind::DLIF_LINK_LOCAL_ADDRESS,
            Self::DlifLinkLayerAddress(_) => kind::DLIF_LINK_LAYER_ADDRESS,
            Self::Skipped { kind, .. } | Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// Identity of a mobile node (RFC 4283; subtype 1 is a network access identifier). Without octets it
/// names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MnIdentifier {
    /// Subtype 1: network access identifier, UTF-8 as RFC 7542 has it.
    Nai(String),
    /// Any other subtype, kept as it came.
    Other {
        /// Subtype.
        subtype: u8,
        /// Identifier octets.
        data: Vec<u8>,
    },
}

impl MnIdentifier {
    /// Subtype of a network access identifier.
    pub const NAI: u8 = 1;

    /// The subtype octet.
    pub const fn subtype(&self) -> u8 {
        match self {
            Self::Nai(_) => Self::NAI,
            Self::Other { subtype, .. } => *subtype,
        }
    }

    /// The identifier, subtype left out.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Nai(text) => text.as_bytes(),
            Self::Other { data, .. } => data,
        }
    }
}

/// Handoff Indicator (RFC 5213 section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandoffIndicator(pub u8);

impl HandoffIndicator {
    /// Attachment over a new interface.
    pub const NEW_INTERFACE: Self = Self(1);
    /// Handoff between two interfaces of the mobile node.
    pub const BETWEEN_INTERFACES: Self = Self(2);
    /// Handoff between mobile access gateways for the same interface.
    pub const BETWEEN_MAGS: Self = Self(3);
    /// Handoff state unknown.
    pub const UNKNOWN: Self = Self(4);
    /// Handoff state not changed (re-registration).
    pub const NOT_CHANGED: Self = Self(5);
}

/// Access Technology Type (RFC 5213 section 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessTechnology(pub u8);

impl AccessTechnology {
    /// Virtual.
    pub const VIRTUAL: Self = Self(1);
    /// Point-to-point protocol.
    pub const PPP: Self = Self(2);
    /// IEEE 802.3.
    pub const ETHERNET: Self = Self(3);
    /// IEEE 802.11.
    pub const WIRELESS_LAN: Self = Self(4);
}

/// 48 bits of seconds since 1970-01-01T00:00:00Z and 16 bits of 1/65536 s (RFC 5213 section 8.8).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The time that is `since_epoch` after 1970-01-01T00:00:00Z, rounded down to 1/65536 s. Time
    /// past the 48 bits of seconds stays at their end.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs();
        if seconds >> 48 != 0 {
            return Self(u64::MAX);
        }
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 16 | fraction)
    }

    /// How long after 1970-01-01T00:00:00Z, rounded up to a nanosecond, so that
    /// [`from_unix`](Self::from_unix) of it is this value again.
    pub fn to_unix(self) -> Duration {
        let nanos = ((self.0 & 0xffff) * 1_000_000_000).div_ceil(1 << 16);
        Duration::from_secs(self.0 >> 16) + Duration::from_nanos(nanos)
    }

    /// The time between the two, whichever is the earlier.
    pub fn abs_diff(self, other: Self) -> Duration {
        Self(self.0.abs_diff(other.0)).to_unix()
    }
}
