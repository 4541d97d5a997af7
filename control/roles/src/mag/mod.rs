//! The mobile access gateway (RFC 5213 section 6).
//!
//! A visitor is a host on an access link, known by interface and link-layer address. A host that is here
//! by several interfaces is as many visitors under one identifier, each with a session of its own. It passes
//! through these states; *leaving* is kept apart from the visitor list, so that a host that comes
//! back at once is a new visitor that takes over what it left behind.
//!
//! ```text
//!              seen                 may attach, PBU              PBA
//!   (unknown) ─────► authenticating ──────────────► registering ─────► bound ◄──┐
//!       ▲                 │ may not                     │  ▲             │      │ PBA
//!       │                 ▼                             │  │ lifetime    ▼      │
//!       ├────────────  refused ◄────────────────────────┘  └────────  refreshing ┘
//!       │                     refused by the anchor                      │
//!       └───────────────── leaving ◄─────────────────────────────────────┘
//!          acknowledged, or sent often enough          gone
//! ```
//!
//! | event | authenticating | registering | bound | refreshing | leaving | refused |
//! |---|---|---|---|---|---|---|
//! | solicitation | kept for later | kept; answered with the PBA, and noted for it | RA at once, rate limited; PBU, for it may have been elsewhere | RA at once, rate limited; PBU in the place of a refresh | as unknown: asked who it is | left alone until the hold is over |
//! | packet, duplicate address detection | address noted | address noted | address learned: PBU; not of its prefixes: refused | the same, PBU after the answer | as unknown | left alone |
//! | lease | ignored | ignored | address learned: PBU | PBU after the answer | ignored | ignored |
//! | takes a session over | asked; PBU between interfaces once it may attach | PBU between interfaces | PBU between interfaces; a refusal leaves what is bound | the same | as unknown | asked who it is |
//! | operator attaches | asked again if the answer is late | noted, for the PBA | PBU | PBU in the place of what is on its way | as unknown | asked who it is |
//! | may attach | PBU; takes over what is leaving, or what is on another link of this gateway under the same link-layer address | flags updated; another identity or anchor: PBU lifetime 0, starts over | as registering, RA if flags changed | as bound | - | - |
//! | may not attach | refused | PBU lifetime 0; refused | unbound, RA withdrawn, PBU lifetime 0; refused | as bound | - | - |
//! | gone | forgotten | PBU lifetime 0; leaving | unbound, PBU lifetime 0; leaving (the operator's detach withdraws the RA too) | as bound | nothing | nothing |
//! | PBA accepted | ignored | bound, RA; PBU in a while if the host has come up anew since that update | ignored | as registering; RA if the prefixes changed | forgotten | ignored |
//! | PBA 135, 157 | ignored | corrected, sent at once; after 157 it is first asked whether it is still here | ignored | as registering | 135: sent at once; 157: waits for the timer | ignored |
//! | PBA 156 | ignored | sent again at the slowest rate | ignored | the same; still served | waits for the timer | ignored |
//! | PBA 128, 130 | ignored | sent again at the slowest rate | ignored | unbound, RA withdrawn; then as registering | waits for the timer | ignored |
//! | PBA 155, 159 | ignored | asks for any prefix; refused if it did | ignored | unbound, RA withdrawn; asks for any prefix | forgotten | ignored |
//! | PBA 129 | ignored | refused | ignored | to a refresh: it is with another gateway; unbound, then as registering, by a PBU at its next sign or at the slowest rate, should it still be here; else refused | forgotten | ignored |
//! | PBA, other refusal | ignored | refused | ignored | unbound, RA withdrawn; refused | forgotten | ignored |
//! | retransmission timer | - | asked whether it is still here; sent again when it is, with back-off without end | - | a refresh sent again; else as registering | sent again, a few times; then forgotten | - |
//! | refresh timer, refresh request | - | - | PBU; first asked whether it is still here if that it came is to be said | nothing | - | - |
//! | lifetime over | - | - | unbound, RA withdrawn; registering; but refused when its anchor garbles its answers | unbound, RA withdrawn; registering | - | - |
//! | operator deletes | - | as gone | as gone | as gone | nothing | - |
//! | access policy changed, for all or for this host | asked again | asked again, served meanwhile | the same | the same | - | asked again |
//! | table refuses | - | - | unbound, RA withdrawn, PBU lifetime 0; refused | as bound | - | - |
//! | revoked by its anchor for a handover | - | unbound, forgotten; but 132 when the host came since | the same | the same | forgotten | - |
//! | revoked for a handover to another of its interfaces, or otherwise | - | as gone, without a PBU; not taken back by a mere packet | the same, RA withdrawn | the same | forgotten | - |
//! | going down | - | if so configured: as gone | the same, RA withdrawn | the same | - | - |
//!
//! A PBA that does not echo the options of its update is ignored, and the update is not sent again
//! (RFC 5213 section 6.9.1.2 rule 6) until the operator attaches the host or changes the policy. Binding Errors are counted and reported, and change nothing:
//! nobody vouches for them, but for one that answers a heartbeat: its sender is asked no more.
//!
//! An anchor that has restarted without its sessions, or is back after it was down, has its bindings
//! registered anew by refreshes, some at a time, unless configured otherwise. One that is down keeps
//! them by default; else each is lost as if its lifetime were over, and registered until it is accepted.

