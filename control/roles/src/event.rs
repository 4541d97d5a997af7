//! What can happen to a role.

use crate::cmd::{CmdMode, MaarPeer};
use crate::lma::HomeRegistration;
use crate::maar::Neighbour;
use crate::policy::{LmaPolicy, Profile};
use crate::store::Record;
use crate::BoundPrefix;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use wire::ether::MacAddr;
use wire::mh::{
    BindingUpdate, HomeNetworkPrefix, Message, MnIdentifier, RevocationTrigger, Status,
};
use wire::niq::NiReply;

/// Where a host is on a shared access link: what RFC 5213's point-to-point link stands for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostLink {
    /// Index of the access interface (port and VLAN).
    pub interface: u16,
    /// The host's link-layer address.
    pub mac: MacAddr,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A well-formed mobility message for one of our addresses.
    Message {
        /// Source of the packet.
        from: Ipv6Addr,
        /// Destination of the packet, one of our addresses.
        to: Ipv6Addr,
        /// The message.
        message: Message,
    },
    /// A binding update for one of our addresses that is not what its sender made, or not new. Nothing
    /// in it is to be believed.
    Unauthenticated {
        /// Source of the packet.
        from: Ipv6Addr,
        /// Destination of the packet, one of our addresses.
        to: Ipv6Addr,
        /// The update.
        update: BindingUpdate,
        /// What it is to be answered with (RFC 4285 sections 5.3 and 6).
        status: Status,
    },
    /// LMA: a host registers itself, by signalling that somebody else has taken (RFC 6275 section 10.3.1).
    HomeRegistration {
        /// What it says.
        registration: HomeRegistration,
    },
    /// A host showed itself on an access link.
    HostSeen {
        /// Where.
        link: HostLink,
        /// How.
        sign: Sign,
    },
    /// The answer to [`Effect::Authenticate`](crate::Effect::Authenticate).
    Authenticated {
        /// The host that was asked about.
        link: HostLink,
        /// Its profile, or `None`: it may not attach.
        profile: Option<Profile>,
    },
    /// MAAR without a database: which prefixes a host has from anchors elsewhere, as far as somebody
    /// could tell ([`Effect::FindAnchors`](crate::Effect::FindAnchors)). It may come more than once, and unasked.
    AnchorsFound {
        /// The host.
        link: HostLink,
        /// What came of it.
        found: Found,
    },
    /// A host's reply to a Node Information Query (RFC 4620), as it came from its link.
    NodeInformation {
        /// The host that it came from.
        link: HostLink,
        /// Source address of the packet.
        from: Ipv6Addr,
        /// The reply.
        reply: NiReply,
    },
    /// A host left an access link.
    HostGone {
        /// Where it was.
        link: HostLink,
        /// How we know.
        why: Departure,
    },
    /// The operator or the access network says that a session of a host comes to another of its
    /// interfaces (RFC 5213 section 5.4).
    TakeOver {
        /// The interface that it comes to.
        link: HostLink,
        /// The home network prefixes of the session; none: the host has one session alone.
        prefixes: Vec<HomeNetworkPrefix>,
    },
    /// What a DHCP server leased to a host that is served, or what of that has ended.
    Leases {
        /// The host.
        link: HostLink,
        /// The server that said so; none when the host gives its addresses back.
        server: Option<IpAddr>,
        /// Addresses that are the host's now.
        granted: Vec<Ipv6Addr>,
        /// Addresses that are no longer.
        ended: Vec<Ipv6Addr>,
        /// Prefixes that are delegated to it now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        delegated: Vec<HomeNetworkPrefix>,
        /// Prefixes that no longer are.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        withdrawn: Vec<HomeNetworkPrefix>,
    },
    /// A timer that an effect set has run out.
    Timer {
        /// Which.
        timer: Timer,
    },
    /// The LMA's policy was read, at start and at every reload.
    Policy {
        /// All of it.
        policy: LmaPolicy,
    },
    /// CMD: the MAARs of the domain were read, at start and at every reload.
    Maars {
        /// All of them.
        maars: Vec<MaarPeer>,
    },
    /// MAAR: the other gateways of the domain were read again.
    Neighbours {
        /// All of them.
        neighbours: Vec<Neighbour>,
    },
    /// CMD: from now on hosts that move are dealt with in this mode (S2-27).
    Mode {
        /// The mode.
        mode: CmdMode,
    },
    /// The access policy was read again: every attached host is to be looked at anew.
    AccessPolicyChanged,
    /// What the access policy says of one host may have changed: it is to be asked about anew, if it
    /// is in the visitor list.
    AccessPolicyChangedFor {
        /// The host.
        link: HostLink,
    },
    /// Nothing has been sent to or from a prefix that is reached through a tunnel, for as long as is
    /// configured.
    Unused {
        /// The prefix.
        prefix: BoundPrefix,
    },
    /// The operator deletes a binding or a visitor.
    Delete {
        /// Whose.
        mn_identifier: MnIdentifier,
    },
    /// The operator revokes bindings: they end here, and the peer that shares them is told
    /// (RFC 5846).
    Revoke {
        /// Which.
        scope: RevocationScope,
    },
    /// The table or the kernel refused an effect of the event before this one. The effects behind it
    /// were not applied, but for those that only take away.
    Refused {
        /// The prefix whose binding could not be installed.
        prefix: BoundPrefix,
    },
    /// The gateway has started. The first event of all.
    Started {
        /// The Restart Counter (RFC 5847 section 3.2): larger after each start that lost sessions.
        restart_counter: u32,
        /// Whether this start may have lost sessions.
        lost: bool,
        /// Whether records are kept; else none need be made.
        #[serde(default)]
        keeps: bool,
    },
    /// MAG: the anchors that policy names, at start and at every reload.
    Anchors {
        /// Their addresses.
        addresses: Vec<Ipv6Addr>,
    },
    /// Something that was kept when the gateway ended, however it did. All that was kept comes
    /// after the policy and before anything else happens.
    Restored {
        /// What was kept.
        record: Record,
    },
    /// MAG: all that was kept is there, and this visitor has its turn to be looked after again: its timers, whether
    /// it is still on its link, and whether it may be. Its packets are forwarded since it was restored.
    Resumed {
        /// Where it is.
        link: HostLink,
    },
    /// The gateway is going down: say goodbye where the protocol has a way to.
    Shutdown,
}

