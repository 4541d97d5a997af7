//! The central mobility database of distributed anchors (RFC 8885 section 3).
//!
//! It knows of each host which MAAR serves it and which MAARs it came by, with the prefix that each of
//! them anchors. It tells MAARs of one another and carries no data (S2-02).
//!
//! ```text
//!              a MAAR registers the host          another does: those that it came by are told
//!   (no entry) ─────────────────────────► Active ◄──────────────────────────┐
//!       ▲                                  │  │ └──────────────────────────┘
//!       │                     lifetime over│  │ de-registration by the MAAR that serves
//!       │                                  │  ▼
//!       │ all have let go                  │ Pending ──► Active, by any registration
//!       │                                  ▼  │ MinDelayBeforeBCEDelete is over
//!       └───────────────────────────────── Ending: its anchors are told to let go, and the MAAR that
//!                                          serves it that it is over
//! ```
//!
//! When a host comes to a MAAR, the three modes differ in who tells that MAAR of those before it:
//!
//! ```text
//!   relay      PBU ─► CMD ─► PBU with Serving MAAR ─► each P-MAAR ─► PBA ─► CMD ─► one PBA for all
//!   locator    PBU ─► CMD ─► PBU with Serving MAAR ─► each P-MAAR ─► PBA ─► CMD, and to the S-MAAR
//!   proxy      PBU ─► CMD ─► PBA at once, and PBU with Serving MAAR ─► each P-MAAR ─► PBA ─► CMD
//! ```
//!
//! The mode is the database's own and may change while it runs: what was begun in one mode is ended in
//! it. Decisions that RFC 8885 leaves open:
//!
//! - An update names all prefixes of its MAAR for the host: what it had named before and leaves out is
//!   gone. Prefixes that an update names and that another MAAR anchors for the same host are passed over.
//! - Each MAAR gives prefixes of its own pools only, and a prefix that shares addresses with another
//!   host's is refused with 155, whoever gave it (S2-01).
//! - In relay mode the serving MAAR is answered when every previous one has answered, was found silent,
//!   or the aggregation timeout is over. An answer that comes late leads to one more that lists all
//!   that are known by then, so that none is lost with a message. An update that the serving MAAR
//!   repeats is answered together with the first.
//! - In locator mode the serving MAAR is answered by the previous ones. When it repeats its update or
//!   refreshes, which may be because an answer was lost, or all of them refuse or keep silent until the aggregation timeout, the database answers.
//! - A previous MAAR that refuses to know the host anchors nothing for it any more. One that is out of
//!   room, or takes offence at a timestamp, is asked again.
//! - Of a host that has more prefixes than it may, the oldest goes. A host that moves more often than
//!   is followed is left where it is: its MAAR asks again.
//! - A serving MAAR hears of the end of a session, or of a prefix that it has been told of and that its
//!   anchor no longer has, by a Binding Revocation Indication (RFC 5846 section 8.1). It says by its
//!   trigger whether the operator ended it, which is the end there too, or the database has lost touch
//!   (Possible Out-of-Sync BCE State): a MAAR that has the host still keeps its own prefix and registers
//!   anew. It is sent again as updates are.
//! - An anchor that lets go of a prefix by itself says so with an indication of its own; its
//!   de-registration, by an update, is denied all the same (S2-28).
//! - A refresh by a MAAR that the host has left is not answered; the MAAR is told again where it went.
//! - Updates to MAARs are repeated with doubled waits and given up after some. A MAAR that kept silent
//!   when a host moved keeps its prefix, and is asked anew when it moves again; one that kept silent
//!   when it was to let go is taken to be gone.
//! - A session is stored before anybody hears of it. After a restart it has its whole lifetime again.
//! - Going down says nothing to anybody.

mod answer;
mod cache;
mod config;
mod counters;
mod exchange;
mod leave;
mod maars;
mod pace;
mod peers;
mod register;
mod request;
mod restore;
mod revoke;
mod view;

pub use config::{CmdConfig, CmdMode, MaarPeer};
pub use counters::CmdCounter;
pub use view::{AnchorState, AnchorView, SessionState, SessionView};

use crate::counters::{CounterView, Counters};
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::heartbeat::{PeerView, Peers, Turns};
use crate::message::{can_answer, ignored, ErrorSender, PerSecond};
use crate::revocation::Revocations;
use crate::store::Record;
use crate::timestamp::Stamper;
use crate::{Event, Now, Role};
use cache::Cache;
use pace::Pacer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, Message, MnIdentifier};

/// A central mobility database.
#[derive(Clone, Debug)]
pub struct Cmd {
    config: CmdConfig,
    mode: CmdMode,
    /// The MAARs of the domain, each with its pools.
    maars: BTreeMap<Ipv6Addr, Vec<HomeNetworkPrefix>>,
    cache: Cache,
    counters: Counters<CmdCounter>,
    errors: ErrorSender,
    /// Refusals that strangers may have.
    strangers: PerSecond<100>,
    rng: StdRng,
    /// Of the last update that was sent.
    sequence: u16,
    stamper: Stamper,
    pacer: Pacer,
    /// What serving MAARs are told of sessions and prefixes that have ended.
    revocations: Revocations,
    /// Whose session each of those is about, by its number.
    revoking: BTreeMap<u16, u64>,
    peers: Peers,
    /// Sessions of which MAARs that have restarted or are back are told anew.
    turns: Turns<u64>,
    /// Whether the timer of the pacer runs.
    pacing: bool,
}