mod acknowledge;
mod address;
mod attach;
mod config;
mod counters;
mod delegated;
mod draft;
mod ipv4;
mod leave;
mod peers;
mod presence;
mod remedy;
mod restore;
mod revoke;
mod take_over;
mod update;
mod view;
mod visitor;

pub use config::{AttachOn, LearnFrom, MagConfig};
pub use counters::MagCounter;
pub use view::{VisitorAddress, VisitorState, VisitorView};

use crate::counters::{Counter, CounterView};
use crate::effect::Effect;
use crate::event::{HostLink, Timer};
use crate::heartbeat::{PeerView, Peers, Turns};
use crate::message::{can_answer, ignored, refuse_plain, ErrorSender, PerSecond};
use crate::pace::Pace;
use crate::refusal::Refusals;
use crate::revocation::Revocations;
use crate::several::Several;
use crate::store::Record;
use crate::{BoundPrefix, Event, Now, Role};
use hashbrown::HashMap;
use leave::Leaving;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use update::Core;
use visitor::Visitor;
use wire::ether::MacAddr;
use wire::mh::{HandoffIndicator, Message, MnIdentifier, Status, UpdateFlags};

/// A session that a host has left behind: whose, and of which interface.
type Left = (MnIdentifier, MacAddr);

/// A session of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Session {
    /// Of a host on this link.
    Here(HostLink),
    /// Of a host that has left.
    Left(Left),
}

/// A mobile access gateway.
#[derive(Clone, Debug)]
pub struct Mag {
    core: Core,
    /// Boxed, for a tree moves its entries about.
    visitors: BTreeMap<HostLink, Box<Visitor>>,
    /// Where the hosts are that have a registration: on a link for each interface.
    by_identifier: Several<MnIdentifier, HostLink>,
    /// Where the prefixes are that are bound.
    by_prefix: HashMap<BoundPrefix, HostLink>,
    /// Who has an address, link-local ones by interface.
    by_address: HashMap<address::Place, HostLink>,
    leaving: BTreeMap<Left, Leaving>,
    refusals: Refusals,
    errors: ErrorSender,
    revocations: Revocations,
    /// At which they leave.
    pace: Pace,
    peers: Peers,
    /// Hosts to be looked at because of their anchors.
    turns: Turns<HostLink>,
    /// Indications that are answered: who is an anchor is known by its answers alone.
    revocation_answers: PerSecond<1000>,
}

impl Mag {
    /// A gateway without visitors.
    pub fn new(config: MagConfig) -> Self {
        Self {
            pace: config.revocation.pace(),
            core: Core::new(config),
            visitors: BTreeMap::new(),
            by_identifier: Several::default(),
            by_prefix: HashMap::new(),
            by_address: HashMap::new(),
            leaving: BTreeMap::new(),
            refusals: Refusals::default(),
            errors: ErrorSender::default(),
            revocations: Revocations::default(),
            peers: Peers::default(),
            turns: Turns::default(),
            revocation_answers: PerSecond::default(),
        }
    }

    /// The configuration that it was made with.
    pub const fn config(&self) -> &MagConfig {
        &self.core.config
    }

    /// How many hosts the visitor list holds, those that are leaving included.
    pub fn sessions(&self) -> usize {
        self.visitors.len() + self.leaving.len()
    }