/// What came of looking for the anchors of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It has these prefixes; none: it comes from nowhere. Those of our own, of no anchor of the domain,
    /// or known already, may be among them.
    Prefixes(Vec<HomeNetworkPrefix>),
    /// Nobody could tell.
    GaveUp,
}

/// Which bindings the operator revokes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationScope {
    /// Those of one host.
    Host {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Its IPv4 home address alone, and not its prefixes (RFC 5846 section 8.1).
        #[serde(default)]
        ipv4_only: bool,
        /// What the peer is told of why; `None`: what the role says by itself.
        #[serde(default)]
        trigger: Option<RevocationTrigger>,
    },
    /// Those of the hosts whose identifiers are of one realm (RFC 5846 section 8.1).
    Realm {
        /// What follows the `@` of the identifiers.
        realm: String,
    },
    /// Those that are shared with one peer.
    Peer {
        /// Its address.
        address: Ipv6Addr,
    },
    /// All that there are.
    All,
}

impl RevocationScope {
    /// All that one host has.
    pub const fn host(mn_identifier: MnIdentifier) -> Self {
        Self::Host {
            mn_identifier,
            ipv4_only: false,
            trigger: None,
        }
    }
}

/// How a host showed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It sent a Router Solicitation.
    RouterSolicitation {
        /// Source address of the solicitation: link-local or unspecified.
        source: Ipv6Addr,
    },
    /// It sent some other packet.
    Packet {
        /// Source address of the packet; unspecified when it told none.
        source: Ipv6Addr,
    },
    /// It asked whether an address is free that it is about to take (RFC 4862 section 5.4).
    Probe {
        /// The address.
        target: Ipv6Addr,
    },
    /// The operator or the access network says that it attached.
    Operator,
}

