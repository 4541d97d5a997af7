//! Proxy Binding Acknowledgements, and what else an anchor may send (RFC 5213 section 6.9.1.2).

use super::counters::MagCounter;
use super::update::ListEntry;
use super::visitor::Bound;
use super::{delegated, ipv4};
use super::{Mag, Session};
use crate::effect::{Effect, Notice};
use crate::event::{HostLink, Timer};
use crate::message::ProxyOptions;
use crate::outstanding::{Transmission, Update};
use crate::presence::Presence;
use crate::refusal::Hold;
use crate::{BoundPrefix, Now, SignallingProfile};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingRefreshRequest, HomeNetworkPrefix,
    Ipv4HomeAddress, Lifetime, MnIdentifier, NtpTime, Status,
};

/// How far an anchor's clock may be from ours for its timestamp mismatch to mean that the update was
/// late: the default of TimestampValidityWindow (RFC 5213 section 9.3).
const CLOCKS_AGREE: Duration = Duration::from_millis(300);

impl Mag {
    pub(super) fn on_acknowledgement(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        answer: &BindingAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        if !answer.flags.contains(AcknowledgementFlags::PROXY) {
            return self.ignore(from, MagCounter::WithoutProxyFlag, effects);
        }
        let mut options = ProxyOptions::read(&answer.options);
        if self.core.config.profile == SignallingProfile::Draft {
            options.understand_draft();
        }
        let Some(host) = options.mn_identifier else {
            return self.ignore(from, MagCounter::WithoutIdentifier, effects);
        };
        let target = match self.target(host, from, options.link_layer, answer.sequence) {
            Ok(target) => target,
            Err(why) => return self.ignore(from, why, effects),
        };
        let timestamps = self.core.config.timestamps;
        let Some((entry, update)) = self.outstanding(&target) else {
            return self.ignore(from, MagCounter::NoMatchingUpdate, effects);
        };
        let sent = match update.transmission(answer.sequence) {
            Some(sent) => sent,
            // Carries the number that the anchor accepted last, not one of ours.
            None if answer.status == Status::SEQUENCE_OUT_OF_WINDOW && !timestamps => {
                Transmission {
                    sequence: answer.sequence,
                    at: now.monotonic,
                    timestamp: None,
                }
            }
            None => return self.ignore(from, MagCounter::NoMatchingUpdate, effects),
        };
        let clocks_differ = matches!(
            answer.status,
            Status::TIMESTAMP_MISMATCH | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        );
        if options.timestamp.is_some() && options.timestamp != sent.timestamp && !clocks_differ {
            return self.ignore(from, MagCounter::WrongTimestamp, effects);
        }
        let technology = self.core.config.access_technology;
        let echoes = options.handoff.is_none_or(|hi| hi == update.handoff)
            && options
                .access_technology
                .is_none_or(|att| att == technology)
            && options.link_layer.is_none_or(|id| id == entry.link.mac.0);
        let round_trip = now.monotonic - update.first.unwrap_or(now.monotonic);
        if !echoes {
            self.ignore(from, MagCounter::EchoMismatch, effects);
            return self.stop_updating(&target, effects);
        }
        effects.push(Effect::Notify {
            notice: Notice::AcknowledgementReceived {
                mn_identifier: host.clone(),
                status: answer.status,
                round_trip,
            },
        });
        match target {
            Session::Left(left) => self.left(now, &left, answer, effects),
            Session::Here(link) if answer.status.is_accepted() => {
                self.accepted(now, from, link, sent, answer, &options, effects);
            }
            Session::Here(link) => {
                // The anchor tells its own time when it minds ours (RFC 5213 section 5.5).
                let ours = NtpTime::from_unix(now.wall);
                let clocks_agree = options
                    .timestamp
                    .is_some_and(|theirs| theirs.abs_diff(ours) <= CLOCKS_AGREE);
                self.not_accepted(now, link, answer, clocks_agree, effects);
            }
        }
    }

    /// The sessions of a host that an anchor has here, those that it has left behind last.
    pub(super) fn sessions_of(
        &self,
        host: &MnIdentifier,
        lma: Ipv6Addr,
    ) -> Result<Vec<Session>, MagCounter> {
        let mut sessions: Vec<Session> = self.by_identifier.get(host).map(Session::Here).collect();
        if !self.leaving.is_empty() {
            let first = (host.clone(), MacAddr([0; 6]));
            let left = self.leaving.range(first..).map(|(left, _)| left);
            let left = left.take_while(|(whose, _)| whose == host);
            sessions.extend(left.cloned().map(Session::Left));
        }
        if sessions.is_empty() {
            return Err(MagCounter::UnknownHost);
        }
        sessions.retain(|it| self.list_entry(it).is_some_and(|list| list.lma == lma));
        if sessions.is_empty() {
            return Err(MagCounter::WrongAnchor);
        }
        Ok(sessions)
    }

