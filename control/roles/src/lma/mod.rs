//! The local mobility anchor (RFC 5213 section 5).
//!
//! One binding cache entry stands for one mobility session: a host, its prefixes and the gateway
//! behind which it is.
//!
//! ```text
//!                   update, lifetime > 0                    refresh, or update from another MAG
//!   (no entry) ───────────────────────────► Active ◄──────────────────────────┐ (the path moves)
//!       ▲                                    │  │ └─────────────────────────────┘
//!       │ lifetime over, operator, policy    │  │
//!       ├────────────────────────────────────┘  │ de-registration by the MAG that has it
//!       │                                       ▼
//!       └───────────────────────────────── Pending ──► Active, by any accepted update
//!          MinDelayBeforeBCEDelete is over
//! ```
//!
//! The checks come in the order of RFC 5213 section 5.3.1, so that each wrong update gets the status
//! of what is wrong first; a refused update changes nothing. Decisions that the RFC leaves open:
//!
//! - A host has a session for each of its interfaces, as many as policy lets it; one more is refused
//!   with 129. Which session an update is about, `lookup` says; with handoff state unknown it waits
//!   MaxDelayBeforeNewBCEAssign for the de-registration of the only one, and makes a new one after that.
//!   A session that is handed over to an interface which has one becomes one with it (`merge`).
//! - How many prefixes an interface gets, policy says. It gets all of them or is refused.
//! - A prefix that another session of the host has is in use: 155. A prefix of nobody's, for an interface
//!   that has others, is 159: section 5.4.1.1 would make a second session of the interface, and section
//!   5.4 has one.
//! - A refresh (handoff state not changed) by a gateway that the host has left is refused with 129,
//!   and the binding stays where the host came to last: section 5.3.4 would move it back, to a
//!   gateway that has merely not noticed yet. Such a gateway can register the host anew, as
//!   attached, if it is there. A binding that a refresh brought into being, after a restart of the
//!   anchor, or one that is pending goes to whoever refreshes it.
//! - An Alternate Care-of Address must be a known gateway's address like the source, else 154: no
//!   gateway can point a tunnel at somebody else.
//! - The H flag of proxy registrations is not looked at: gateways differ in setting it, and a
//!   handover between two of them must not fail for that. 139 answers a registration without the P
//!   flag, by a known gateway, of a host that is registered with it; a stranger gets 131 for any
//!   host, so that it cannot ask who is here.
//! - What a host has registered itself is in the same cache, and is a gateway's in nothing: no update,
//!   revocation or heartbeat of a gateway finds it (`home`). The operator's deletion ends both kinds.
//! - A refused update keeps the place of nothing, a held one the place of one message in the
//!   session that it waits for.
//! - After a change of policy, bindings that it no longer allows end at once; their gateways learn
//!   why at the next refresh. The operator's deletion ends a binding until the next refresh.
//! - A handover is revoked at the former gateway, if so configured, while the new one is answered; the
//!   binding of that gateway is gone here by then, so what it says to the revocation changes nothing.
//!   What the operator revokes ends at once.
//! - Bindings of a gateway that does not answer heartbeats, or that has restarted, end only if so
//!   configured: its hosts may come back to it, and find them.
//! - A refused `Bind` (the table was full against all promises) ends the session and is answered
//!   with 130; for the refusal to be the only answer, the effects after the refused one must not be
//!   applied.
//! - A binding is stored before its acknowledgement goes out, and comes back after a restart with what
//!   is left of its lifetime by the wall clock, unless policy no longer allows it. One that finds no
//!   room then ends.
//! - Going down says nothing to anybody: RFC 5213 has no message for it, and gateways keep the
//!   prefix and ask for it again.

mod answer;
mod cache;
mod config;
mod counters;
mod delegated;
mod domains;
mod home;
mod ipv4;
mod lookup;
mod merge;
mod peers;
mod policy;
mod request;
mod restore;
mod revoke;
mod update;
mod view;
mod wait;