/// How we know that a host left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// The operator or the access network says so.
    Operator,
    /// The link went down.
    LinkDown,
    /// Neighbour unreachability detection had no answer (RFC 4861 section 7.3).
    Unreachable,
    /// AAA ends its session (RFC 5176 section 2.1).
    Disconnected,
    /// The time that AAA gave it is over (RFC 2865 section 5.27).
    SessionTimeout,
    /// It was idle for as long as AAA lets it be (RFC 2865 section 5.28).
    IdleTimeout,
}

impl Departure {
    /// Whether the host is still there for all we know: it is told that it is served no longer, and its
    /// mere packets do not bring it back at once.
    pub const fn is_still_there(self) -> bool {
        matches!(
            self,
            Self::Operator | Self::Disconnected | Self::SessionTimeout
        )
    }
}

/// A timer of a role. Setting one that runs starts it anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// LMA, CMD: the lifetime of a binding, or MinDelayBeforeBCEDelete after a de-registration, ends.
    BindingExpiry {
        /// Whose binding.
        session: u64,
    },
    /// LMA: MaxDelayBeforeNewBCEAssign is over for an update that waits for the de-registration of
    /// a session (RFC 5213 section 5.4.1.2).
    AssignWait {
        /// The session that is in its way.
        session: u64,
    },
    /// CMD: the previous MAARs of a host have had their time to answer (RFC 8885 section 3.2).
    Aggregation {
        /// Whose.
        session: u64,
    },
    /// CMD: send an update to a previous MAAR again, or now (RFC 8885 section 3.6).
    AnchorUpdate {
        /// For whom.
        session: u64,
        /// To which MAAR.
        maar: Ipv6Addr,
    },
    /// CMD: tell a serving MAAR of what has ended, now that it may be told more about its host (RFC 5846
    /// section 8.1, RFC 8885 section 3.6).
    AnchorIndication {
        /// For whom.
        session: u64,
        /// Which MAAR.
        maar: Ipv6Addr,
    },
    /// CMD: more updates and indications to MAARs may go out (RFC 8885 section 3.2).
    Pacing,
    /// Send a revocation again, or give it up (RFC 5846 section 6.3).
    Revocation {
        /// Its sequence number.
        sequence: u16,
    },
    /// Ask a peer whether it is there (RFC 5847 section 3.1).
    Heartbeat {
        /// Which.
        peer: Ipv6Addr,
    },
    /// Tell peers that this gateway has restarted without its sessions (RFC 5847 section 3.2).
    RestartNotice,
    /// More sessions of a peer that has failed or restarted have their turn.
    PeerSessions,
    /// MAG: send the de-registration again (RFC 5213 section 6.9.1.4).
    Deregistration {
        /// Whose.
        mn_identifier: MnIdentifier,
        /// Link-layer address of the interface that has left.
        mac: MacAddr,
    },
    /// MAG: send the update again (RFC 6275 section 11.8).
    Retransmit {
        /// Which host's update.
        link: HostLink,
    },
    /// MAG: refresh the binding before it expires.
    Refresh {
        /// Which host's binding.
        link: HostLink,
    },
    /// MAG: the granted lifetime of the binding is over.
    VisitorExpiry {
        /// Which host's binding.
        link: HostLink,
    },
    /// MAAR: of a host that it anchors or serves.
    Node {
        /// The host.
        mn_identifier: MnIdentifier,
        /// What is to be done.
        what: NodeTimer,
    },
    /// MAG: advertise the prefix again, unsolicited.
    Advertise {
        /// To which host.
        link: HostLink,
    },
}

/// What a MAAR has a timer for, for each host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeTimer {
    /// Send the outstanding update again.
    Retransmit,
    /// Extend the lifetime of the binding.
    Refresh,
    /// The lifetime of the binding is over.
    Expiry,
    /// The host has been away from its link for long.
    Guard,
    /// Advertise its prefixes again.
    Advertise,
    /// The host has not said which addresses it has.
    Query,
    /// Its anchors have had their time to be found and to answer.
    Search,
    /// Write to the anchor of a prefix again.
    Anchor {
        /// The prefix.
        prefix: HomeNetworkPrefix,
    },
    /// Send again that a previous anchor may let go of a prefix.
    Release {
        /// The prefix.
        prefix: HomeNetworkPrefix,
    },
}
