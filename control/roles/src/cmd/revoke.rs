//! Binding revocation (RFC 5846): how the MAAR that serves a host hears of what has ended without its
//! doing, and how a previous MAAR says that it has let go of a prefix.
//!
//! ```text
//!   lifetimes over ─────┐ OUT_OF_SYNC, all that the host has          S-MAAR has the host: lets go of
//!                       │                                             what others anchor, registers anew
//!   operator ───────────┼ ADMINISTRATIVE, all that it has    BRI ───► S-MAAR ends the session
//!                       │
//!   a P-MAAR: refuses, ─┘ what that P-MAAR had                        S-MAAR lets go of that
//!   lets go (BRI), is no longer of the domain; a host with too many prefixes
//! ```
//!
//! Previous MAARs are told by updates of lifetime zero, as RFC 8885 has it, for they are anchors. Indications
//! wait for their turn as updates do, and count as such for what a MAAR is told of one host in a second.

use super::cache::Entry;
use super::counters::CmdCounter;
use super::pace::Turn;
use super::view::SessionState;
use super::Cmd;
use crate::effect::Effect;
use crate::event::Timer;
use crate::message::ProxyOptions;
use crate::revocation::{acknowledge, check, not_among, Gate, Overdue};
use crate::store::RevokedRecord;
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{
    HomeNetworkPrefix, MobilityOption, RevocationAcknowledgement, RevocationIndication,
    RevocationStatus, RevocationTrigger,
};

/// What a MAAR serves that has come to its end.
#[derive(Clone, Debug)]
pub(super) struct Revoked {
    pub(super) trigger: RevocationTrigger,
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
    /// Of the indication that is out, once one is.
    sequence: Option<u16>,
    /// That one does not say all of it.
    changed: bool,
    /// It is to be told, but not yet: for its turn, or because it has been told much of its host.
    waiting: bool,
}

impl Revoked {
    fn new(trigger: RevocationTrigger, prefixes: Vec<HomeNetworkPrefix>) -> Self {
        Self {
            trigger,
            prefixes,
            sequence: None,
            changed: true,
            waiting: false,
        }
    }

    /// Its MAAR has registered some of it anew.
    pub(super) fn is_back(&mut self, own: impl Fn(&HomeNetworkPrefix) -> bool) {
        let had = self.prefixes.len();
        self.prefixes.retain(|prefix| !own(prefix));
        self.changed |= self.prefixes.len() < had;
    }

    pub(super) fn record(&self) -> RevokedRecord {
        RevokedRecord {
            trigger: self.trigger,
            prefixes: self.prefixes.clone(),
        }
    }

    pub(super) fn restored(record: &RevokedRecord) -> Self {
        Self::new(record.trigger, record.prefixes.clone())
    }
}

impl Entry {
    /// All that the host has is over: the MAAR that serves it is to hear so.
    pub(super) fn revoke_all(&mut self, trigger: RevocationTrigger) {
        let mut all: Vec<HomeNetworkPrefix> = self.prefixes().collect();
        let home = self.serving.and_then(|serving| self.anchor_mut(serving));
        if let Some(home) = home {
            let before = home.revoked.take();
            all.extend(before.iter().flat_map(|it| it.prefixes.iter().copied()));
            let mut revoked = Revoked::new(trigger, all);
            revoked.waiting = before.as_ref().is_some_and(|it| it.waiting);
            revoked.sequence = before.and_then(|it| it.sequence);
            home.revoked = Some(revoked);
            home.prefixes.clear();
            home.leaving.clear();
        }
    }
}

impl Cmd {
    /// Prefixes that the serving MAAR of a session may have been told of are no longer anchored.
    pub(super) fn lose(
        &mut self,
        session: u64,
        lost: &[HomeNetworkPrefix],
        trigger: RevocationTrigger,
    ) {
        let Some(entry) = self.cache.get_mut(session).filter(|_| !lost.is_empty()) else {
            return;
        };
        let home = entry.serving.and_then(|serving| entry.anchor_mut(serving));
        if let Some(home) = home {
            let fresh = || Revoked::new(trigger, Vec::new());
            let revoked = home.revoked.get_or_insert_with(fresh);
            revoked.prefixes.extend_from_slice(lost);
            revoked.changed = true;
        }
    }