pub use config::{DomainConfig, GrePolicy, Ipv4Network, LmaConfig};
pub use counters::LmaCounter;
pub use home::HomeRegistration;
pub use view::{BindingKind, BindingState, BindingView};

use crate::counters::{CounterView, Counters};
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::heartbeat::{PeerView, Peers, Turns};
use crate::message::{can_answer, ignored, ErrorSender, PerSecond};
use crate::pace::Pace;
use crate::pool::Prefixes;
use crate::revocation::Revocations;
use crate::store::{Key, Record};
use crate::{BoundPrefix, Event, Now, Role};
use cache::Cache;
use delegated::Delegations;
use domains::Domains;
use ipv4::Addresses;
use policy::Admission;
use std::net::Ipv6Addr;
use wait::Held;
use wire::mh::{Message, Status};

/// A local mobility anchor.
#[derive(Clone, Debug)]
pub struct Lma {
    config: LmaConfig,
    admission: Admission,
    prefixes: Prefixes,
    domains: Domains,
    delegations: Delegations,
    cache: Cache,
    counters: Counters<LmaCounter>,
    errors: ErrorSender,
    revocations: Revocations,
    /// At which they leave.
    pace: Pace,
    /// Whether what is stored is kept: it is, unless the gateway says otherwise.
    keeps_records: bool,
    peers: Peers,
    /// Sessions to be looked at because of their gateways.
    turns: Turns<u64>,
    /// Refusals that strangers may have: under made-up names they would be ever more packets to
    /// nowhere.
    strangers: PerSecond<100>,
    /// The session that the event at hand has changed the table for, and the update that was accepted, to be
    /// answered anew should the table refuse it.
    installing: Option<u64>,
    accepted: Held,
    /// How the last home registration was answered.
    home_answer: Option<Status>,
}

impl Lma {
    /// An anchor without bindings. Until the first [`Event::Policy`] it knows no gateway and
    /// refuses all updates.
    pub fn new(config: LmaConfig) -> Self {
        Self {
            admission: Admission::default(),
            prefixes: Prefixes::new(config.pools.clone(), config.remembered_prefixes),
            domains: Domains::new(
                Addresses::new(&config.ipv4_networks, config.remembered_prefixes),
                &config.domains,
                config.remembered_prefixes,
            ),
            delegations: Delegations::new(&config.delegated_prefixes),
            cache: Cache::default(),
            counters: Counters::new(),
            errors: ErrorSender::default(),
            revocations: Revocations::default(),
            pace: config.revocation.pace(),
            keeps_records: true,
            peers: Peers::default(),
            turns: Turns::default(),
            strangers: PerSecond::default(),
            installing: None,
            accepted: Held::nothing(),
            home_answer: None,
            config,
        }
    }

    /// The configuration that it was made with.
    pub const fn config(&self) -> &LmaConfig {
        &self.config
    }

    /// How many sessions the binding cache holds.
    pub fn sessions(&self) -> usize {
        self.cache.len()
    }

