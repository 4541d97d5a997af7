//! The binding cache as an operator sees it.

use serde::Serialize;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

/// State of a host's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A MAAR serves the host.
    Active,
    /// De-registered: its older prefixes wait for it to come back.
    Pending,
    /// Over: its previous MAARs are being told.
    Ending,
}

/// What a previous MAAR knows of where the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorState {
    /// It serves the host itself.
    Serving,
    /// It has accepted where the host is.
    Told,
    /// It has been sent where the host is, and has not answered yet.
    Asked,
    /// It never answered.
    Silent,
    /// It is to let go of the host.
    Leaving,
}

/// A MAAR that anchors prefixes of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnchorView {
    /// Its address.
    pub address: Ipv6Addr,
    /// The prefixes that it anchors; those that it is to let go of are not among them.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// What it knows.
    pub state: AnchorState,
}

/// One entry of the binding cache: a host, the MAAR that serves it, and its P-MAAR list (RFC 8885
/// section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Number of the session; never used again.
    pub session: u64,
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// The MAAR that serves it (Proxy-CoA); none while it is not active.
    pub serving: Option<Ipv6Addr>,
    /// Its anchors: previous MAARs from the oldest on, the serving one last.
    pub anchors: Vec<AnchorView>,
    /// What becomes of it.
    pub state: SessionState,
    /// Until it ends if nothing more comes; zero while it is ending.
    pub lifetime_left: Duration,
    /// Sequence number of the last accepted update.
    pub sequence: u16,
    /// Timestamp of the last accepted update, if it had one.
    pub timestamp: Option<NtpTime>,
    /// How the mobile node is attached.
    pub access_technology: AccessTechnology,
    /// Handoff Indicator of the last accepted update.
    pub handoff_indicator: HandoffIndicator,
    /// Whether the serving MAAR still waits for its answer.
    pub awaited: bool,
}
