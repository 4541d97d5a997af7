//! Revocation at an anchor (RFC 5846 sections 8.1 and 8.2).

use super::cache::Entry;
use super::counters::LmaCounter;
use super::request::Request;
use super::view::BindingState;
use super::Lma;
use crate::effect::Effect;
use crate::event::RevocationScope;
use crate::message::ProxyOptions;
use crate::revocation::{
    acknowledge, belongs, check, naming, naming_ipv4, sessions_named, Gate, Meant,
};
use crate::{BoundPrefix, Now};
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::{
    AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, MobilityOption, NtpTime,
    RevocationAcknowledgement, RevocationIndication, RevocationStatus, RevocationTrigger,
};

/// Where a session was before an update moved it.
pub(super) struct Former {
    pub(super) care_of: Ipv6Addr,
    pub(super) state: BindingState,
    pub(super) access_technology: AccessTechnology,
    /// What it had there by what its gateway knows it, if it goes elsewhere.
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
    pub(super) ipv4: Option<Ipv4Addr>,
    /// Of the last update that was accepted from there.
    pub(super) timestamp: Option<NtpTime>,
    /// Where sessions were that have become part of it, and what they had.
    pub(super) absorbed: Vec<(Ipv6Addr, Vec<BoundPrefix>)>,
}

impl Former {
    /// Whether packets take another way after an update.
    pub(super) fn is_changed_by(&self, request: &Request<'_>) -> bool {
        self.care_of != request.care_of
            || self.state != BindingState::Active
            || !self.absorbed.is_empty()
    }

    /// The gateway that something that is bound now was behind.
    pub(super) fn care_of_of(&self, bound: BoundPrefix) -> Ipv6Addr {
        let mut absorbed = self.absorbed.iter();
        let whose = absorbed.find(|(_, had)| had.contains(&bound));
        whose.map_or(self.care_of, |(care_of, _)| *care_of)
    }
}

impl Lma {
    /// A session has moved: its former gateway is told that the host is no longer there, and one
    /// that has it again is no longer told so.
    ///
    /// The indication carries the timestamp of the last update that was accepted from there. So a
    /// gateway to which the host has come back in the meantime sees that an indication was overtaken.
    /// That the session went to another interface of the host it says by the Handoff Indicator: the
    /// one that it was of may be where it has been (RFC 5213 section 5.4).
    pub(super) fn revoke_former(
        &mut self,
        now: Now,
        session: u64,
        former: &Former,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        if let Some(sequence) = entry.revoking {
            if self.revocations.peer(sequence) == Some(entry.care_of) {
                entry.revoking = None;
                self.revocations.cancel(sequence, effects);
            }
        }
        let moved = former.care_of != entry.care_of && former.state == BindingState::Active;
        if !moved || !self.config.revoke_on_handover {
            return;
        }
        let trigger = match (former.access_technology, entry.access_technology) {
            (before, after) if before == after => RevocationTrigger::HANDOVER_SAME_ACCESS,
            (AccessTechnology(0), _) | (_, AccessTechnology(0)) => {
                RevocationTrigger::HANDOVER_UNKNOWN
            }
            _ => RevocationTrigger::HANDOVER_DIFFERENT_ACCESS,
        };
        let mut options = naming(&entry.mn_identifier, &former.prefixes, former.ipv4);
        options.extend(former.timestamp.map(MobilityOption::Timestamp));
        let between = entry.handoff == HandoffIndicator::BETWEEN_INTERFACES;
        options.extend(between.then_some(MobilityOption::HandoffIndicator(entry.handoff)));
        let sequence = self.indicate(now, former.care_of, (trigger, options), effects);
        if let Some(entry) = self.cache.get_mut(session) {
            entry.revoking = sequence;
        }
    }