impl Cmd {
    /// A database without sessions. Until the first [`Event::Maars`] it knows no MAAR and refuses all
    /// updates.
    pub fn new(config: CmdConfig) -> Self {
        let mut rng = StdRng::seed_from_u64(config.seed);
        Self {
            mode: config.mode,
            maars: BTreeMap::new(),
            cache: Cache::default(),
            counters: Counters::new(),
            errors: ErrorSender::default(),
            strangers: PerSecond::default(),
            sequence: rng.random(),
            rng,
            stamper: Stamper::default(),
            pacer: Pacer::new(config.pacing_rate, config.pacing_burst),
            revocations: Revocations::default(),
            revoking: BTreeMap::new(),
            peers: Peers::default(),
            turns: Turns::default(),
            pacing: false,
            config,
        }
    }

    /// The configuration that it was made with.
    pub const fn config(&self) -> &CmdConfig {
        &self.config
    }

    /// The mode that it is in.
    pub const fn mode(&self) -> CmdMode {
        self.mode
    }

    /// How many sessions the binding cache holds, those that are ending among them.
    pub fn sessions(&self) -> usize {
        self.cache.len()
    }

    /// How many prefixes hosts have, all together.
    pub fn prefixes(&self) -> usize {
        self.cache.held()
    }

    /// Updates and indications to MAARs that wait for their turn.
    pub fn paced(&self) -> usize {
        self.pacer.len()
    }

    /// The binding cache at `now`, by session number.
    pub fn bindings(&self, now: Now) -> impl Iterator<Item = SessionView> + '_ {
        self.cache
            .iter()
            .map(move |entry| entry.view(now.monotonic))
    }

    /// What is known of one host.
    pub fn binding(&self, now: Now, host: &MnIdentifier) -> Option<SessionView> {
        self.cache.of(host).map(|entry| entry.view(now.monotonic))
    }

    /// The MAARs at `now`, and whether each is there.
    pub fn peers(&self, now: Now) -> impl ExactSizeIterator<Item = PeerView> + '_ {
        self.peers.views(now.monotonic)
    }

    /// Every counter, with its description.
    pub fn counters(&self) -> impl Iterator<Item = CounterView> + '_ {
        self.counters.views()
    }

    /// The value of one counter.
    pub fn counter(&self, counter: CmdCounter) -> u64 {
        self.counters.get(counter)
    }

    fn ignore(&mut self, from: Ipv6Addr, why: CmdCounter, effects: &mut Vec<Effect>) {
        use crate::counters::Counter;
        self.counters.add(why);
        effects.push(ignored(from, why.name()));
    }

    /// Tells of a session.
    fn notify(
        &self,
        session: u64,
        effects: &mut Vec<Effect>,
        notice: impl FnOnce(MnIdentifier) -> Notice,
    ) {
        if let Some(entry) = self.cache.get(session) {
            let notice = notice(entry.mn_identifier.clone());
            effects.push(Effect::Notify { notice });
        }
    }

    fn on_message(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        if to != self.config.address {
            return self.ignore(from, CmdCounter::NotOurAddress, effects);
        }
        if !can_answer(from) {
            return self.ignore(from, CmdCounter::SourceNotUnicast, effects);
        }
        match message {
            Message::BindingUpdate(update) => self.on_update(now, from, to, update, effects),
            Message::BindingAcknowledgement(answer) => {
                self.on_acknowledgement(now, from, answer, effects);
            }
            Message::RevocationIndication(indication) => {
                self.on_revocation_indication(now, (from, to), indication, effects);
            }
            Message::RevocationAcknowledgement(answer) => {
                self.on_revocation_acknowledgement(now, from, answer, effects);
            }
            Message::BindingRefreshRequest(_) => {
                self.ignore(from, CmdCounter::UnexpectedMessage, effects);
            }
            Message::BindingError(error) => {
                let counters = &mut self.counters;
                self.peers.on_binding_error(from, error, counters, effects);
            }
            Message::Heartbeat(heartbeat) => {
                self.on_heartbeat(now, (from, to), heartbeat, effects);
            }
            Message::Other { .. } => {
                self.errors.unrecognized(now.monotonic, from, to, effects);
                self.ignore(from, CmdCounter::UnknownType, effects);
            }
        }
    }

    fn on_timer(&mut self, now: Now, timer: &Timer, effects: &mut Vec<Effect>) {
        match *timer {
            Timer::BindingExpiry { session } => self.on_expiry(now, session, effects),
            Timer::Aggregation { session } => self.on_aggregation(now, session, effects),
            Timer::AnchorUpdate { session, maar } => {
                self.on_anchor_timer(now, session, maar, effects);
            }
            Timer::AnchorIndication { session, maar } => {
                self.dispatch_indication(now, session, maar, effects);
            }
            Timer::Heartbeat { peer } => self.on_heartbeat_timer(now, peer, effects),
            Timer::RestartNotice => {
                let local = self.config.address;
                self.peers
                    .tell_of_restart(local, &mut self.counters, effects);
            }
            Timer::PeerSessions => self.on_turn(now, effects),
            Timer::Pacing => self.on_pacing(now, effects),
            Timer::Revocation { sequence } => self.on_revocation_timer(now, sequence, effects),
            _ => {}
        }
    }
}

impl Role for Cmd {
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
            } => self.on_unauthenticated(now, (*from, *to), update, *status, effects),
            Event::Timer { timer } => self.on_timer(now, timer, effects),
            Event::Maars { maars } => self.on_maars(now, maars, effects),
            Event::Started {
                restart_counter,
                lost,
                ..
            } => self.peers.start(*restart_counter, *lost),
            Event::Mode { mode } => self.mode = *mode,
            Event::Delete { mn_identifier } => self.on_delete(now, mn_identifier, effects),
            Event::Restored {
                record: Record::Session(record),
            } => self.on_restored(now, record, effects),
            // It has no access links, installs nothing, and has no say in a MAAR's bindings.
            _ => {}
        }
    }
}