    /// The visitor list at `now`: attached hosts by link, then those that are leaving.
    pub fn visitors(&self, now: Now) -> impl Iterator<Item = VisitorView> + '_ {
        let config = &self.core.config;
        let here = self.visitors.values();
        let here = here.map(move |visitor| visitor.view(now.monotonic, config));
        let left = self.leaving.values();
        here.chain(left.map(move |leaving| leaving.view(config)))
    }

    /// The anchors that policy names or that have hosts bound here, by address.
    pub fn peers(&self, now: Now) -> impl ExactSizeIterator<Item = PeerView> + '_ {
        self.peers.views(now.monotonic)
    }

    /// Every counter, with its description.
    pub fn counters(&self) -> impl Iterator<Item = CounterView> + '_ {
        self.core.counters.views()
    }

    /// The value of one counter.
    pub fn counter(&self, counter: MagCounter) -> u64 {
        self.core.counters.get(counter)
    }

    fn ignore(&mut self, from: Ipv6Addr, why: MagCounter, effects: &mut Vec<Effect>) {
        self.core.counters.add(why);
        effects.push(ignored(from, why.name()));
    }

    fn on_message(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        to: Ipv6Addr,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        if !self.core.config.owns(to) {
            return self.ignore(from, MagCounter::NotOurAddress, effects);
        }
        match message {
            Message::BindingAcknowledgement(answer) => {
                self.on_acknowledgement(now, from, answer, effects);
            }
            Message::BindingRefreshRequest(request) => {
                self.on_refresh_request(now, from, request, effects);
            }
            Message::BindingUpdate(update) => {
                let home = update.flags.contains(UpdateFlags::HOME_REGISTRATION);
                if home && can_answer(from) {
                    let status = Status::HOME_REGISTRATION_NOT_SUPPORTED;
                    effects.push(Effect::Send {
                        from: to,
                        to: from,
                        message: refuse_plain(update, status),
                    });
                }
                self.ignore(from, MagCounter::UnexpectedUpdate, effects);
            }
            Message::BindingError(error) => {
                let counters = &mut self.core.counters;
                self.peers.on_binding_error(from, error, counters, effects);
            }
            Message::Heartbeat(_) if !can_answer(from) => {
                self.ignore(from, MagCounter::SourceNotUnicast, effects);
            }
            Message::Heartbeat(heartbeat) => {
                self.on_heartbeat(now, (from, to), heartbeat, effects);
            }
            Message::RevocationIndication(_) if !can_answer(from) => {
                self.ignore(from, MagCounter::SourceNotUnicast, effects);
            }
            Message::RevocationIndication(indication) => {
                self.on_revocation_indication(now, (from, to), indication, effects);
            }
            Message::RevocationAcknowledgement(answer) => {
                self.on_revocation_acknowledgement(from, answer, effects);
            }
            Message::Other { .. } => {
                self.errors.unrecognized(now.monotonic, from, to, effects);
                self.ignore(from, MagCounter::UnknownType, effects);
            }
        }
    }

    fn on_timer(&mut self, now: Now, timer: &Timer, effects: &mut Vec<Effect>) {
        match timer {
            Timer::Retransmit { link } => self.retransmit(now, *link, effects),
            Timer::Refresh { link } => self.refresh(now, *link, effects),
            Timer::VisitorExpiry { link } => self.on_expiry(now, *link, effects),
            Timer::Advertise { link } => {
                if let Some(visitor) = self.visitors.get_mut(link) {
                    if let Some(served) =
                        visitor.registration.as_ref().filter(|r| r.bound.is_some())
                    {
                        let core = &mut self.core;
                        let host = &mut visitor.host;
                        host.advertise_again(now.monotonic, core, served, &[], effects);
                    }
                }
            }
            Timer::Deregistration { mn_identifier, mac } => {
                let left = (mn_identifier.clone(), *mac);
                self.on_deregistration_timer(now, &left, effects);
            }
            Timer::Revocation { sequence } => self.on_revocation_timer(now, *sequence, effects),
            Timer::Heartbeat { peer } => self.on_heartbeat_timer(now, *peer, effects),
            Timer::RestartNotice => {
                let core = &mut self.core;
                let local = core.config.address;
                self.peers
                    .tell_of_restart(local, &mut core.counters, effects);
            }
            Timer::PeerSessions => self.on_turn(now, effects),
            // Other roles'.
            Timer::BindingExpiry { .. }
            | Timer::AssignWait { .. }
            | Timer::Aggregation { .. }
            | Timer::AnchorUpdate { .. }
            | Timer::AnchorIndication { .. }
            | Timer::Pacing
            | Timer::Node { .. } => {}
        }
    }

    /// Extends the lifetime of a binding (section 6.9.1.3), unless that is under way; says that the
    /// host has come, if it has since its anchor was told last.
    fn extend(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) else {
            return;
        };
        if registration.bound.is_none() || registration.halted {
            return;
        }
        let refreshing = registration.list.update.as_ref().map(|u| u.handoff);
        let handoff = match (registration.arrived, refreshing) {
            (Some(_), None | Some(HandoffIndicator::NOT_CHANGED)) => registration.attaching(),
            (None, None) => HandoffIndicator::NOT_CHANGED,
            // An update that says so is on its way. Whether it was sent since the host came, its
            // acknowledgement will tell.
            (_, Some(_)) => return,
        };
        self.update(now, link, handoff, effects);
    }

    /// Tells the anchor that the host has come, in the place of what it is being told.
    fn tell_of_arrival(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get(&link);
        if let Some(registration) = visitor.and_then(|v| v.registration.as_ref()) {
            self.update(now, link, registration.attaching(), effects);
        }
    }

    /// Begins an update of a registration.
    fn update(
        &mut self,
        now: Now,
        link: HostLink,
        handoff: HandoffIndicator,
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get_mut(&link);
        let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) else {
            return;
        };
        registration.arrived = None;
        registration.untold = false;
        let prefixes = registration.prefixes.clone();
        let lifetime = self.core.lifetime();
        let list = &mut registration.list;
        self.core
            .begin(now, list, handoff, lifetime, prefixes, effects);
    }

    /// The granted lifetime is over.
    fn on_expiry(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = self.visitors.get(&link);
        let Some(registration) = visitor.and_then(|v| v.registration.as_ref()) else {
            return;
        };
        let Some(bound) = registration.bound else {
            return;
        };
        if bound.expiry > now.monotonic {
            effects.push(Effect::SetTimer {
                timer: Timer::VisitorExpiry { link },
                after: bound.expiry - now.monotonic,
            });
            return;
        }
        let halted = registration.halted;
        self.core.counters.add(MagCounter::BindingsExpired);
        if halted {
            self.end(now, link, true, false, effects);
            return self.give_up(link, "its anchor garbles what it is told", effects);
        }
        self.lapse(now, link, effects);
    }

    /// The binding of a host ends, whatever its anchor has of it. It is registered until that is
    /// accepted.
    fn lapse(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        self.lose_binding(now, link, effects);
        let visitor = self.visitors.get_mut(&link);
        let registration = visitor.and_then(|v| v.registration.as_mut());
        // The refresh, should it not have begun yet, is too late: it is a registration now.
        if let Some(registration) = registration.filter(|r| r.list.update.is_none()) {
            let attaching = registration.attaching();
            let (lifetime, asked) = (self.core.lifetime(), registration.prefixes.clone());
            // It may have gone on to another gateway meanwhile.
            self.core
                .prepare(&mut registration.list, attaching, lifetime, asked);
            self.retransmit(now, link, effects);
        }
    }
}