    /// Sends an indication, now or when its turn has come, if there is room for one more.
    fn indicate(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        what: (RevocationTrigger, Vec<MobilityOption>),
        effects: &mut Vec<Effect>,
    ) -> Option<u16> {
        let (config, ends) = (self.config.revocation, (self.config.local(peer), peer));
        let (gate, counters) = (Gate::at(now, &mut self.pace), &mut self.counters);
        self.revocations
            .revoke(&config, ends, what, gate, counters, effects)
    }

    /// The operator revokes.
    pub(super) fn on_revoke(
        &mut self,
        now: Now,
        scope: &RevocationScope,
        effects: &mut Vec<Effect>,
    ) {
        match scope {
            RevocationScope::Host {
                mn_identifier,
                ipv4_only,
                trigger,
            } => {
                let trigger = trigger.unwrap_or(RevocationTrigger::ADMINISTRATIVE);
                let sessions = self.cache.of(mn_identifier).map(|entry| entry.session);
                let sessions: Vec<u64> = sessions.collect();
                for session in sessions {
                    self.revoke_session(now, session, *ipv4_only, trigger, effects);
                }
            }
            RevocationScope::Realm { realm } => {
                let group = MnIdentifier::Nai(format!("@{realm}"));
                let of_realm = |entry: &&Entry| belongs(&entry.mn_identifier, &group);
                let entries = self.cache.proxies().filter(of_realm);
                let shared = entries
                    .map(|entry| (entry.care_of, entry.session))
                    .collect();
                for (peer, sessions) in by_peer(shared) {
                    self.remove_all(now, sessions, effects);
                    let options = vec![MobilityOption::MnIdentifier(group.clone())];
                    let what = (RevocationTrigger::LOCAL_POLICY, options);
                    self.indicate(now, peer, what, effects);
                }
            }
            RevocationScope::Peer { address } => {
                let of_peer = self
                    .cache
                    .proxies()
                    .filter(|entry| entry.care_of == *address);
                let sessions = of_peer.map(|entry| entry.session).collect();
                self.revoke_peer(now, *address, sessions, effects);
            }
            RevocationScope::All => {
                let entries = self.cache.proxies();
                let shared = entries
                    .map(|entry| (entry.care_of, entry.session))
                    .collect();
                for (peer, sessions) in by_peer(shared) {
                    self.revoke_peer(now, peer, sessions, effects);
                }
            }
        }
    }

    /// Ends a session, or what it has of IPv4, and tells its gateway.
    fn revoke_session(
        &mut self,
        now: Now,
        session: u64,
        ipv4_only: bool,
        trigger: RevocationTrigger,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        let (peer, host) = (entry.care_of, &entry.mn_identifier);
        let options = match (entry.ipv4, ipv4_only) {
            (Some(address), true) => naming_ipv4(host, address),
            (None, true) => return,
            (ipv4, false) => naming(host, &entry.prefixes, ipv4),
        };
        match ipv4_only {
            true => self.remove_ipv4(now, session, effects),
            false => self.remove(now, session, LmaCounter::BindingsRevoked, effects),
        }
        self.indicate(now, peer, (trigger, options), effects);
    }

    /// Ends what a session has of IPv4; and the session, where it has nothing else.
    fn remove_ipv4(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let entry = self.cache.get(session);
        if entry.is_some_and(|entry| entry.prefixes.is_empty()) {
            return self.remove(now, session, LmaCounter::BindingsRevoked, effects);
        }
        self.counters.add(LmaCounter::BindingsRevoked);
        self.end_families(session, false, true, effects);
        self.store(now, session, effects);
    }

    fn remove_all(&mut self, now: Now, sessions: Vec<u64>, effects: &mut Vec<Effect>) {
        for session in sessions {
            self.remove(now, session, LmaCounter::BindingsRevoked, effects);
        }
    }