    /// Whether the operator has ended a session of which its MAAR may not know yet.
    pub(super) fn is_withdrawn(&self, session: u64) -> bool {
        let anchors = self.cache.get(session).into_iter();
        let mut revoked = anchors
            .flat_map(|it| &it.anchors)
            .flat_map(|it| &it.revoked);
        revoked.any(|it| it.trigger == RevocationTrigger::ADMINISTRATIVE)
    }

    /// Sees to it that serving MAARs are told what they have yet to be told of the end of things.
    pub(super) fn indicate(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let mut untold = Vec::new();
        for anchor in &mut entry.anchors {
            let Some(revoked) = anchor.revoked.as_mut().filter(|it| it.changed) else {
                continue;
            };
            // It says too little: an answer to it would be none to this.
            if let Some(old) = revoked.sequence.take() {
                self.revocations.cancel(old, effects);
                self.revoking.remove(&old);
            }
            if !revoked.waiting {
                untold.push(anchor.address);
            }
        }
        for maar in untold {
            self.dispatch_indication(now, session, maar, effects);
        }
    }

    /// Sends what a serving MAAR is to be told, when its rate and the pace allow.
    pub(super) fn dispatch_indication(
        &mut self,
        now: Now,
        session: u64,
        maar: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let rate = self.config.max_update_rate;
        let entry = self.cache.get_mut(session);
        let Some(anchor) = entry.and_then(|entry| entry.anchor_mut(maar)) else {
            return;
        };
        let Some(revoked) = anchor.revoked.as_mut() else {
            return;
        };
        if let Err(wait) = anchor.rate.take(now.monotonic, rate) {
            revoked.waiting = true;
            self.counters.add(CmdCounter::UpdatesRateLimited);
            return effects.push(Effect::SetTimer {
                timer: Timer::AnchorIndication { session, maar },
                after: wait,
            });
        }
        if self.pacer.pass(now.monotonic) {
            return self.transmit_indication(now, session, maar, effects);
        }
        revoked.waiting = true;
        self.counters.add(CmdCounter::UpdatesPaced);
        self.pacer.join(Turn::Indication { session, maar });
        self.wait_for_pace(now, effects);
    }

    /// Sends what a serving MAAR is to be told as it stands now; again, if that is out already.
    pub(super) fn transmit_indication(
        &mut self,
        now: Now,
        session: u64,
        maar: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let (config, local) = (self.config.revocation(), self.config.address);
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let host = entry.mn_identifier.clone();
        let anchor = entry.anchor_mut(maar);
        let Some(revoked) = anchor.and_then(|it| it.revoked.as_mut()) else {
            return;
        };
        revoked.waiting = false;
        if let Some(sequence) = revoked.sequence.filter(|_| !revoked.changed) {
            return self.indicate_again(now, sequence, effects);
        }
        let mut options = vec![MobilityOption::MnIdentifier(host)];
        let prefixes = revoked.prefixes.iter().copied();
        options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
        let (ends, what) = ((local, maar), (revoked.trigger, options));
        // It has had its turn.
        let (gate, counters) = (Gate::open(now), &mut self.counters);
        let sent = self
            .revocations
            .revoke(&config, ends, what, gate, counters, effects);
        match sent {
            Some(sequence) => {
                self.revoking.insert(sequence, session);
                revoked.sequence = sent;
                revoked.changed = false;
            }
            None => {
                if let Some(anchor) = entry.anchor_mut(maar) {
                    anchor.revoked = None;
                }
                self.store(session, effects);
                self.pursue(now, session, effects);
            }
        }
    }

    /// Whether an indication is still what its MAAR is to be told.
    fn still_says(&self, session: u64, sequence: u16) -> bool {
        let anchors = self.cache.get(session).into_iter();
        let mut revoked = anchors
            .flat_map(|it| &it.anchors)
            .flat_map(|it| &it.revoked);
        revoked.any(|it| it.sequence == Some(sequence))
    }

