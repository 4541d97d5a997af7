//! Proxy Binding Updates to the database: registrations, refreshes, and what lets go of a host or of
//! one prefix (RFC 8885 sections 3.1, 3.5 and 3.6, RFC 5213 section 6.9.4).

use super::config::MaarConfig;
use super::counters::MaarCounter;
use super::node::{timer, ListEntry, Node};
use crate::backoff::{Backoff, RateLimit};
use crate::counters::Counters;
use crate::effect::{Effect, LogicalRouter, Notice};
use crate::event::{HostLink, NodeTimer};
use crate::lifetime::in_units;
use crate::outstanding::{Transmission, Update};
use crate::pace::Pace;
use crate::presence::ANSWER;
use crate::timestamp::Stamper;
use crate::Now;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{
    BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, Message, MnIdentifier,
    MobilityOption, NtpTime, UpdateFlags,
};

/// What all hosts of a gateway share.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) config: MaarConfig,
    pub(super) counters: Counters<MaarCounter>,
    pub(super) rng: StdRng,
    sequence: u16,
    stamper: Stamper,
    pub(super) pace: Pace,
}

/// Whom an update is about.
pub(super) struct Subject<'a> {
    pub(super) mn_identifier: &'a MnIdentifier,
    pub(super) link: Option<HostLink>,
    pub(super) what: NodeTimer,
    /// Where it goes; none: to the database.
    pub(super) to: Option<Ipv6Addr>,
    /// When its host came, if that is what it tells; else it tells when it is sent.
    pub(super) came: Option<Duration>,
}

impl Core {
    pub(super) fn new(config: MaarConfig) -> Self {
        let mut rng = StdRng::seed_from_u64(config.seed);
        Self {
            counters: Counters::new(),
            sequence: rng.random(),
            stamper: Stamper::default(),
            pace: Pace::new(config.pacing_rate, config.pacing_burst),
            rng,
            config,
        }
    }

    /// The lifetime to ask for.
    pub(super) fn lifetime(&self) -> Lifetime {
        in_units(self.config.lifetime)
    }

    /// How hosts on a link see us, where each anchor is a router of its own.
    pub(super) fn router(&self, link: HostLink) -> Option<LogicalRouter> {
        self.config.routers.get(&link.interface).copied()
    }

    /// A fresh update about these prefixes.
    pub(super) fn fresh(
        &self,
        handoff: HandoffIndicator,
        lifetime: Lifetime,
        prefix: HomeNetworkPrefix,
    ) -> Update {
        let config = &self.config;
        let backoff = Backoff::new(config.initial_bindack_timeout, config.max_bindack_timeout);
        Update::new(handoff, lifetime, vec![prefix], backoff)
    }

    /// Tells the database that a host is here, or still is, in the place of what it is being told.
    pub(super) fn register(
        &mut self,
        now: Now,
        node: &mut Node,
        handoff: HandoffIndicator,
        effects: &mut Vec<Effect>,
    ) {
        let lifetime = self.lifetime();
        node.list.update = Some(self.fresh(handoff, lifetime, node.prefix));
        self.transmit(now, node, effects);
    }

    /// Tells the database of a host, or tells it again, once the host has shown that it is still here
    /// (RFC 5213 section 6.9.4): it may have gone on, and what is sent now is newer than what another
    /// gateway has said since. At once, where nothing is known of it that it could be asked by.
    pub(super) fn assert(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        match visit.presence.ask(visit.link, visit.link_local) {
            Some(question) => effects.push(question),
            None => self.tell_again(now, node, effects),
        }
    }

    /// Tells the database that a host is here: what it is being told of it, or anew.
    pub(super) fn tell_again(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        let unknown = HandoffIndicator::UNKNOWN;
        let update = node.list.update.as_ref();
        match update.is_some_and(|update| update.handoff == unknown) {
            true => self.transmit(now, node, effects),
            false => self.register(now, node, unknown, effects),
        }
    }

    /// Tells the database of a host that an anchor was the first to accept, if the host is still here.
    pub(super) fn ask_database(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        effects.push(node.set(NodeTimer::Refresh, ANSWER));
        self.assert(now, node, effects);
    }

    /// An update is not acknowledged yet: sends it again. A refresh moves nobody; that a host has come
    /// is said again of one that is still here.
    pub(super) fn retransmit(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        let update = node.list.update.as_ref();
        if !update.is_some_and(Update::moves) || node.visit.is_none() {
            return self.transmit(now, node, effects);
        }
        effects.push(node.set(NodeTimer::Retransmit, ANSWER));
        self.assert(now, node, effects);
    }

    /// Tells the database that a prefix of ours is to end, by itself or with all that its host has.
    pub(super) fn deregister(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        let unknown = HandoffIndicator::UNKNOWN;
        node.list.update = Some(self.fresh(unknown, Lifetime::ZERO, node.prefix));
        self.transmit(now, node, effects);
    }