    pub(super) fn list_entry(&self, session: &Session) -> Option<&ListEntry> {
        Some(match session {
            Session::Here(link) => &self.visitors.get(link)?.registration.as_ref()?.list,
            Session::Left(left) => &self.leaving.get(left)?.list,
        })
    }

    /// Whose update an acknowledgement answers: of several sessions of a host, that of the interface
    /// which it names, or else that with its sequence number.
    fn target(
        &self,
        host: &MnIdentifier,
        from: Ipv6Addr,
        link_layer: Option<&[u8]>,
        sequence: u16,
    ) -> Result<Session, MagCounter> {
        let mut sessions = self.sessions_of(host, from)?;
        let of_interface = |session: &Session| {
            let list = self.list_entry(session);
            list.is_some_and(|list| link_layer == Some(&list.link.mac.0[..]))
        };
        let sent = |session: &Session| {
            let update = self.list_entry(session).and_then(|it| it.update.as_ref());
            update.is_some_and(|update| update.transmission(sequence).is_some())
        };
        let place = sessions.iter().position(of_interface);
        let place = place.or_else(|| sessions.iter().position(sent));
        Ok(sessions.swap_remove(place.unwrap_or(0)))
    }

    fn outstanding(&self, target: &Session) -> Option<(&ListEntry, &Update)> {
        let entry = self.list_entry(target)?;
        Some((entry, entry.update.as_deref()?))
    }