    /// A serving MAAR knows, or is not asked any more.
    fn indicated(&mut self, now: Now, sequence: u16, effects: &mut Vec<Effect>) {
        let Some(session) = self.revoking.remove(&sequence) else {
            return;
        };
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        for anchor in &mut entry.anchors {
            let answered = |it: &Revoked| it.sequence == Some(sequence);
            if anchor.revoked.as_ref().is_some_and(answered) {
                anchor.revoked = None;
            }
        }
        self.store(session, effects);
        self.pursue(now, session, effects);
    }

    pub(super) fn on_revocation_acknowledgement(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        answer: &RevocationAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.counters;
        if self.revocations.answered(from, answer, counters, effects) {
            self.indicated(now, answer.sequence, effects);
        }
    }

    pub(super) fn on_revocation_timer(
        &mut self,
        now: Now,
        sequence: u16,
        effects: &mut Vec<Effect>,
    ) {
        let session = self.revoking.get(&sequence).copied();
        let session = session.filter(|session| self.still_says(*session, sequence));
        match (session, self.revocations.peer(sequence)) {
            (Some(session), Some(maar)) => self.dispatch_indication(now, session, maar, effects),
            _ => {
                self.revoking.remove(&sequence);
                self.revocations.cancel(sequence, effects);
            }
        }
    }

    fn indicate_again(&mut self, now: Now, sequence: u16, effects: &mut Vec<Effect>) {
        let (config, local) = (self.config.revocation(), self.config.address);
        let (gate, counters) = (Gate::open(now), &mut self.counters);
        let overdue = self
            .revocations
            .pursue(&config, local, sequence, gate, counters, effects);
        if overdue == Overdue::GivenUp {
            self.indicated(now, sequence, effects);
        }
    }

    /// A previous MAAR lets go of prefixes. Strangers are not told what is here.
    pub(super) fn on_revocation_indication(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) {
        if !self.maars.contains_key(&from) {
            return self.ignore(from, CmdCounter::RevocationByStranger, effects);
        }
        let outcome = self.let_go(now, from, indication, effects);
        let followed = acknowledge((from, to), indication, outcome, effects);
        self.counters.add(match followed {
            true => CmdCounter::RevocationsAccepted,
            false => CmdCounter::RevocationsDenied,
        });
    }

    /// Takes out of a session what a previous MAAR says it anchors no longer, and returns what of it it
    /// did not.
    fn let_go(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<MobilityOption>, RevocationStatus> {
        check(&self.config.revocation(), indication)?;
        let options = ProxyOptions::read(&indication.options);
        let host = options.mn_identifier;
        let host = host.ok_or(RevocationStatus::IDENTITY_REQUIRED)?;
        let entry = self.cache.of(host).ok_or(RevocationStatus::NO_BINDING)?;
        let (session, state) = (entry.session, entry.state);
        if entry.serving == Some(from) {
            // It ends the session by its de-registration (S2-28).
            return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
        }
        let anchor = entry.anchor(from).ok_or(RevocationStatus::NO_BINDING)?;
        let had: Vec<HomeNetworkPrefix> = anchor.prefixes.clone();
        let named = options.named_prefixes();
        let absent = not_among(&named, &had)?;
        let meant = |it: &&HomeNetworkPrefix| named.is_empty() || named.contains(it);
        let lost: Vec<HomeNetworkPrefix> = had.iter().filter(meant).copied().collect();
        if let Some(entry) = self.cache.get_mut(session) {
            let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
            if let Some(anchor) = entry.anchor_mut(from) {
                anchor.prefixes.retain(|it| !lost.contains(it));
            }
            self.cache.reindex(session, &before);
        }
        for _ in &lost {
            self.counters.add(CmdCounter::PrefixesLost);
        }
        if state == SessionState::Active {
            self.lose(session, &lost, indication.trigger);
        }
        self.store(session, effects);
        self.anchor_settled(now, session, false, effects);
        Ok(absent)
    }
}