    /// Sends the outstanding update of a host, and starts the timer after which it is sent again.
    pub(super) fn transmit(&mut self, now: Now, node: &mut Node, effects: &mut Vec<Effect>) {
        let subject = Subject {
            mn_identifier: &node.mn_identifier,
            link: node.visit.as_ref().map(|visit| visit.link),
            what: NodeTimer::Retransmit,
            to: None,
            came: None,
        };
        let ListEntry { rate, update, .. } = &mut node.list;
        if let Some(update) = update {
            self.send(now, &subject, rate, update, effects);
        }
    }

    /// Tells the database, or its anchor, that a prefix of another anchor is no longer needed here (S2-19).
    pub(super) fn release(
        &mut self,
        now: Now,
        node: &mut Node,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        let unknown = HandoffIndicator::UNKNOWN;
        let fresh = self.fresh(unknown, Lifetime::ZERO, prefix);
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let mut previous = visit.previous.iter_mut();
        let Some(previous) = previous.find(|it| it.prefix == prefix) else {
            return;
        };
        let subject = Subject {
            mn_identifier: &node.mn_identifier,
            link: Some(visit.link),
            what: NodeTimer::Release { prefix },
            to: self.config.distributed().map(|_| previous.anchor),
            came: None,
        };
        let rate = match subject.to {
            Some(_) => &mut previous.rate,
            None => &mut node.list.rate,
        };
        let update = previous.release.get_or_insert(fresh);
        self.send(now, &subject, rate, update, effects);
    }

    /// Sends an update, with the latest timestamp and a new sequence number. Above MAX_UPDATE_RATE, or to
    /// an anchor before its turn has come, it only starts the timer.
    pub(super) fn send(
        &mut self,
        now: Now,
        subject: &Subject<'_>,
        rate: &mut RateLimit,
        update: &mut Update,
        effects: &mut Vec<Effect>,
    ) {
        let Some(to) = subject.to.or(self.config.cmd()) else {
            return;
        };
        let timer = timer(subject.mn_identifier, subject.what);
        let most = self.config.max_update_rate;
        if let Some(after) = rate.wait(now.monotonic, most) {
            self.counters.add(MaarCounter::UpdatesDelayed);
            return effects.push(Effect::SetTimer { timer, after });
        }
        if subject.to.is_some() {
            if let Err(after) = self.pace.pass(now.monotonic, &mut update.turn) {
                self.counters.add(MaarCounter::UpdatesPaced);
                return effects.push(Effect::SetTimer { timer, after });
            }
        }
        rate.note(now.monotonic);
        self.sequence = self.sequence.wrapping_add(1);
        let sending = Transmission {
            sequence: self.sequence,
            at: now.monotonic,
            timestamp: Some(match subject.came {
                Some(came) => NtpTime::from_unix(came),
                None => self.stamper.stamp(now),
            }),
        };
        if update.goes_out(sending) {
            self.counters.add(MaarCounter::UpdatesRetransmitted);
        }
        self.counters.add(MaarCounter::UpdatesSent);
        let after = update.backoff.step(&mut self.rng);
        effects.push(Effect::Send {
            from: self.config.address,
            to,
            message: self.message(subject, update, sending),
        });
        effects.push(Effect::SetTimer { timer, after });
        effects.push(Effect::Notify {
            notice: Notice::UpdateSent {
                mn_identifier: subject.mn_identifier.clone(),
                lma: to,
                sequence: sending.sequence,
                lifetime_secs: update.lifetime.as_secs(),
            },
        });
    }

    /// Waits as long as there may be between two sendings, and then sends again.
    pub(super) fn retry_late(&mut self, node: &mut Node, effects: &mut Vec<Effect>) {
        if let Some(update) = node.list.update.as_mut() {
            update.backoff.slow_down();
            let after = update.backoff.step(&mut self.rng);
            effects.push(node.set(NodeTimer::Retransmit, after));
        }
    }

    fn message(&self, subject: &Subject<'_>, update: &Update, sending: Transmission) -> Message {
        let mut options = vec![MobilityOption::MnIdentifier(subject.mn_identifier.clone())];
        let prefixes = update.prefixes.iter().copied();
        options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
        options.push(MobilityOption::HandoffIndicator(update.handoff));
        let technology = self.config.access_technology;
        options.push(MobilityOption::AccessTechnology(technology));
        options.extend(sending.timestamp.map(MobilityOption::Timestamp));
        if let Some(link) = subject.link {
            let mac = link.mac.0.to_vec();
            options.push(MobilityOption::MnLinkLayerIdentifier(mac));
            // A database that answers for us, as a proxy does, can tell this only if it knows it.
            let router = self
                .router(link)
                .filter(|_| update.lifetime != Lifetime::ZERO && subject.to.is_none());
            options.extend(router.into_iter().flat_map(LogicalRouter::options));
        }
        Message::BindingUpdate(BindingUpdate {
            sequence: sending.sequence,
            // H as well: without it, a home agent's rules take the update for a correspondent
            // registration (RFC 6275 section 9.5.1).
            flags: UpdateFlags::PROXY
                .with(UpdateFlags::ACKNOWLEDGE)
                .with(UpdateFlags::HOME_REGISTRATION)
                .with(UpdateFlags::DISTRIBUTED),
            lifetime: update.lifetime,
            options,
        })
    }
}
