//! What a role can want done.
//!
//! The effects of one event apply in order, and a role emits them in the order table, store, send:
//! by the time a peer hears that something is so, it is so.

use crate::event::{HostLink, Timer};
use crate::store::{Key, Record};
use crate::BoundPrefix;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::{
    DhcpMode, HomeNetworkPrefix, Message, MnIdentifier, RevocationStatus, RevocationTrigger, Status,
};
use wire::niq::NiQuery;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
// Effects lie in a vector that is used again: a box for each record would be one allocation more for each.
#[allow(clippy::large_enum_variant)]
pub enum Effect {
    /// Install the binding of a prefix, or move it: one atomic step for the workers.
    Bind {
        /// The home network prefix, or IPv4 home address.
        prefix: BoundPrefix,
        /// What becomes of its packets.
        path: Path,
    },
    /// Remove the binding of a prefix.
    Unbind {
        /// The home network prefix, or IPv4 home address.
        prefix: BoundPrefix,
    },
    /// Keep a record across a restart, in the place of what is kept under its key. What is sent
    /// after it says that it is kept, and waits for that.
    Store {
        /// The record.
        record: Record,
    },
    /// Keep nothing under a key any more.
    Forget {
        /// The key.
        key: Key,
    },
    /// A record that was given back does not fit: there is less room than when it was stored. It stays in
    /// the store, and a gateway that lacks room for what it has acknowledged does not go on.
    NoRoom {
        /// Its key.
        key: Key,
    },
    /// Send a mobility message.
    Send {
        /// Source address, one of ours.
        from: Ipv6Addr,
        /// Destination address.
        to: Ipv6Addr,
        /// The message.
        message: Message,
    },
    /// Send a Router Advertisement to one host.
    Advertise {
        /// The host.
        link: HostLink,
        /// Its link-local address; unspecified when it is not known: the packet then goes to
        /// ff02::1, in a frame for this host alone (S1-31, S1-32).
        to: Ipv6Addr,
        /// What it is told.
        advertisement: Advertisement,
    },
    /// Tell a host that an address which it is about to take is somebody else's: the owner, who is
    /// served here, may not hear the question (RFC 4861 section 7.2.8, RFC 6957).
    Defend {
        /// The host that asked.
        link: HostLink,
        /// The address.
        target: Ipv6Addr,
    },
    /// Be the IPv4 default router of a host and serve its DHCPv4 client, or no longer.
    ServeIpv4 {
        /// The host.
        link: HostLink,
        /// What it has; `None`: nothing any more.
        service: Option<Ipv4Service>,
    },
    /// Be another router to the hosts on an access interface, beside its own one.
    ShowRouter {
        /// Index of the access interface.
        interface: u16,
        /// The router.
        router: LogicalRouter,
    },
    /// Be that router no longer.
    HideRouter {
        /// Index of the access interface.
        interface: u16,
        /// The router.
        router: LogicalRouter,
    },
    /// Ask who this host is and whether it may attach; [`Event::Authenticated`] answers.
    ///
    /// [`Event::Authenticated`]: crate::Event::Authenticated
    Authenticate {
        /// The host.
        link: HostLink,
    },
    /// Find out which prefixes a host has from anchors elsewhere; [`Event::AnchorsFound`] tells, at once
    /// or later, and again when there are more. Nobody has to answer.
    ///
    /// [`Event::AnchorsFound`]: crate::Event::AnchorsFound
    FindAnchors {
        /// The host.
        link: HostLink,
        /// Who it is.
        mn_identifier: MnIdentifier,
    },
    /// Send a host a Node Information Query (RFC 4620), from our link-local address on its link;
    /// [`Event::NodeInformation`] brings its reply.
    ///
    /// [`Event::NodeInformation`]: crate::Event::NodeInformation
    QueryNode {
        /// The host.
        link: HostLink,
        /// Its link-local address.
        to: Ipv6Addr,
        /// The question.
        query: NiQuery,
    },
    /// Watch the reachability of a host (RFC 4861 section 7.3) until told not to.
    Watch {
        /// The host.
        link: HostLink,
        /// Its address, if one is known.
        address: Option<IpAddr>,
    },
    /// Ask a host whether it is there, once, be it served or not. If it is, the next message of
    /// neighbour discovery that comes from it is a sign of it like any other.
    Probe {
        /// The host.
        link: HostLink,
        /// Its address.
        address: Ipv6Addr,
    },
    /// Stop watching a host.
    Unwatch {
        /// The host.
        link: HostLink,
    },
    /// Start a timer, or start it anew.
    SetTimer {
        /// Which.
        timer: Timer,
        /// When it runs out, counted from now.
        after: Duration,
    },
    /// Stop a timer.
    CancelTimer {
        /// Which.
        timer: Timer,
    },
    /// Tell subscribers and the log what happened.
    Notify {
        /// What.
        notice: Notice,
    },
}

/// What a host has of IPv4 (RFC 5844 section 3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Service {
    /// Its IPv4 home address.
    pub address: Ipv4Addr,
    /// Length of its home network's prefix in bits, 1 to 32.
    pub prefix_length: u8,
    /// Its default router: the gateway that serves it, under this address.
    pub router: Ipv4Addr,
    /// What the gateway is to its DHCPv4 client.
    pub dhcp: DhcpMode,
}

