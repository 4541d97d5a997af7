//! The visitor list as an operator sees it.

use crate::event::HostLink;
use serde::Serialize;
use std::net::Ipv6Addr;
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
    /// Other addresses that it has shown.
    pub addresses: Vec<Ipv6Addr>,
    /// Its home network prefixes: bound, or asked for.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Its anchor, which is the far end of the tunnel.
    pub lma: Option<Ipv6Addr>,
    /// Our end of the tunnel.
    pub care_of: Ipv6Addr,
    /// Until the binding ends if it is not refreshed.
    pub lifetime_left: Option<Duration>,
    /// Sequence number of the last update.
    pub sequence: Option<u16>,
}
