//! What a role keeps across a restart: a record for each binding that a peer was told of.
//!
//! ```text
//!   accepted, moved, de-registered ──► Effect::Store { record }  ─┐   before the Effect::Send that
//!   ended                          ──► Effect::Forget { key }    ─┴─► tells the peer
//!
//!   at start: Event::Restored { record }, once for each ──► bound again, as if it had never stopped
//! ```
//!
//! A record is whole: what comes after it under the same key takes its place. Times in it are
//! wall-clock times, for the monotonic clock begins anew with each start. What it need not hold is
//! what follows from it: the place in the pools from the prefixes, the tunnel from the addresses.
//!
//! Records outlive the version that wrote them. A field that is new has a default, so that older
//! records are still read.

use crate::domain::DomainName;
use crate::effect::{Encapsulation, Ipv4Service, LogicalRouter};
use crate::event::HostLink;
use crate::lma::BindingKind;
use crate::mag::VisitorAddress;
use crate::policy::Profile;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{
    AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, MobilityOption, NtpTime,
    RevocationTrigger,
};

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// LMA: an entry of the binding cache.
    Binding(BindingRecord),
    /// MAG: an entry of the binding update list, with the host that it is for.
    Visitor(VisitorRecord),
    /// CMD: an entry of the binding cache.
    Session(SessionRecord),
    /// MAAR: a host that it anchors, and serves or not.
    Node(NodeRecord),
}

impl Record {
    /// What it is kept under.
    pub const fn key(&self) -> Key {
        match self {
            Self::Binding(binding) => Key::Binding {
                session: binding.session,
            },
            Self::Visitor(visitor) => Key::Visitor { link: visitor.link },
            Self::Session(session) => Key::Session {
                session: session.session,
            },
            Self::Node(node) => Key::Node {
                session: node.session,
            },
        }
    }
}

/// What a record is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// A binding.
    Binding {
        /// Its mobility session.
        session: u64,
    },
    /// A visitor.
    Visitor {
        /// Where it is.
        link: HostLink,
    },
    /// A host at a CMD.
    Session {
        /// Its session.
        session: u64,
    },
    /// A host of a MAAR.
    Node {
        /// Its session here.
        session: u64,
    },
}

/// A host that a MAAR anchors (RFC 8885 section 3), as it was acknowledged last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Number of its session here.
    pub session: u64,
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// Its prefix, which is of our pools.
    pub prefix: HomeNetworkPrefix,
    /// Timestamp of the last update of the database that was accepted, if it had one.
    #[serde(default)]
    pub timestamp: Option<NtpTime>,
    /// When the host came to where it is served, as the gateway there has told straight, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<NtpTime>,
    /// Where it is.
    pub place: NodePlace,
}

/// Where a host of a MAAR is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodePlace {
    /// On a link of ours.
    Here {
        /// Which.
        link: HostLink,
        /// Its link-local address, if it has shown one.
        link_local: Option<Ipv6Addr>,
        /// Who it is and what its link is like.
        profile: Profile,
        /// Prefixes that other gateways anchor for it.
        previous: Vec<PreviousRecord>,
        /// When its binding is to be refreshed, since 1970.
        refresh: Duration,
        /// When its binding ends if it is not refreshed, since 1970.
        ends: Duration,
    },
    /// With another gateway.
    Away {
        /// Which.
        serving: Ipv6Addr,
        /// When the binding ends unless the database renews it, since 1970; none: when the database
        /// says so.
        ends: Option<Duration>,
    },
}

/// A prefix that another gateway anchors for a host on our link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousRecord {
    /// The gateway.
    pub anchor: Ipv6Addr,
    /// The prefix.
    pub prefix: HomeNetworkPrefix,
    /// How the host sees it, if it is a router of its own.
    #[serde(default)]
    pub router: Option<LogicalRouter>,
}