/// How hosts see an anchor on their link (RFC 8885 section 3.7): the same wherever they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogicalRouter {
    /// Its link-local address.
    pub link_local: Ipv6Addr,
    /// Its link-layer address.
    pub mac: MacAddr,
}

/// What stands between a tunnel's outer header and an inner packet.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Encapsulation {
    /// Nothing.
    #[default]
    Plain,
    /// A UDP header; over IPv4 only (RFC 5844 section 4).
    Udp,
    /// A GRE header, with keys or without (RFC 5845).
    Gre {
        /// The keys of this session.
        keys: Option<GreKeys>,
    },
}

impl Encapsulation {
    /// Whether there is nothing.
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }
}

/// The GRE keys of a session, as the gateway that installs its tunnel sees them: the uplink key is what a
/// MAG sends and an LMA receives (RFC 5845 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GreKeys {
    /// What we write into what we send.
    pub send: u32,
    /// What stands in what we accept.
    pub receive: u32,
}

/// Both ends of a bidirectional tunnel, as the gateway that installs it sees them. Ends of a tunnel over
/// IPv4 are in their IPv6 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TunnelEnds {
    /// Our end.
    pub local: Ipv6Addr,
    /// The other end.
    pub remote: Ipv6Addr,
    /// What else goes around an inner packet.
    #[serde(default, skip_serializing_if = "Encapsulation::is_plain")]
    pub encapsulation: Encapsulation,
}

impl TunnelEnds {
    /// Ends with nothing but the inner packet behind the outer header.
    pub const fn plain(local: Ipv6Addr, remote: Ipv6Addr) -> Self {
        Self {
            local,
            remote,
            encapsulation: Encapsulation::Plain,
        }
    }
}

/// Where the packets of a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// We anchor the prefix; its host is behind this tunnel.
    Anchor {
        /// Tunnel to the gateway that serves the host.
        tunnel: TunnelEnds,
    },
    /// Its host is on our access link; the prefix is anchored behind this tunnel.
    Access {
        /// Tunnel to the anchor.
        tunnel: TunnelEnds,
        /// The host.
        link: HostLink,
        /// Whether the prefix is delegated to it, and so not of its link (RFC 7148).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        delegated: bool,
    },
    /// We anchor the prefix and its host is on our access link: no tunnel.
    Local {
        /// The host.
        link: HostLink,
    },
    /// We anchor the prefix and wait for its host to come back (MinDelayBeforeBCEDelete).
    Pending,
}

/// Contents of a Router Advertisement to a host (RFC 4861 section 4.2, RFC 5213 section 6.9.1).
/// Unless it names a router, source address and link-layer address are those of the interface: the
/// same on every gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertisement {
    /// The prefixes, each with valid and preferred lifetime; L=0, A=1 (S1-30).
    pub prefixes: Vec<AdvertisedPrefix>,
    /// Router lifetime in seconds; 0 ends our being a default router.
    pub router_lifetime: u16,
    /// M flag: addresses by DHCPv6 (S1-35).
    pub managed: bool,
    /// O flag: other configuration by DHCPv6 (S1-35).
    pub other: bool,
    /// Link MTU option, if one is to be sent.
    pub mtu: Option<u32>,
    /// The router that it comes from; none: the interface's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<LogicalRouter>,
}

/// One prefix of an [`Advertisement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertisedPrefix {
    /// The prefix.
    pub prefix: HomeNetworkPrefix,
    /// Valid lifetime in seconds.
    pub valid: u32,
    /// Preferred lifetime in seconds.
    pub preferred: u32,
}

/// How a gateway learns that a host has an address (S1-36, S1-37, S1-39).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learned {
    /// The host asked whether it is free (duplicate address detection).
    Dad,
    /// It sent a packet from it.
    Packet,
    /// A DHCP server leased it.
    Dhcp,
}

