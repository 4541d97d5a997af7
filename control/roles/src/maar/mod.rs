//! The mobility anchor and access router of a distributed domain (RFC 8885 section 3).
//!
//! A gateway of this kind gives every host that attaches a prefix of its own pools and routes it like
//! any router, without a tunnel. When the host goes on to the next gateway, this one keeps what it
//! began: packets for the prefix go through a tunnel to the gateway that serves the host now, and
//! those from it come back the same way. Who serves a host, and by which anchors it came, a central
//! database knows (CMD); all it is told are proxy binding updates.
//!
//! ```text
//!        prefix 1 is anchored here            prefix 2 is anchored here, the host is here
//!     ┌──────────────────────────┐          ┌──────────────────────────────────────────────┐
//!     │ MAAR 1                   │  tunnel  │ MAAR 2                                       │
//!     │ prefix 1 → tunnel        │ ═══════► │ prefix 1 → host     from prefix 1 → tunnel   │
//!     │                          │          │ prefix 2 → host     from prefix 2 → route    │
//!     └──────────────────────────┘          └──────────────────────────────────────────────┘
//! ```
//!
//! A host that this gateway anchors passes through these states:
//!
//! ```text
//!              seen                 may attach: prefix reserved, PBU         PBA
//!   (unknown) ─────► arriving ──────────────────────────────► registering ─────► served ◄─┐ refresh
//!       ▲                │ may not            ▲                  │   ▲             │ │ └───┘
//!       ├─── refused ◄───┘                    │ seen here        │   │             │ │
//!       │       ▲  refused by the database    │                  │   │   seen here │ │ left its link
//!       │       └─────────────────────────────┼──────────────────┤   │  ┌──────────┘ ▼
//!       │                                     │ nobody answers   │   └──┤         guarded ──┐
//!       ├─────────────────────────────────────┼──────────────────┘      │            │       │
//!       │   ended by the database             │    PBU: served elsewhere│            │       │ too long:
//!       ├──────────────────────────────── previous ◄────────────────────┴────────────┘       │ PBU,
//!       └────────────────────────────────────────────────────────────────────────────────────┘ lifetime 0
//! ```
//!
//! | event | arriving | registering | served | guarded | previous |
//! |---|---|---|---|---|---|
//! | solicitation | noted | noted | RA at once, rate limited; PBU, for it may have been elsewhere | served again; the same | as unknown: asked who it is |
//! | packet | noted | noted; what waited for it goes out | what waited for it goes out | served again, PBU | as unknown |
//! | may attach | prefix reserved, PBU | - | flags updated | - | its prefix again, PBU |
//! | may not attach | refused | freed, PBU lifetime 0; refused | ended, RA withdrawn, PBU lifetime 0; refused | as served | - |
//! | PBA of the database, accepted | - | bound, anchors added, RA | refreshed, anchors added | - | lifetime: renewed; none: freed |
//! | PBA of the database, further | - | - | anchors added while answers may be late; else ignored | the same | ignored |
//! | PBA of another gateway | ignored | bound, its anchor added, RA; refresh soon | anchor added while answers may be late; else ignored | the same | ignored |
//! | PBA 128, 130, 156 | - | sent again at the slowest rate | the same; still served | - | asked again later |
//! | PBA 135, 157 | - | host asked whether it is still here; then sent again | the same | - | - |
//! | PBA 129 | - | freed, refused | guarded: it is elsewhere | - | asked again later |
//! | PBA, other refusal | - | freed, refused | ended, RA withdrawn; refused | - | asked again later |
//! | nobody answers | - | host asked; then sent again; freed after a time, S2-07 | goes on, asks at the slowest rate | - | goes on |
//! | PBU: served elsewhere | - | previous; but registering goes on if the host came since, and what is accepted then is asked for again | previous; its other anchors forgotten (S2-32); host asked if it seems to have come since | previous | tunnel moved |
//! | PBU, lifetime 0 | - | as above | ended, RA withdrawn | ended | freed |
//! | link down, unreachable | forgotten | freed | guarded: no PBU (S2-29) | asked again later | - |
//! | operator, AAA detach | forgotten | freed, PBU lifetime 0 | ended, RA withdrawn, PBU lifetime 0 | the same | - |
//! | BRI, all of it | - | - | ended, RA withdrawn | ended | - |
//! | BRI, out of sync | - | - | other anchors' dropped; host asked whether it is here, then PBU | ended | - |
//! | BRI, another anchor's prefix | - | - | that one dropped, its RA withdrawn | the same | - |
//! | BRI, another anchor's prefix, handover | - | - | that one dropped, unless the host came since: 132; host asked whether it is here | dropped | - |
//! | operator deletes | - | as above | as above | as above | freed, BRI |
//! | another anchor's prefix unused | - | - | PBU lifetime 0 for it; once acknowledged, unbound and its RA withdrawn (S2-19) | - | - |
//! | table refuses | - | - | ours: ended, refused; another anchor's: dropped | - | freed, BRI |
//!
//! What says that a host has come takes it from wherever else it is, and is newer than what others have
//! said. So it is said again of hosts only that have shown that they are still here.
//!
//! A binding whose lifetime was over before the database accepted a refresh was the end of a session:
//! other anchors that the answer does not name have let go, and are forgotten.
//!
//! A gateway does not know in which mode the database is: what is accepted is accepted by whoever says
//! so first, the database or an anchor of the domain, and what else there is to know comes with the
//! next answers.