impl Role for Mag {
    fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Message { from, to, message } => {
                self.on_message(now, *from, *to, message, effects);
            }
            Event::HostSeen { link, sign } => self.on_host_seen(now, *link, *sign, effects),
            Event::Authenticated { link, profile } => {
                self.on_authenticated(now, *link, profile.as_ref(), effects);
            }
            Event::Leases {
                link,
                server,
                granted,
                ended,
                delegated,
                withdrawn,
            } => {
                self.on_leases(now, *link, *server, (granted, ended), effects);
                self.on_delegations(now, *link, delegated, withdrawn, effects);
            }
            Event::TakeOver { link, prefixes } => {
                self.on_take_over(now, *link, prefixes, effects);
            }
            Event::HostGone { link, why } => self.on_host_gone(now, *link, *why, effects),
            Event::Timer { timer } => self.on_timer(now, timer, effects),
            Event::AccessPolicyChanged => self.on_access_policy(now, effects),
            Event::AccessPolicyChangedFor { link } => self.ask_again(now, *link, effects),
            Event::Delete { mn_identifier } => {
                self.detach(now, mn_identifier, effects);
            }
            Event::Revoke { scope } => self.on_revoke(now, scope, effects),
            Event::Refused { prefix } => self.on_refused(now, *prefix, effects),
            Event::Shutdown => self.on_shutdown(now, effects),
            Event::Restored {
                record: Record::Visitor(visitor),
            } => self.on_restored(now, visitor, effects),
            Event::Resumed { link } => self.on_resumed(now, *link, effects),
            Event::Started {
                restart_counter,
                lost,
                ..
            } => self.peers.start(*restart_counter, *lost),
            Event::Anchors { addresses } => self.peers.name(addresses, effects),
            // Other roles'.
            Event::Policy { .. }
            | Event::Maars { .. }
            | Event::Neighbours { .. }
            | Event::AnchorsFound { .. }
            | Event::NodeInformation { .. }
            | Event::Mode { .. }
            | Event::HomeRegistration { .. }
            | Event::Unused { .. }
            | Event::Restored { .. }
            | Event::Unauthenticated { .. } => {}
        }
    }
}