/// What operators and subscribers are told. `anchorctl` and the demonstration show these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// MAG: a host attached.
    Attached {
        /// Where.
        link: HostLink,
        /// Who.
        mn_identifier: MnIdentifier,
    },
    /// MAG: a host may not attach.
    AttachRefused {
        /// Where.
        link: HostLink,
        /// Why, one sentence.
        why: String,
    },
    /// MAG: a host left.
    Detached {
        /// Where.
        link: HostLink,
        /// Who.
        mn_identifier: MnIdentifier,
    },
    /// MAG: it is known now that a host has this address.
    AddressLearned {
        /// Where the host is.
        link: HostLink,
        /// Who it is.
        mn_identifier: MnIdentifier,
        /// The address.
        address: Ipv6Addr,
        /// How it became known.
        by: Learned,
    },
    /// MAG: a host claims an address that it may not have; nothing is forwarded for it.
    AddressRefused {
        /// Where the host is.
        link: HostLink,
        /// Who it is.
        mn_identifier: MnIdentifier,
        /// The address.
        address: Ipv6Addr,
        /// Why, one sentence.
        why: String,
    },
    /// MAG: the anchor does not take what servers have delegated to a host (RFC 7148 section 5.1.2).
    DelegationRefused {
        /// Where the host is.
        link: HostLink,
        /// Who it is.
        mn_identifier: MnIdentifier,
        /// Why.
        status: Status,
    },
    /// MAG: a Proxy Binding Update goes out.
    UpdateSent {
        /// For whom.
        mn_identifier: MnIdentifier,
        /// To which LMA.
        lma: Ipv6Addr,
        /// Its sequence number.
        sequence: u16,
        /// Lifetime asked for in seconds; 0 de-registers.
        lifetime_secs: u32,
    },
    /// MAG: a Proxy Binding Acknowledgement came and was taken.
    AcknowledgementReceived {
        /// For whom.
        mn_identifier: MnIdentifier,
        /// The outcome.
        status: Status,
        /// Time since the first transmission of the update.
        round_trip: Duration,
    },
    /// LMA: a Proxy Binding Update was answered.
    UpdateAnswered {
        /// For whom, if the update said.
        mn_identifier: Option<MnIdentifier>,
        /// From which MAG.
        from: Ipv6Addr,
        /// The outcome.
        status: Status,
    },
    /// LMA: a registration by a host itself was answered.
    HomeRegistrationAnswered {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its home address.
        home_address: Ipv6Addr,
        /// Its care-of address.
        from: Ipv6Addr,
        /// The outcome.
        status: Status,
    },
    /// MAAR: a prefix of ours is routed to its host on our link, without a tunnel.
    ServedHere {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its prefix.
        prefix: BoundPrefix,
    },
    /// A binding was installed.
    BindingUp {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its prefix.
        prefix: BoundPrefix,
        /// Its tunnel.
        tunnel: TunnelEnds,
    },
    /// LMA: a binding moved to another care-of address.
    BindingMoved {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its prefix.
        prefix: BoundPrefix,
        /// The old care-of address.
        from: Ipv6Addr,
        /// The new one.
        to: Ipv6Addr,
    },
    /// A binding was removed.
    BindingDown {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its prefix.
        prefix: BoundPrefix,
    },
    /// CMD: a host came to the domain, or came back to it.
    SessionUp {
        /// Who.
        mn_identifier: MnIdentifier,
        /// The MAAR that serves it.
        maar: Ipv6Addr,
        /// Its prefixes there.
        prefixes: Vec<HomeNetworkPrefix>,
    },
    /// CMD: a host moved to another MAAR.
    SessionMoved {
        /// Who.
        mn_identifier: MnIdentifier,
        /// The MAAR that served it.
        from: Ipv6Addr,
        /// The one that does now.
        to: Ipv6Addr,
    },
    /// CMD: a host has left the domain; its previous MAARs are told to let go.
    SessionDown {
        /// Who.
        mn_identifier: MnIdentifier,
    },
    /// CMD: a previous MAAR answered what it was told about a host.
    AnchorAnswered {
        /// Which host.
        mn_identifier: MnIdentifier,
        /// The MAAR.
        maar: Ipv6Addr,
        /// The outcome.
        status: Status,
    },
    /// CMD: a previous MAAR never answered what it was told about a host.
    AnchorSilent {
        /// Which host.
        mn_identifier: MnIdentifier,
        /// The MAAR.
        maar: Ipv6Addr,
    },
    /// A Binding Revocation Indication went out.
    RevocationSent {
        /// To whom.
        peer: Ipv6Addr,
        /// Why.
        trigger: RevocationTrigger,
    },
    /// A Binding Revocation Acknowledgement came and was taken.
    RevocationAnswered {
        /// From whom.
        peer: Ipv6Addr,
        /// The outcome.
        status: RevocationStatus,
    },
    /// A revocation was sent as often as it may be and was never acknowledged.
    RevocationUnanswered {
        /// Who did not answer.
        peer: Ipv6Addr,
    },
    /// A peer revoked bindings here.
    Revoked {
        /// Who.
        peer: Ipv6Addr,
        /// Why.
        trigger: RevocationTrigger,
        /// What it was answered.
        status: RevocationStatus,
    },
    /// A peer does not answer heartbeats any more (RFC 5847 section 3.1).
    PeerDown {
        /// Which.
        peer: Ipv6Addr,
        /// Sessions that are shared with it.
        sessions: usize,
    },
    /// A peer that was down answers again.
    PeerUp {
        /// Which.
        peer: Ipv6Addr,
    },
    /// A peer has restarted without its sessions (RFC 5847 section 3.2).
    PeerRestarted {
        /// Which.
        peer: Ipv6Addr,
        /// Its Restart Counter now.
        restart_counter: u32,
    },
    /// A peer does not know heartbeats and is not asked any more.
    PeerWithoutHeartbeats {
        /// Which.
        peer: Ipv6Addr,
    },
    /// A message was refused without an answer, counted under `reason`.
    MessageIgnored {
        /// From whom.
        from: Ipv6Addr,
        /// Why, a stable name in snake case.
        reason: String,
    },
}