mod accepted;
mod acknowledge;
mod advertise;
mod anchors;
mod attach;
mod books;
mod config;
mod counters;
mod direct;
mod discovery;
mod farewell;
mod information;
mod learned;
mod leases;
mod leave;
mod neighbours;
mod node;
mod peers;
mod previous;
mod restore;
mod revoke;
mod search;
mod straight;
mod update;
mod view;

pub use config::{MaarConfig, PreviousExpiry};
pub use counters::MaarCounter;
pub use discovery::{Backend, Discovery, Distributed, FoundBy, Questions};
pub use neighbours::{Neighbour, Neighbours};
pub use view::{NodeState, NodeView, PreviousView, SoughtView};

use crate::counters::{Counter, CounterView};
use crate::effect::Effect;
use crate::event::{HostLink, NodeTimer, RevocationScope, Timer};
use crate::heartbeat::{PeerView, Peers, Turns};
use crate::keyed::Keyed;
use crate::message::{can_answer, ignored, ErrorSender, PerSecond};
use crate::refusal::Refusals;
use crate::revocation::Revocations;
use crate::store::Record;
use crate::{Event, Now, Role};
use attach::Arrival;
use books::Books;
use farewell::Farewell;
use learned::Learned;
use node::Node;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use update::Core;
use wire::mh::{HomeNetworkPrefix, Message, MnIdentifier};

/// A mobility anchor and access router.
#[derive(Clone, Debug)]
pub struct Maar {
    core: Core,
    books: Books,
    /// The local binding cache.
    nodes: Keyed<MnIdentifier, Node>,
    /// Hosts of which it is being asked who they are.
    arrivals: BTreeMap<HostLink, Arrival>,
    /// Hosts whose de-registration is not acknowledged yet.
    leaving: BTreeMap<MnIdentifier, Node>,
    /// Anchors that have yet to answer that a session is over, where there is no database.
    farewells: BTreeMap<(MnIdentifier, HomeNetworkPrefix), Farewell>,
    /// Addresses of anchors that have answered.
    learned: Learned,
    /// Questions to hosts.
    queries: PerSecond<1000>,
    refusals: Refusals,
    /// What others are told of prefixes that we have let go of.
    revocations: Revocations,
    /// The database, if there is one.
    peers: Peers,
    /// Hosts that are registered anew, for the database has lost them.
    turns: Turns<MnIdentifier>,
    errors: ErrorSender,
    /// Updates by strangers that are answered.
    strangers: PerSecond<100>,
}

impl Maar {
    /// A gateway without hosts.
    pub fn new(config: MaarConfig) -> Self {
        Self {
            books: Books::new(&config),
            core: Core::new(config),
            nodes: Keyed::default(),
            arrivals: BTreeMap::new(),
            leaving: BTreeMap::new(),
            farewells: BTreeMap::new(),
            learned: Learned::default(),
            queries: PerSecond::default(),
            refusals: Refusals::default(),
            revocations: Revocations::default(),
            peers: Peers::default(),
            turns: Turns::default(),
            errors: ErrorSender::default(),
            strangers: PerSecond::default(),
        }
    }

