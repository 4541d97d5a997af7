//! The visitor list as an operator sees it.

use super::config::MagConfig;
use super::leave::Leaving;
use super::visitor::{Held, Visitor};
use crate::effect::Ipv4Service;
use crate::effect::Learned;
use crate::event::HostLink;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// State of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitorState {
    /// Who it is and whether it may attach has been asked.
    Authenticating,
    /// It may attach; its anchor has not accepted it yet.
    Registering,
    /// It is served.
    Bound,
    /// It is served, and an update is on its way.
    Refreshing,
    /// It left; the de-registration is not acknowledged yet.
    Leaving,
}

/// An address of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// How it became known.
    pub learned: Learned,
}

impl VisitorAddress {
    pub(super) const fn of(held: &Held) -> Self {
        Self {
            address: held.address,
            learned: held.by,
        }
    }
}

/// One entry of the visitor list, which is also the binding update list (S1-27, RFC 5213
/// section 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitorView {
    /// Access link and link-layer address of the host.
    pub link: HostLink,
    /// Who it is, once that is known.
    pub mn_identifier: Option<MnIdentifier>,
    /// What is being done with it.
    pub state: VisitorState,
    /// Its link-local address, if it has shown one.
    pub link_local: Option<Ipv6Addr>,
    /// Its other addresses, as far as they are known.
    pub addresses: Vec<VisitorAddress>,
    /// The DHCP server that it has its leases from.
    pub dhcp_server: Option<IpAddr>,
    /// Its home network prefixes: bound, or asked for.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to it and bound.
    pub delegated_prefixes: Vec<HomeNetworkPrefix>,
    /// What it has of IPv4, once that is bound.
    pub ipv4: Option<Ipv4Service>,
    /// Its anchor, which is the far end of the tunnel.
    pub lma: Option<Ipv6Addr>,
    /// Our end of the tunnel.
    pub care_of: Ipv6Addr,
    /// Until the binding ends if it is not refreshed.
    pub lifetime_left: Option<Duration>,
    /// Sequence number of the last update.
    pub sequence: Option<u16>,
}

impl Visitor {
    pub(super) fn view(&self, now: Duration, config: &MagConfig) -> VisitorView {
        let registration = self.registration.as_ref();
        let bound = registration.and_then(|r| r.bound);
        let state = match (registration, bound) {
            (None, _) => VisitorState::Authenticating,
            (Some(_), None) => VisitorState::Registering,
            (Some(here), Some(_)) if here.list.update.is_some() => VisitorState::Refreshing,
            (Some(_), Some(_)) => VisitorState::Bound,
        };
        VisitorView {
            link: self.host.link,
            mn_identifier: registration.map(|r| r.list.mn_identifier.clone()),
            state,
            link_local: self.host.link_local,
            addresses: self.host.addresses.iter().map(VisitorAddress::of).collect(),
            dhcp_server: registration.and_then(|r| r.dhcp_server),
            prefixes: registration.map_or_else(Vec::new, |r| r.prefixes.clone()),
            delegated_prefixes: registration
                .filter(|_| bound.is_some())
                .map_or_else(Vec::new, |r| r.delegated.clone()),
            ipv4: registration
                .filter(|_| bound.is_some())
                .and_then(|r| r.ipv4),
            lma: registration.map(|r| r.list.lma),
            care_of: registration.map_or(config.address, |r| config.local(r.list.lma)),
            lifetime_left: bound.map(|bound| bound.expiry.saturating_sub(now)),
            sequence: registration.map(|r| r.list.sequence),
        }
    }
}

impl Leaving {
    pub(super) fn view(&self, config: &MagConfig) -> VisitorView {
        VisitorView {
            link: self.list.link,
            mn_identifier: Some(self.list.mn_identifier.clone()),
            state: VisitorState::Leaving,
            link_local: None,
            addresses: Vec::new(),
            dhcp_server: None,
            prefixes: self.prefixes.clone(),
            delegated_prefixes: Vec::new(),
            ipv4: None,
            lma: Some(self.list.lma),
            care_of: config.local(self.list.lma),
            lifetime_left: None,
            sequence: Some(self.list.sequence),
        }
    }
}
