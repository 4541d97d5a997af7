//! The binding cache as an operator sees it.

use crate::domain::DomainName;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

/// State of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingState {
    /// Its packets go through the tunnel.
    Active,
    /// De-registered, waiting for its host to come back.
    Pending,
}

/// Who registered a binding, and so what its care-of address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingKind {
    /// A gateway, for a host on its link (RFC 5213): the care-of address is the gateway's.
    #[default]
    Proxy,
    /// The host itself, by Mobile IPv6 (RFC 6275): the care-of address is its own.
    Mobile,
}

impl BindingKind {
    /// Whether it stands in records without being said.
    pub(crate) const fn is_proxy(&self) -> bool {
        matches!(self, Self::Proxy)
    }
}

/// One binding cache entry (RFC 5213 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BindingView {
    /// Number of the mobility session; never used again.
    pub session: u64,
    /// Who registered it.
    pub kind: BindingKind,
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// Its home network prefixes.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to the mobile node.
    pub delegated_prefixes: Vec<HomeNetworkPrefix>,
    /// Its IPv4 home address, if it has one.
    pub ipv4_home_address: Option<Ipv4Addr>,
    /// The domain that it is of, if it is of one.
    pub domain: Option<DomainName>,
    /// Care-of address: the far end of the tunnel; of a proxy binding, the gateway's.
    pub care_of: Ipv6Addr,
    /// Our end of the tunnel.
    pub anchor: Ipv6Addr,
    /// What becomes of its packets.
    pub state: BindingState,
    /// Until the binding ends if nothing more comes; while pending, until it is deleted.
    pub lifetime_left: Duration,
    /// Sequence number of the last accepted update.
    pub sequence: u16,
    /// Timestamp of the last accepted update, if it had one.
    pub timestamp: Option<NtpTime>,
    /// How the mobile node is attached.
    pub access_technology: AccessTechnology,
    /// Handoff Indicator of the last accepted update.
    pub handoff_indicator: HandoffIndicator,
    /// Link-layer identifier of the attached interface, if the gateway told it.
    pub link_layer_identifier: Option<Vec<u8>>,
    /// Link-local address of the gateway on the access link, if it is known here.
    pub link_local: Option<Ipv6Addr>,
    /// Whether an update of another interface waits for this session to be de-registered.
    pub waited_for: bool,
}