    /// The anchor does not echo what it was told: no update goes out until the operator acts
    /// (rule 6). A binding that stands lives until its lifetime is over.
    fn stop_updating(&mut self, target: &Session, effects: &mut Vec<Effect>) {
        match target {
            &Session::Here(link) => {
                let visitor = self.visitors.get_mut(&link);
                let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) else {
                    return;
                };
                registration.list.update = None;
                registration.halted = true;
                if registration.bound.is_none() {
                    return self.give_up(link, "its anchor garbles what it is told", effects);
                }
                for timer in [Timer::Retransmit { link }, Timer::Refresh { link }] {
                    effects.push(Effect::CancelTimer { timer });
                }
            }
            Session::Left(left) => {
                self.forget_left(left, effects);
            }
        }
    }

    /// A host is not served until the operator acts.
    pub(super) fn give_up(&mut self, link: HostLink, why: &str, effects: &mut Vec<Effect>) {
        if let Some(visitor) = self.visitors.get_mut(&link) {
            if let Some(registration) = visitor.registration.take() {
                self.by_identifier
                    .remove(&registration.list.mn_identifier, link);
                super::leave::cancel_timers(link, effects);
                effects.push(Effect::Unwatch { link });
            }
        }
        self.core.counters.add(MagCounter::RefusedByAnchor);
        self.refuse(link, why.to_owned(), Hold::UntilToldOtherwise, effects);
    }

    /// The anchor accepted the registration of a host that is here (rules 12 to 14).
    #[allow(clippy::too_many_arguments)]
    fn accepted(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        link: HostLink,
        sent: Transmission,
        answer: &BindingAcknowledgement,
        options: &ProxyOptions<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let visitor = self.visitors.get(&link);
        let Some(registered) = visitor.and_then(|v| v.registration.as_ref()) else {
            return;
        };
        let (list, domain) = (&registered.list, registered.profile.domain);
        let mut prefixes = options.named_prefixes();
        prefixes.retain(|prefix| list.ipv6 && prefix.length > 0 && prefix.is_well_formed());
        let service = ipv4::given(options).filter(|_| list.ipv4.is_some());
        if prefixes.is_empty() && service.is_none() || answer.lifetime == Lifetime::ZERO {
            return self.ignore(from, MagCounter::WithoutPrefix, effects);
        }
        let addresses = service.map(|service| BoundPrefix::ipv4(domain, service.address));
        let delegated = delegated::given(list, options);
        let given: Vec<BoundPrefix> = prefixes
            .iter()
            .chain(&delegated)
            .copied()
            .map(BoundPrefix::V6)
            .chain(addresses)
            .collect();
        if !self.make_room(now, link, &given, effects) {
            return;
        }
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let Some(registration) = visitor.registration.as_mut() else {
            return;
        };
        let Some(update) = registration.list.update.take() else {
            return;
        };
        let was_bound = registration.bound.is_some();
        if !was_bound {
            self.peers.share(&self.core.config.heartbeat, from, effects);
        }
        let before = registration.bound_prefixes();
        let links_own = |bound: &[BoundPrefix], but: &[HomeNetworkPrefix]| {
            let mut own = v6(bound);
            own.retain(|prefix| !but.contains(prefix));
            own
        };
        let was_delegated = registration.delegated.clone();
        registration.prefixes = prefixes;
        registration.delegated.clone_from(&delegated);
        // An update may be to come that says more.
        if !registration.untold && registration.list.drops_delegated(&delegated) {
            self.core.counters.add(MagCounter::DelegationsRefused);
            effects.push(registration.list.delegation_refused(answer.status));
        }
        registration.list.is_told_delegated(delegated);
        let served = std::mem::replace(&mut registration.ipv4, service);
        if let Some(service) = service {
            registration.list.ipv4 = Some(Ipv4HomeAddress {
                address: service.address,
                prefix_length: service.prefix_length,
            });
        }
        let carried = registration.list.carried(options);
        let carried = std::mem::replace(&mut registration.encapsulation, carried);
        let rebound = carried != registration.encapsulation;
        let tunnel = registration.tunnel(&self.core.config);
        let (mut fresh, mut gone) = (Vec::new(), Vec::new());
        for prefix in registration.bound_prefixes() {
            let new = !was_bound || !before.contains(&prefix);
            if new || rebound {
                let path = registration.path(&self.core.config, prefix);
                effects.push(Effect::Bind { prefix, path });
            }
            if new {
                self.by_prefix.insert(prefix, link);
                fresh.push(prefix);
            }
        }
        if was_bound {
            gone.extend(before.into_iter().filter(|prefix| !given.contains(prefix)));
        }
        for &prefix in &gone {
            self.by_prefix.remove(&prefix);
            effects.push(Effect::Unbind { prefix });
        }
        if !was_bound || served != service {
            let had = served.filter(|_| was_bound && service.is_none());
            effects.extend(had.map(|_| Effect::ServeIpv4 {
                link,
                service: None,
            }));
            effects.extend(registration.serve_ipv4(true));
        }
        if let Some(service) = service.filter(|_| !was_bound && !registration.list.ipv6) {
            effects.push(Effect::Watch {
                link,
                address: Some(service.address.into()),
            });
        }
        // The lifetime counts from the sending of the update (RFC 6275 section 11.7.3).
        let lifetime = answer.lifetime.min(update.lifetime);
        let percent = u32::from(self.core.config.refresh_percent.clamp(1, 100));
        let whole = Duration::from_secs(lifetime.as_secs().into());
        let advised = options.refresh_advice.filter(|&a| a != Lifetime::ZERO);
        let advised = advised.map_or(whole, |a| Duration::from_secs(a.as_secs().into()));
        let after = (whole * percent / 100).min(advised);
        let jitter = crate::backoff::fraction(&mut self.core.rng, after / 16);
        let bound = Bound {
            since: now.monotonic,
            refresh: sent.at + after - jitter,
            expiry: sent.at + whole,
        };
        registration.bound = Some(bound);
        registration.accepted = registration.accepted.max(sent.timestamp);
        registration.doubted = false;
        registration.presence = Presence::default();
        registration.list.missing = false;
        // A host that came up after the update had gone out may have been elsewhere in between, and
        // the anchor have heard of that later: it is told once more.
        registration.arrived = registration.arrived.filter(|&at| at > sent.at);
        let next = match registration.arrived {
            Some(_) => bound.since + self.core.config.initial_bindack_timeout,
            None => bound.refresh,
        };
        effects.extend(registration.store(now, &visitor.host));
        effects.push(Effect::CancelTimer {
            timer: Timer::Retransmit { link },
        });
        effects.push(Effect::SetTimer {
            timer: Timer::Refresh { link },
            after: next.saturating_sub(now.monotonic),
        });
        effects.push(Effect::SetTimer {
            timer: Timer::VisitorExpiry { link },
            after: bound.expiry.saturating_sub(now.monotonic),
        });
        // What is delegated is advertised by the host.
        let lost = links_own(&gone, &was_delegated);
        if !links_own(&fresh, &registration.delegated).is_empty() || !lost.is_empty() {
            let core = &mut self.core;
            let host = &mut visitor.host;
            host.advertise(now.monotonic, core, registration, &lost, effects);
        }
        self.core.counters.add(match (was_bound, gone.is_empty()) {
            (false, _) => MagCounter::Registered,
            (true, true) => MagCounter::Refreshed,
            (true, false) => MagCounter::PrefixesChanged,
        });
        let mn_identifier = registration.list.mn_identifier.clone();
        if !registration.announced {
            registration.announced = true;
            self.core.counters.add(MagCounter::HostsAttached);
            let mn_identifier = mn_identifier.clone();
            let notice = Notice::Attached {
                link,
                mn_identifier,
            };
            effects.push(Effect::Notify { notice });
        }
        let announces = !fresh.is_empty();
        for prefix in fresh {
            let mn_identifier = mn_identifier.clone();
            let notice = Notice::BindingUp {
                mn_identifier,
                prefix,
                tunnel,
            };
            effects.push(Effect::Notify { notice });
        }
        let changed = announces || !gone.is_empty();
        effects.extend(gone.into_iter().map(|p| registration.binding_down(p)));
        if changed {
            self.review(link, effects);
        }
        self.tell_untold(now, link, effects);
    }

    /// Makes the prefixes that an anchor gave available: a host that has one of them here has lost
    /// it there. False: there is no room, and the host has been refused.
    fn make_room(
        &mut self,
        now: Now,
        link: HostLink,
        prefixes: &[BoundPrefix],
        effects: &mut Vec<Effect>,
    ) -> bool {
        let holder = |prefix| self.by_prefix.get(prefix).copied();
        let mut losers: Vec<HostLink> = prefixes.iter().filter_map(holder).collect();
        losers.retain(|&loser| loser != link);
        losers.sort_unstable();
        losers.dedup();
        let taking_over = self.is_taking_over(link);
        for loser in losers {
            if taking_over && self.registered_on(loser) == self.registered_on(link) {
                self.taken_from(now, loser, effects);
                continue;
            }
            self.lose_binding(now, loser, effects);
            let visitor = self.visitors.get_mut(&loser);
            if let Some(registration) = visitor.and_then(|v| v.registration.as_mut()) {
                registration.prefixes.clear();
                registration.list.ipv4 = registration.list.ipv4.map(|_| ipv4::ANY);
                let attaching = registration.attaching();
                let lifetime = self.core.lifetime();
                let list = &mut registration.list;
                self.core
                    .begin(now, list, attaching, lifetime, Vec::new(), effects);
            }
        }
        let visitor = self.visitors.get(&link);
        let registration = visitor.and_then(|v| v.registration.as_ref());
        let has = registration
            .filter(|r| r.bound.is_some())
            .map_or(0, |r| r.bound_prefixes().len());
        let others = self.by_prefix.len().saturating_sub(has);
        if others + prefixes.len() <= self.core.config.capacity {
            return true;
        }
        self.core.counters.add(MagCounter::RefusedNoRoom);
        self.end_registration(now, link, effects);
        let hold = Hold::Until(now.monotonic + self.core.config.refusal_hold);
        let why = "its anchor gave it more prefixes than there is room for".to_owned();
        self.refuse(link, why, hold, effects);
        false
    }

    /// The anchor asks for a refresh (RFC 6275 section 11.7.4).
    pub(super) fn on_refresh_request(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        request: &BindingRefreshRequest,
        effects: &mut Vec<Effect>,
    ) {
        let options = ProxyOptions::read(&request.options);
        let Some(host) = options.mn_identifier else {
            return self.ignore(from, MagCounter::WithoutIdentifier, effects);
        };
        // Of all sessions of the host, unless it names an interface.
        let named = |link: &HostLink| options.link_layer.is_none_or(|id| id == link.mac.0);
        let sessions = match self.sessions_of(host, from) {
            Ok(sessions) => sessions,
            Err(why) => return self.ignore(from, why, effects),
        };
        let links: Vec<HostLink> = sessions
            .into_iter()
            .filter_map(|session| match session {
                Session::Here(link) => Some(link).filter(named),
                Session::Left(_) => None,
            })
            .collect();
        if links.is_empty() {
            return self.ignore(from, MagCounter::UnknownHost, effects);
        }
        self.core.counters.add(MagCounter::RefreshRequests);
        for link in links {
            self.extend(now, link, effects);
        }
    }
}

/// The home network prefixes among what is bound.
fn v6(bound: &[BoundPrefix]) -> Vec<HomeNetworkPrefix> {
    let prefixes = bound.iter().filter_map(|bound| match bound {
        BoundPrefix::V6(prefix) => Some(*prefix),
        BoundPrefix::V4(_) | BoundPrefix::V4In(_) => None,
    });
    prefixes.collect()
}