    /// The configuration that it was made with.
    pub const fn config(&self) -> &MaarConfig {
        &self.core.config
    }

    /// How many hosts it knows: anchored, served, arriving and leaving ones.
    pub fn sessions(&self) -> usize {
        self.nodes.len() + self.arrivals.len() + self.leaving.len() + self.farewells.len()
    }

    /// The local binding cache at `now`, by identifier; then hosts that are leaving.
    pub fn nodes(&self, now: Now) -> impl Iterator<Item = NodeView> + '_ {
        let here = self.nodes.iter().map(|(_, node)| node);
        let mut here: Vec<&Node> = here.collect();
        here.sort_unstable_by(|one, other| one.mn_identifier.cmp(&other.mn_identifier));
        let here = here
            .into_iter()
            .map(move |node| node.view(now.monotonic, false));
        let left = self.leaving.values();
        here.chain(left.map(move |node| node.view(now.monotonic, true)))
    }

    /// The database at `now`, and whether it is there; nobody where there is none.
    pub fn peers(&self, now: Now) -> impl ExactSizeIterator<Item = PeerView> + '_ {
        self.peers.views(now.monotonic)
    }

    /// Every counter, with its description.
    pub fn counters(&self) -> impl Iterator<Item = CounterView> + '_ {
        self.core.counters.views()
    }

    /// The value of one counter.
    pub fn counter(&self, counter: MaarCounter) -> u64 {
        self.core.counters.get(counter)
    }

    /// How many addresses of other anchors it remembers.
    pub fn learned(&self) -> usize {
        self.learned.len()
    }

    /// Whether an address is the one that we have in a prefix of ours that is bound.
    fn is_ours_in_prefix(&self, address: Ipv6Addr) -> bool {
        let prefix = self.core.config.distributed();
        let prefix = prefix.and_then(|it| it.prefix_of(address));
        let whose = prefix.and_then(|prefix| self.books.by_prefix.get(&prefix));
        let node = whose.and_then(|host| self.nodes.get(host));
        node.is_some_and(|node| Some(node.prefix) == prefix)
    }

    fn count(&mut self, counter: MaarCounter) {
        self.core.counters.add(counter);
    }

    fn ignore(&mut self, from: Ipv6Addr, why: MaarCounter, effects: &mut Vec<Effect>) {
        self.core.counters.add(why);
        effects.push(ignored(from, why.name()));
    }

    fn on_message(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        if to != self.core.config.address && !self.is_ours_in_prefix(to) {
            return self.ignore(from, MaarCounter::NotOurAddress, effects);
        }
        if !can_answer(from) {
            return self.ignore(from, MaarCounter::SourceNotUnicast, effects);
        }
        match message {
            Message::BindingAcknowledgement(answer) => {
                self.on_acknowledgement(now, from, answer, effects);
            }
            Message::BindingUpdate(update) => self.on_update(now, from, update, effects),
            Message::RevocationIndication(indication) => {
                self.on_revocation_indication(now, (from, to), indication, effects);
            }
            Message::RevocationAcknowledgement(answer) => {
                self.on_revocation_acknowledgement(from, answer, effects);
            }
            Message::BindingError(error) => {
                let counters = &mut self.core.counters;
                self.peers.on_binding_error(from, error, counters, effects);
            }
            Message::Heartbeat(heartbeat) => {
                self.on_heartbeat(now, (from, to), heartbeat, effects);
            }
            _ => {
                self.errors.unrecognized(now.monotonic, from, to, effects);
                self.ignore(from, MaarCounter::UnknownType, effects);
            }
        }
    }

    fn on_timer(&mut self, now: Now, timer: &Timer, effects: &mut Vec<Effect>) {
        match timer {
            Timer::Node {
                mn_identifier,
                what,
            } => self.on_node_timer(now, mn_identifier, *what, effects),
            Timer::Revocation { sequence } => self.on_revocation_timer(now, *sequence, effects),
            Timer::Heartbeat { peer } => self.on_heartbeat_timer(now, *peer, effects),
            Timer::RestartNotice => {
                let core = &mut self.core;
                let local = core.config.address;
                self.peers
                    .tell_of_restart(local, &mut core.counters, effects);
            }
            Timer::PeerSessions => self.on_turn(now, effects),
            _ => {}
        }
    }

    fn on_node_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        what: NodeTimer,
        effects: &mut Vec<Effect>,
    ) {
        if what == NodeTimer::Retransmit && self.leaving.contains_key(host) {
            return self.on_leaving_timer(now, host, effects);
        }
        if let NodeTimer::Anchor { prefix } = what {
            return self.on_anchor_timer(now, host, prefix, effects);
        }
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        match what {
            NodeTimer::Retransmit => self.on_retransmit(now, host, effects),
            NodeTimer::Refresh => self.refresh(now, host, effects),
            NodeTimer::Expiry => self.on_expiry(now, host, effects),
            NodeTimer::Guard => self.on_guard(now, host, effects),
            NodeTimer::Search => self.on_search_timer(now, host, effects),
            NodeTimer::Query => self.on_query_timer(now, host, effects),
            NodeTimer::Advertise if !node.is_bound() => {}
            NodeTimer::Advertise if node.has_lost() => self.tell_gone(now, host, effects),
            NodeTimer::Advertise => {
                self.core.advertise_again(now.monotonic, node, &[], effects);
            }
            NodeTimer::Anchor { .. } => {}
            NodeTimer::Release { prefix } => self.on_release_timer(now, host, prefix, effects),
        }
    }
}