/// A binding cache entry (RFC 5213 section 5.1) as it was acknowledged last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// Number of the mobility session.
    pub session: u64,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "BindingKind::is_proxy")]
    pub kind: BindingKind,
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// Its home network prefixes, sorted.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to the host, sorted.
    #[serde(default)]
    pub delegated: Vec<HomeNetworkPrefix>,
    /// The host's addresses in them that its gateway has told.
    #[serde(default)]
    pub home_addresses: Vec<Ipv6Addr>,
    /// Its IPv4 home address, if it has one.
    #[serde(default)]
    pub ipv4_home_address: Option<Ipv4Addr>,
    /// The domain that it is of, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Care-of address; of a proxy binding, the gateway's.
    pub care_of: Ipv6Addr,
    /// How packets go there.
    #[serde(default, skip_serializing_if = "Encapsulation::is_plain")]
    pub encapsulation: Encapsulation,
    /// Link-layer identifier of the attached interface, if the gateway told it.
    pub link_layer: Option<Vec<u8>>,
    /// How the mobile node is attached.
    pub access_technology: AccessTechnology,
    /// Handoff Indicator of the last accepted update.
    pub handoff: HandoffIndicator,
    /// Whether the gateway has said that the host came to it.
    pub attached: bool,
    /// Link-local address of the gateway on the access link; unspecified while nobody has asked.
    pub link_local: Ipv6Addr,
    /// Sequence number of the last accepted update.
    pub sequence: u16,
    /// Timestamp of the latest accepted update that had one.
    pub timestamp: Option<NtpTime>,
    /// Whether it is de-registered and waits for its host to come back.
    pub pending: bool,
    /// When it ends if nothing more comes, since 1970.
    pub ends: Duration,
}

/// A host that a MAG serves, as its anchor acknowledged it last (RFC 5213 section 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorRecord {
    /// Where it is.
    pub link: HostLink,
    /// Its link-local address, if it has shown one.
    pub link_local: Option<Ipv6Addr>,
    /// Its other addresses.
    pub addresses: Vec<VisitorAddress>,
    /// The DHCP server that it has its leases from.
    #[serde(default)]
    pub dhcp_server: Option<IpAddr>,
    /// Who it is, where it is anchored and what its home link is like.
    pub profile: Profile,
    /// Its home network prefixes.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to it.
    #[serde(default)]
    pub delegated: Vec<HomeNetworkPrefix>,
    /// What it has of IPv4.
    #[serde(default)]
    pub ipv4: Option<Ipv4Service>,
    /// How packets go to its anchor.
    #[serde(default, skip_serializing_if = "Encapsulation::is_plain")]
    pub encapsulation: Encapsulation,
    /// Sequence number of the last update that was sent.
    pub sequence: u16,
    /// When its binding is to be refreshed, since 1970.
    pub refresh: Duration,
    /// When its binding ends if it is not refreshed, since 1970.
    pub ends: Duration,
}

/// A binding cache entry of a CMD (RFC 8885 section 3.2) as its MAARs know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Number of the session.
    pub session: u64,
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// The MAAR that serves it.
    pub serving: Option<Ipv6Addr>,
    /// The MAARs that anchor its prefixes, the serving one last.
    pub anchors: Vec<AnchorRecord>,
    /// Whether it is de-registered and waits for its host to come back; without that and without a
    /// serving MAAR it is over, and its anchors are to let go.
    pub pending: bool,
    /// Link-layer identifier of the attached interface, if the MAAR told it.
    pub link_layer: Option<Vec<u8>>,
    /// How the mobile node is attached.
    pub access_technology: AccessTechnology,
    /// Handoff Indicator of the last accepted update.
    pub handoff: HandoffIndicator,
    /// Sequence number of the last accepted update.
    pub sequence: u16,
    /// Timestamp of the latest accepted update that had one.
    pub timestamp: Option<NtpTime>,
    /// Lifetime that was granted, in units of four seconds.
    pub granted: u16,
}

/// A MAAR that anchors prefixes of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorRecord {
    /// Its address.
    pub address: Ipv6Addr,
    /// The prefixes.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// Those that it is to let go of.
    pub leaving: Vec<HomeNetworkPrefix>,
    /// The serving MAAR that it knows of.
    pub told: Option<Ipv6Addr>,
    /// What it has told of its interface towards the host (RFC 8885 sections 4.4, 4.7 and 4.8).
    #[serde(default)]
    pub attributes: Vec<MobilityOption>,
    /// What it serves that has come to its end, until it has answered that it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedRecord>,
}

/// What a MAAR serves that has come to its end (RFC 5846 section 8.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedRecord {
    /// Why it has.
    pub trigger: RevocationTrigger,
    /// The prefixes.
    pub prefixes: Vec<HomeNetworkPrefix>,
}