    /// The binding cache at `now`, by session number.
    pub fn bindings(&self, now: Now) -> impl Iterator<Item = BindingView> + '_ {
        self.cache
            .iter()
            .map(move |entry| entry.view(now.monotonic, self.config.local(entry.care_of)))
    }

    /// The gateways that policy names or that have sessions, by address.
    pub fn peers(&self, now: Now) -> impl ExactSizeIterator<Item = PeerView> + '_ {
        self.peers.views(now.monotonic)
    }

    /// Every counter, with its description.
    pub fn counters(&self) -> impl Iterator<Item = CounterView> + '_ {
        self.counters.views()
    }

    /// The value of one counter.
    pub fn counter(&self, counter: LmaCounter) -> u64 {
        self.counters.get(counter)
    }

    fn ignore(&mut self, from: Ipv6Addr, why: LmaCounter, effects: &mut Vec<Effect>) {
        use crate::counters::Counter;
        self.counters.add(why);
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
        if !self.config.owns(to) {
            return self.ignore(from, LmaCounter::NotOurAddress, effects);
        }
        if !can_answer(from) {
            return self.ignore(from, LmaCounter::SourceNotUnicast, effects);
        }
        match message {
            Message::BindingUpdate(update) => self.on_update(now, from, to, update, effects),
            Message::BindingAcknowledgement(_) => {
                self.ignore(from, LmaCounter::UnexpectedAcknowledgement, effects);
            }
            Message::BindingRefreshRequest(_) => {
                self.ignore(from, LmaCounter::UnexpectedRefreshRequest, effects);
            }
            Message::BindingError(error) => {
                let counters = &mut self.counters;
                self.peers.on_binding_error(from, error, counters, effects);
            }
            Message::RevocationIndication(indication) => {
                self.on_revocation_indication(now, (from, to), indication, effects);
            }
            Message::RevocationAcknowledgement(answer) => {
                self.on_revocation_acknowledgement(from, answer, effects);
            }
            Message::Heartbeat(heartbeat) => {
                self.on_heartbeat(now, (from, to), heartbeat, effects);
            }
            Message::Other { .. } => {
                self.errors.unrecognized(now.monotonic, from, to, effects);
                self.ignore(from, LmaCounter::UnknownType, effects);
            }
        }
    }

    /// The lifetime of a binding, or the wait after its de-registration, is over.
    fn on_expiry(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        if entry.deadline > now.monotonic {
            effects.push(Effect::SetTimer {
                timer: Timer::BindingExpiry { session },
                after: entry.deadline - now.monotonic,
            });
            return;
        }
        let why = match entry.state {
            BindingState::Active => LmaCounter::BindingsExpired,
            BindingState::Pending => LmaCounter::BindingsDeleted,
        };
        self.remove(now, session, why, effects);
    }

    /// The table refused to install a prefix: its session ends, all of it.
    fn on_refused(&mut self, now: Now, prefix: BoundPrefix, effects: &mut Vec<Effect>) {
        let holder = match prefix {
            BoundPrefix::V6(prefix) => self.prefixes.holder(prefix),
            BoundPrefix::V4(_) | BoundPrefix::V4In(_) => self.domains.holder(prefix),
        };
        let session = holder.and_then(|holder| self.cache.holder(holder, prefix));
        let other = match prefix {
            BoundPrefix::V6(prefix) => {
                let delegated = self.delegations.holder(prefix);
                delegated.or_else(|| self.home_session(prefix))
            }
            BoundPrefix::V4(_) | BoundPrefix::V4In(_) => None,
        };
        let Some(session) = session.or(other) else {
            return;
        };
        let installing = self.installing.take();
        // What would have told its former gateway was not sent.
        let entry = self.cache.get(session);
        if let Some(sequence) = entry.and_then(|entry| entry.revoking) {
            self.revocations.cancel(sequence, effects);
        }
        let mobile = entry.filter(|entry| entry.kind == BindingKind::Mobile);
        let mobile = mobile.cloned();
        self.remove(now, session, LmaCounter::BindingsNotInstalled, effects);
        if installing != Some(session) {
            return;
        }
        if let Some(entry) = mobile {
            self.home_not_installed(entry, effects);
        } else {
            let held = std::mem::replace(&mut self.accepted, Held::nothing());
            self.answer_not_installed(&held, effects);
        }
    }

    /// Ends a session. An update that waited for that is decided now.
    fn remove(&mut self, now: Now, session: u64, why: LmaCounter, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.remove(session) else {
            return;
        };
        self.counters.add(why);
        match entry.kind {
            BindingKind::Proxy => {
                self.peers.unshare(entry.care_of, effects);
                for &prefix in &entry.prefixes {
                    self.prefixes.release(prefix, entry.interface());
                }
            }
            BindingKind::Mobile => {
                for home in &entry.prefixes {
                    self.prefixes.release_home(home.prefix);
                }
            }
        }
        if let Some(address) = entry.ipv4 {
            let addresses = self.domains.addresses_mut(entry.domain);
            addresses.release(address, entry.interface());
        }
        if let Some(domain) = entry.domain {
            self.domains.release_key(domain, entry.encapsulation);
        }
        for &prefix in &entry.delegated {
            self.delegations.release(prefix);
        }
        let bound = entry.bound();
        effects.extend(bound.iter().map(|&prefix| Effect::Unbind { prefix }));
        effects.push(Effect::CancelTimer {
            timer: Timer::BindingExpiry { session },
        });
        let key = Key::Binding { session };
        effects.push(Effect::Forget { key });
        for prefix in bound {
            effects.push(Effect::Notify {
                notice: Notice::BindingDown {
                    mn_identifier: entry.mn_identifier.clone(),
                    prefix,
                },
            });
        }
        self.resume(now, entry, effects);
    }
}

