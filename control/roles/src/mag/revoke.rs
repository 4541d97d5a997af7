//! Revocation at a gateway (RFC 5846 sections 9.1 and 9.2).

use super::counters::MagCounter;
use super::visitor::Registration;
use super::{Mag, Session};
use crate::effect::Effect;
use crate::event::{Departure, HostLink, RevocationScope};
use crate::message::ProxyOptions;
use crate::outstanding::Update;
use crate::refusal::Hold;
use crate::revocation::{
    acknowledge, belongs, check, naming, naming_ipv4, sessions_named, Gate, Meant,
};
use crate::Now;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::{
    HandoffIndicator, HomeNetworkPrefix, MnIdentifier, MobilityOption, NtpTime,
    RevocationAcknowledgement, RevocationIndication, RevocationStatus, RevocationTrigger,
};

impl Mag {
    /// An anchor revokes. What it names is no longer served by the time that it is answered (S1-28).
    pub(super) fn on_revocation_indication(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) {
        if !self.revocation_answers.take(now.monotonic) {
            return self.ignore(from, MagCounter::RevocationsUnanswered, effects);
        }
        let outcome = self.revoked(now, from, indication, effects);
        let followed = acknowledge((from, to), indication, outcome, effects);
        self.core.counters.add(if followed {
            MagCounter::RevocationsAccepted
        } else {
            MagCounter::RevocationsDenied
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
        let meant = check(&self.core.config.revocation, indication)?;
        let options = ProxyOptions::read(&indication.options);
        let trigger = indication.trigger;
        if meant == Meant::Many {
            let meant: Vec<Session> = match (trigger, options.mn_identifier) {
                (RevocationTrigger::PER_PEER, _) if !indication.options.is_empty() => {
                    return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
                }
                (RevocationTrigger::PER_PEER, _) => self.anchored_by(from),
                (_, Some(group)) => {
                    let mut sessions = self.anchored_by(from);
                    sessions.retain(|session| {
                        let list = self.list_entry(session);
                        list.is_some_and(|list| belongs(&list.mn_identifier, group))
                    });
                    sessions
                }
                (_, None) => return Err(RevocationStatus::IDENTITY_REQUIRED),
            };
            if meant.is_empty() {
                return Err(if trigger == RevocationTrigger::PER_PEER {
                    RevocationStatus::NO_BINDING
                } else {
                    RevocationStatus::IDENTITY_REQUIRED
                });
            }
            for session in meant {
                self.drop_session(now, &session, true, effects);
            }
            return Ok(Vec::new());
        }
        let host = options
            .mn_identifier
            .ok_or(RevocationStatus::IDENTITY_REQUIRED)?;
        let sessions = self.sessions_of(host, from);
        let sessions = sessions.map_err(|_| RevocationStatus::NO_BINDING)?;
        let reason = Reason::read(trigger, options.handoff);
        let present = reason != Reason::Gone;
        if let Meant::Ipv4(address) = meant {
            let its = |session: &&Session| self.ipv4_of(session) == Some(address);
            let session = sessions.iter().find(its);
            let session = session.ok_or(RevocationStatus::NO_BINDING)?;
            if self.has_come_since(session, reason, options.timestamp) {
                return Err(RevocationStatus::ATTACHED);
            }
            self.drop_ipv4(now, session, present, effects);
            return Ok(Vec::new());
        }
        let theirs = sessions.iter().map(|it| (it, self.held_by(it))).collect();
        let (meant, failed) = sessions_named(theirs, &options.named_prefixes())?;
        let stays = |session: &&Session| self.has_come_since(session, reason, options.timestamp);
        let ended = meant.into_iter().filter(|session| !stays(session));
        let ended: Vec<Session> = ended.cloned().collect();
        if ended.is_empty() {
            return Err(RevocationStatus::ATTACHED);
        }
        for session in ended {
            self.drop_session(now, &session, present, effects);
        }
        Ok(failed)
    }

    /// Whether a session came here, or its host, after what its anchor revokes it for: the anchor knows what
    /// was sent at `known`.
    fn has_come_since(&self, session: &Session, reason: Reason, known: Option<NtpTime>) -> bool {
        match session {
            Session::Here(link) => {
                let visitor = self.visitors.get(link);
                let registration = visitor.and_then(|it| it.registration.as_ref());
                registration.is_some_and(|it| it.has_come_since(reason, known))
            }
            Session::Left(_) => false,
        }
    }

    /// The IPv4 home address of a session; of one that has been left, the one that it says so of.
    fn ipv4_of(&self, session: &Session) -> Option<Ipv4Addr> {
        match session {
            Session::Here(link) => {
                let registration = self.visitors.get(link)?.registration.as_ref()?;
                registration.ipv4.map(|service| service.address)
            }
            Session::Left(left) => {
                let asked = self.leaving.get(left)?.list.ipv4;
                asked.map(|home| home.address)
            }
        }
    }

    /// Ends what a session has of IPv4; and the session, where it has nothing else. `present`: see
    /// [`Self::drop_session`].
    fn drop_ipv4(&mut self, now: Now, session: &Session, present: bool, effects: &mut Vec<Effect>) {
        if self.held_by(session).is_empty() {
            return self.drop_session(now, session, present, effects);
        }
        match session {
            Session::Here(link) => self.end_ipv4(now, *link, effects),
            Session::Left(left) => {
                // What goes out about it from now on is about its prefixes.
                if let Some(leaving) = self.leaving.get_mut(left) {
                    leaving.list.ipv4 = None;
                }
            }
        }
    }

    /// The home network prefixes of a session.
    fn held_by(&self, session: &Session) -> &[HomeNetworkPrefix] {
        match session {
            Session::Here(link) => {
                let registration = self
                    .visitors
                    .get(link)
                    .and_then(|it| it.registration.as_ref());
                registration.map_or(&[], |it| it.prefixes.as_slice())
            }
            Session::Left(left) => self
                .leaving
                .get(left)
                .map_or(&[], |it| it.prefixes.as_slice()),
        }
    }

    /// The sessions that an anchor has here, by host; those of hosts that have left last.
    fn anchored_by(&self, lma: Ipv6Addr) -> Vec<Session> {
        let here = self.visitors.iter().filter_map(|(link, visitor)| {
            let list = &visitor.registration.as_ref()?.list;
            (list.lma == lma).then_some((&list.mn_identifier, Session::Here(*link)))
        });
        let left = self
            .leaving
            .iter()
            .filter(|(_, leaving)| leaving.list.lma == lma);
        let left = left.map(|(left, _)| (&left.0, Session::Left(left.clone())));
        let mut sessions: Vec<(&MnIdentifier, Session)> = here.chain(left).collect();
        sessions.sort_unstable();
        sessions.into_iter().map(|(_, session)| session).collect()
    }

    /// Ends a session without a word to its anchor. A host that may still be on the link is told, and
    /// does not come back by a mere packet for a while.
    fn drop_session(
        &mut self,
        now: Now,
        session: &Session,
        present: bool,
        effects: &mut Vec<Effect>,
    ) {
        let link = match session {
            Session::Here(link) => *link,
            Session::Left(left) => {
                self.forget_left(left, effects);
                return;
            }
        };
        self.core.counters.add(MagCounter::HostsRevoked);
        self.end(now, link, present, false, effects);
        let visitor = self.remove(link);
        if present {
            let hold = Hold::PacketsUntil(now.monotonic + self.core.config.refusal_hold);
            let most = self.core.config.remembered_refusals;
            return self.refusals.insert(link, hold, most);
        }
        // The other gateway may have been the one to notice late. A host that is here after all, and
        // has nothing to say of itself, is to say so.
        let address = visitor.and_then(|visitor| {
            let host = visitor.host;
            host.link_local
                .or_else(|| Some(host.addresses.first()?.address))
        });
        effects.extend(address.map(|address| Effect::Probe { link, address }));
    }

    /// The operator revokes. Of one host, its de-registration says the same.
    pub(super) fn on_revoke(
        &mut self,
        now: Now,
        scope: &RevocationScope,
        effects: &mut Vec<Effect>,
    ) {
        match scope {
            RevocationScope::Host {
                mn_identifier,
                ipv4_only: false,
                trigger: None,
            } => self.detach(now, mn_identifier, effects),
            RevocationScope::Host {
                mn_identifier,
                ipv4_only,
                trigger,
            } => {
                let trigger = trigger.unwrap_or(RevocationTrigger::ADMINISTRATIVE);
                let links: Vec<HostLink> = self.by_identifier.get(mn_identifier).collect();
                for link in links {
                    self.revoke_session(now, link, *ipv4_only, trigger, effects);
                }
            }
            RevocationScope::Realm { realm } => {
                // RFC 5846 has no message for that from here (section 9.2).
                let group = MnIdentifier::Nai(format!("@{realm}"));
                let registrations = self
                    .visitors
                    .values()
                    .filter_map(|it| it.registration.as_ref());
                let hosts = registrations.map(|it| &it.list.mn_identifier);
                let hosts: BTreeSet<_> = hosts
                    .filter(|host| belongs(host, &group))
                    .cloned()
                    .collect();
                for host in hosts {
                    self.detach(now, &host, effects);
                }
            }
            RevocationScope::Peer { address } => self.revoke_anchor(now, *address, effects),
            RevocationScope::All => {
                let anchor = |link: &HostLink| self.anchor_of(*link);
                let here = self.visitors.keys().filter_map(anchor);
                let left = self.leaving.values().map(|leaving| leaving.list.lma);
                let anchors: BTreeSet<Ipv6Addr> = here.chain(left).collect();
                for anchor in anchors {
                    self.revoke_anchor(now, anchor, effects);
                }
            }
        }
    }

    /// Ends a session, or what it has of IPv4, and tells its anchor why; one that is not bound by
    /// de-registering it.
    fn revoke_session(
        &mut self,
        now: Now,
        link: HostLink,
        ipv4_only: bool,
        trigger: RevocationTrigger,
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get(&link);
        let Some(registration) = visitor.and_then(|it| it.registration.as_ref()) else {
            return;
        };
        let (lma, host) = (registration.list.lma, &registration.list.mn_identifier);
        let address = registration.ipv4.map(|service| service.address);
        let options = match (address, ipv4_only) {
            (Some(address), true) => naming_ipv4(host, address),
            (None, true) => return,
            (_, false) if registration.bound.is_none() => {
                return self.on_host_gone(now, link, Departure::Operator, effects);
            }
            (ipv4, false) => naming(host, &registration.prefixes, ipv4),
        };
        match ipv4_only {
            true => self.drop_ipv4(now, &Session::Here(link), true, effects),
            false => self.drop_session(now, &Session::Here(link), true, effects),
        }
        self.indicate(now, lma, (trigger, options), effects);
    }

    /// Ends all that is shared with an anchor, and tells it in one message that carries this
    /// gateway's identity.
    fn revoke_anchor(&mut self, now: Now, lma: Ipv6Addr, effects: &mut Vec<Effect>) {
        let sessions = self.anchored_by(lma);
        if sessions.is_empty() {
            return;
        }
        for session in sessions {
            self.drop_session(now, &session, true, effects);
        }
        let local = self.core.config.local(lma);
        let identity = MnIdentifier::Nai(local.to_string());
        let options = vec![MobilityOption::MnIdentifier(identity)];
        let what = (RevocationTrigger::PER_PEER, options);
        self.indicate(now, lma, what, effects);
    }

    /// Sends an indication, now or when its turn has come, if there is room for one more.
    fn indicate(
        &mut self,
        now: Now,
        lma: Ipv6Addr,
        what: (RevocationTrigger, Vec<MobilityOption>),
        effects: &mut Vec<Effect>,
    ) {
        let config = self.core.config.revocation;
        let ends = (self.core.config.local(lma), lma);
        let (gate, counters) = (Gate::at(now, &mut self.pace), &mut self.core.counters);
        self.revocations
            .revoke(&config, ends, what, gate, counters, effects);
    }

    pub(super) fn on_revocation_acknowledgement(
        &mut self,
        from: Ipv6Addr,
        message: &RevocationAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.core.counters;
        self.revocations.answered(from, message, counters, effects);
    }

    pub(super) fn on_revocation_timer(
        &mut self,
        now: Now,
        sequence: u16,
        effects: &mut Vec<Effect>,
    ) {
        let peer = self.revocations.peer(sequence);
        let own = &self.core.config;
        let local = peer.map_or(own.address, |peer| own.local(peer));
        let config = own.revocation;
        let (gate, counters) = (Gate::at(now, &mut self.pace), &mut self.core.counters);
        self.revocations
            .pursue(&config, local, sequence, gate, counters, effects);
    }
}

/// Why an anchor revokes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Its host has gone to another gateway.
    Gone,
    /// It has gone to another interface of its host, which may still be here by this one.
    TakenOver,
    /// It has ended.
    Ended,
}

impl Reason {
    /// What an indication says of it: with a trigger of handovers, our anchors send the Handoff
    /// Indicator where that is between interfaces.
    fn read(trigger: RevocationTrigger, handoff: Option<HandoffIndicator>) -> Self {
        match handoff {
            _ if !trigger.is_handover() => Self::Ended,
            Some(HandoffIndicator::BETWEEN_INTERFACES) => Self::TakenOver,
            _ => Self::Gone,
        }
    }
}

impl Registration {
    /// Whether the host has come here since the anchor accepted what was sent at `known`, or its session has:
    /// it has come up on its link and the anchor is to be told, or has been told by a later update.
    fn has_come_since(&self, reason: Reason, known: Option<NtpTime>) -> bool {
        // An interface that comes up has a session of its own, and not one that went to another.
        let brings = |update: &&Update| {
            reason == Reason::Gone || update.handoff == HandoffIndicator::BETWEEN_INTERFACES
        };
        let telling = self.list.update.as_deref().filter(brings);
        let told = telling.and_then(Update::last_timestamp).max(self.accepted);
        let overtaken = match (told, known) {
            (Some(told), Some(known)) => told > known,
            _ => telling.is_some_and(|update| update.handoff != HandoffIndicator::NOT_CHANGED),
        };
        match reason {
            Reason::Gone => self.arrived.is_some() || overtaken,
            Reason::TakenOver => overtaken,
            Reason::Ended => false,
        }
    }
}