impl Role for Maar {
    fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Message { from, to, message } => {
                self.on_message(now, (*from, *to), message, effects);
            }
            Event::Unauthenticated {
                from,
                to,
                update,
                status,
            } if *to == self.core.config.address && can_answer(*from) => {
                self.refuse_update(now, *from, update, *status, effects);
            }
            Event::HostSeen { link, sign } => self.on_host_seen(now, *link, *sign, effects),
            Event::Authenticated { link, profile } => {
                self.on_authenticated(now, *link, profile.as_ref(), effects);
            }
            Event::AnchorsFound { link, found } => self.on_found(now, *link, found, effects),
            Event::NodeInformation { link, from, reply } => {
                self.on_information(now, (*link, *from), reply, effects);
            }
            Event::HostGone { link, why } => self.on_host_gone(now, *link, *why, effects),
            Event::Timer { timer } => self.on_timer(now, timer, effects),
            Event::Neighbours { neighbours } => self.on_neighbours(now, neighbours, effects),
            Event::AccessPolicyChanged => self.on_access_policy(now, effects),
            Event::AccessPolicyChangedFor { link } => self.ask_again(now, *link, effects),
            Event::Leases {
                link,
                server: None,
                ended,
                ..
            } => self.on_given_back(now, *link, ended, effects),
            Event::Unused { prefix } => self.on_unused(now, *prefix, effects),
            Event::Delete { mn_identifier }
            | Event::Revoke {
                scope: RevocationScope::Host { mn_identifier, .. },
            } => self.delete(now, mn_identifier, effects),
            Event::Refused { prefix } => self.on_refused(now, *prefix, effects),
            Event::Started {
                restart_counter,
                lost,
                ..
            } => self.start(*restart_counter, *lost, effects),
            Event::Restored {
                record: Record::Node(record),
            } => self.on_restored(now, record, effects),
            // Other roles', or of no consequence here: addresses are the hosts' own affair, and what
            // is anchored outlives the process.
            Event::Unauthenticated { .. }
            | Event::Leases { .. }
            | Event::TakeOver { .. }
            | Event::Policy { .. }
            | Event::Maars { .. }
            | Event::Anchors { .. }
            | Event::Mode { .. }
            | Event::HomeRegistration { .. }
            | Event::Revoke { .. }
            | Event::Restored { .. }
            | Event::Resumed { .. }
            | Event::Shutdown => {}
        }
        self.share(effects);
    }
}