impl Role for Lma {
    fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>) {
        if !matches!(event, Event::Refused { .. }) {
            // A refusal comes right after what it refuses.
            self.installing = None;
        }
        match event {
            Event::Message { from, to, message } => {
                self.on_message(now, *from, *to, message, effects);
            }
            Event::Unauthenticated {
                from,
                to,
                update,
                status,
            } => self.on_unauthenticated(now, *from, *to, update, *status, effects),
            Event::Timer {
                timer: Timer::BindingExpiry { session },
            } => self.on_expiry(now, *session, effects),
            Event::Timer {
                timer: Timer::AssignWait { session },
            } => self.on_assign_wait(now, *session, effects),
            Event::Timer {
                timer: Timer::Revocation { sequence },
            } => self.on_revocation_timer(now, *sequence, effects),
            Event::Timer {
                timer: Timer::Heartbeat { peer },
            } => self.on_heartbeat_timer(now, *peer, effects),
            Event::Timer {
                timer: Timer::RestartNotice,
            } => {
                let local = self.config.address;
                self.peers
                    .tell_of_restart(local, &mut self.counters, effects);
            }
            Event::Timer {
                timer: Timer::PeerSessions,
            } => self.on_turn(now, effects),
            Event::Started {
                restart_counter,
                lost,
                keeps,
            } => {
                self.keeps_records = *keeps;
                self.peers.start(*restart_counter, *lost);
            }
            Event::Revoke { scope } => self.on_revoke(now, scope, effects),
            Event::Policy { policy } => self.on_policy(now, policy, effects),
            Event::Delete { mn_identifier } => {
                for session in self.cache.sessions_of(mn_identifier) {
                    self.remove(now, session, LmaCounter::BindingsWithdrawn, effects);
                }
            }
            Event::HomeRegistration { registration } => {
                self.on_home_registration(now, registration, effects);
            }
            Event::Refused { prefix } => self.on_refused(now, *prefix, effects),
            Event::Restored {
                record: Record::Binding(binding),
            } => self.on_restored(now, binding, effects),
            // What happens on access links is a gateway's business; see the module on going down.
            Event::Timer { .. }
            | Event::HostSeen { .. }
            | Event::Authenticated { .. }
            | Event::HostGone { .. }
            | Event::TakeOver { .. }
            | Event::Leases { .. }
            | Event::AnchorsFound { .. }
            | Event::NodeInformation { .. }
            | Event::Maars { .. }
            | Event::Neighbours { .. }
            | Event::Mode { .. }
            | Event::Unused { .. }
            | Event::AccessPolicyChanged
            | Event::AccessPolicyChangedFor { .. }
            | Event::Anchors { .. }
            | Event::Restored { .. }
            | Event::Resumed { .. }
            | Event::Shutdown => {}
        }
    }
}