    /// Ends all sessions with a gateway, and tells it in one message without options.
    fn revoke_peer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        sessions: Vec<u64>,
        effects: &mut Vec<Effect>,
    ) {
        if sessions.is_empty() {
            return;
        }
        self.remove_all(now, sessions, effects);
        let what = (RevocationTrigger::PER_PEER, Vec::new());
        self.indicate(now, peer, what, effects);
    }

    pub(super) fn on_revocation_acknowledgement(
        &mut self,
        from: Ipv6Addr,
        message: &RevocationAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.counters;
        self.revocations.answered(from, message, counters, effects);
    }

    pub(super) fn on_revocation_timer(
        &mut self,
        now: Now,
        sequence: u16,
        effects: &mut Vec<Effect>,
    ) {
        let peer = self.revocations.peer(sequence);
        let local = peer.map_or(self.config.address, |peer| self.config.local(peer));
        let config = self.config.revocation;
        let (gate, counters) = (Gate::at(now, &mut self.pace), &mut self.counters);
        self.revocations
            .pursue(&config, local, sequence, gate, counters, effects);
    }

    /// A gateway revokes. Strangers are not told what is here.
    pub(super) fn on_revocation_indication(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) {
        if !self.admission.knows_mag(from) {
            return self.ignore(from, LmaCounter::RevocationByStranger, effects);
        }
        let outcome = self.revoked(now, from, indication, effects);
        let followed = acknowledge((from, to), indication, outcome, effects);
        self.counters.add(if followed {
            LmaCounter::RevocationsAccepted
        } else {
            LmaCounter::RevocationsDenied
        });
    }

    /// Ends what an indication names, and returns what of it there was not.
    fn revoked(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<MobilityOption>, RevocationStatus> {
        let options = ProxyOptions::read(&indication.options);
        let meant = check(&self.config.revocation, indication)?;
        let care_of = options.alternate_care_of.unwrap_or(from);
        let Some(host) = options.mn_identifier else {
            return Err(if meant == Meant::Many {
                RevocationStatus::GLOBAL_NOT_AUTHORIZED
            } else {
                RevocationStatus::IDENTITY_REQUIRED
            });
        };
        if meant == Meant::Many {
            // Which hosts share an identifier is the anchor's to say, not a gateway's.
            if indication.trigger != RevocationTrigger::PER_PEER {
                return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
            }
            let theirs = self
                .cache
                .proxies()
                .filter(|entry| entry.care_of == care_of);
            let sessions: Vec<u64> = theirs.map(|entry| entry.session).collect();
            if care_of != from && !self.admission.knows_mag(care_of) || sessions.is_empty() {
                return Err(RevocationStatus::NO_BINDING);
            }
            self.remove_all(now, sessions, effects);
            return Ok(Vec::new());
        }
        if let Meant::Ipv4(address) = meant {
            let its = |it: &&Entry| it.care_of == care_of && it.ipv4 == Some(address);
            let holder = self.cache.of(host).find(its).map(|it| it.session);
            let session = holder.ok_or(RevocationStatus::NO_BINDING)?;
            self.remove_ipv4(now, session, effects);
            return Ok(Vec::new());
        }
        // Without prefixes, all that the host has there (RFC 5846 section 5.1).
        let named = options.named_prefixes();
        let theirs = self.cache.of(host).filter(|it| it.care_of == care_of);
        let theirs = theirs.map(|entry| (entry.session, entry.prefixes.as_slice()));
        let theirs: Vec<(u64, &[HomeNetworkPrefix])> = theirs.collect();
        if theirs.is_empty() {
            return Err(RevocationStatus::NO_BINDING);
        }
        let (meant, failed) = sessions_named(theirs, &named)?;
        self.remove_all(now, meant, effects);
        Ok(failed)
    }
}

/// Sessions by the gateway that has them.
fn by_peer(mut shared: Vec<(Ipv6Addr, u64)>) -> Vec<(Ipv6Addr, Vec<u64>)> {
    shared.sort_unstable();
    let peers = shared.chunk_by(|one, next| one.0 == next.0);
    let peers = peers.filter_map(|its| {
        let sessions = its.iter().map(|&(_, session)| session);
        Some((its.first()?.0, sessions.collect()))
    });
    peers.collect()
}
