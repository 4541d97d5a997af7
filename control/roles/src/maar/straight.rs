//! What the gateway that a host is with and the host's anchors tell each other straight, where there is no
//! database: updates that a host has come, that it is still there and that it is gone, and the answers,
//! which come from the anchors' own addresses (sections 4.2 and 5.2 of the draft).
//!
//! An update that tells of an arrival says when the host came, however often it is sent: so an anchor
//! knows which of two gateways had the host last, whatever the order in which they reach it.

use super::acknowledge::Received;
use super::books::Told;
use super::counters::MaarCounter;
use super::discovery::FoundBy;
use super::node::Node;
use super::update::{Core, Subject};
use super::Maar;
use crate::effect::{Effect, Notice};
use crate::event::NodeTimer;
use crate::outstanding::{Transmission, Update};
use crate::Now;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier, Status};

/// Which update an answer is to.
enum Answers {
    Sought(Transmission),
    Renewal(Transmission),
    Release(Transmission),
}

/// What becomes of a prefix by an answer of its anchor.
enum Verdict {
    Accepted,
    /// Its anchor does not lead it to this host, and will not.
    Unknown,
    /// The host has come to another gateway since.
    Elsewhere,
    /// It is to be asked again later.
    Later,
}

impl Verdict {
    fn of(status: Status) -> Self {
        match status {
            status if status.is_accepted() => Self::Accepted,
            Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED | Status::ADMINISTRATIVELY_PROHIBITED => {
                Self::Elsewhere
            }
            Status::UNSPECIFIED | Status::INSUFFICIENT_RESOURCES | Status::TIMESTAMP_MISMATCH => {
                Self::Later
            }
            _ => Self::Unknown,
        }
    }
}

impl Core {
    /// Writes to the anchor of a prefix that is sought, or renewed.
    pub(super) fn tell_anchor(
        &mut self,
        now: Now,
        node: &mut Node,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let mut subject = Subject {
            mn_identifier: &node.mn_identifier,
            link: Some(visit.link),
            what: NodeTimer::Anchor { prefix },
            to: None,
            came: None,
        };
        let mut sought = visit.search.sought.iter_mut();
        if let Some(sought) = sought.find(|it| it.prefix == prefix) {
            subject.to = Some(sought.to);
            subject.came = Some(visit.came);
            return self.send(now, &subject, &mut sought.rate, &mut sought.update, effects);
        }
        let mut previous = visit.previous.iter_mut();
        let Some(previous) = previous.find(|it| it.prefix == prefix) else {
            return;
        };
        subject.to = Some(previous.anchor);
        if let Some(update) = previous.renewal.as_mut() {
            let arrival = update.handoff != HandoffIndicator::NOT_CHANGED;
            subject.came = Some(visit.came).filter(|_| arrival);
            self.send(now, &subject, &mut previous.rate, update, effects);
        }
    }
}

impl Node {
    /// What a message of an anchor answers.
    fn straight(&self, from: Ipv6Addr, sequence: u16) -> Option<(HomeNetworkPrefix, Answers)> {
        let visit = self.visit.as_ref()?;
        let sought = visit.search.sought.iter();
        // Only who is written to at an address that is not its own answers from another.
        let mut sought = sought.filter(|it| it.found == FoundBy::Constructed || it.to == from);
        let sought = sought.find_map(|it| {
            let sent = it.update.transmission(sequence)?;
            Some((it.prefix, Answers::Sought(sent)))
        });
        let mut previous = visit.previous.iter().filter(|it| it.anchor == from);
        sought.or_else(|| {
            previous.find_map(|it| {
                let sent = |update: &Option<Update>| update.as_ref()?.transmission(sequence);
                let renewal = sent(&it.renewal).map(Answers::Renewal);
                let answers = renewal.or_else(|| sent(&it.release).map(Answers::Release))?;
                Some((it.prefix, answers))
            })
        })
    }
}

impl Maar {
    /// Another gateway answers.
    pub(super) fn answered_straight(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        host: &MnIdentifier,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        if !self.core.config.is_gateway(from) {
            return Err(MaarCounter::AcknowledgementByStranger);
        }
        let answer = received.answer;
        if self.farewell_answered(from, host, answer.sequence, effects) {
            return Ok(());
        }
        let node = self.nodes.get(host).ok_or(MaarCounter::UnknownHost)?;
        let answers = node.straight(from, answer.sequence);
        let (prefix, answers) = answers.ok_or(MaarCounter::NoMatchingUpdate)?;
        let (Answers::Sought(sent) | Answers::Renewal(sent) | Answers::Release(sent)) = &answers;
        let verdict = Verdict::of(answer.status);
        let stamp = received.options.timestamp;
        if matches!(verdict, Verdict::Accepted) && stamp != sent.timestamp {
            return Err(MaarCounter::WrongTimestamp);
        }
        let named = received.options.named_prefixes();
        if matches!(verdict, Verdict::Accepted) && !named.contains(&prefix) {
            return Err(MaarCounter::EchoMismatch);
        }
        effects.push(Effect::Notify {
            notice: Notice::AcknowledgementReceived {
                mn_identifier: host.clone(),
                status: answer.status,
                round_trip: now.monotonic.saturating_sub(sent.at),
            },
        });
        let timer = NodeTimer::Anchor { prefix };
        match (answers, verdict) {
            (Answers::Release(_), Verdict::Later) => {}
            (Answers::Release(_), verdict) => {
                let status = match verdict {
                    // What its anchor does not know has come to its end too.
                    Verdict::Unknown => Status::ACCEPTED,
                    _ => answer.status,
                };
                self.released(now, host, prefix, status, effects);
            }
            (Answers::Sought(_) | Answers::Renewal(_), Verdict::Later) => {
                self.later(host, prefix, effects);
            }
            (Answers::Sought(_), Verdict::Accepted) => {
                if answer.lifetime == Lifetime::ZERO {
                    return Err(MaarCounter::WithoutPrefix);
                }
                let told = Told {
                    anchor: from,
                    prefix,
                    router: received.anchors.router,
                    found: FoundBy::Constructed,
                };
                self.led_here(now, host, told, effects);
            }
            (Answers::Renewal(_), Verdict::Accepted) => {
                effects.push(super::node::cancel(host, timer));
                self.core.counters.add(MaarCounter::Refreshed);
                self.learn(now, prefix, from);
                if let Some(node) = self.nodes.get_mut(host) {
                    let mut previous = node.visit.iter_mut().flat_map(|it| &mut it.previous);
                    if let Some(previous) = previous.find(|it| it.prefix == prefix) {
                        previous.renewal = None;
                    }
                }
            }
            (Answers::Sought(_), verdict) => {
                effects.push(super::node::cancel(host, timer));
                self.count(match verdict {
                    Verdict::Elsewhere => MaarCounter::AnchorsElsewhere,
                    _ => MaarCounter::AnchorsUnknowing,
                });
                let tell = matches!(verdict, Verdict::Unknown);
                self.give_up_sought(now, host, prefix, tell, effects);
                if matches!(verdict, Verdict::Elsewhere) {
                    self.doubt(host, effects);
                }
            }
            (Answers::Renewal(_), verdict) => {
                effects.push(super::node::cancel(host, timer));
                self.count(match verdict {
                    Verdict::Elsewhere => MaarCounter::AnchorsElsewhere,
                    _ => MaarCounter::AnchorsUnknowing,
                });
                self.learned.forget(prefix);
                self.drop_previous(now, host, &[prefix], effects);
            }
        }
        Ok(())
    }

    /// An anchor leads its prefix here: so do we, and remember where it answers from (S2-45, S2-52).
    fn led_here(&mut self, now: Now, host: &MnIdentifier, told: Told, effects: &mut Vec<Effect>) {
        let prefix = told.prefix;
        effects.push(super::node::cancel(host, NodeTimer::Anchor { prefix }));
        self.learn(now, prefix, told.anchor);
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let sought = &mut visit.search.sought;
        let at = sought.iter().position(|it| it.prefix == prefix);
        let (found, rate) = match at.map(|at| sought.remove(at)) {
            Some(sought) => (sought.found, Some(sought.rate)),
            None => (told.found, None),
        };
        let waits = visit.search.waits;
        let told = Told { found, ..told };
        let changed = self.books.add_previous(&mut self.core, node, told, effects);
        let mut previous = node.visit.iter_mut().flat_map(|it| &mut it.previous);
        let led = previous.find(|it| it.prefix == prefix);
        if let (Some(led), Some(rate)) = (led, rate) {
            // It has been written to already.
            led.rate = rate;
        }
        if changed {
            effects.extend(node.store(now));
        }
        if changed && !waits {
            self.core.counters.add(MaarCounter::AnchorsLate);
            self.core.advertise(now.monotonic, node, &[], effects);
        }
        self.searched(now, host, effects);
    }

    pub(super) fn constructed(&self, prefix: HomeNetworkPrefix) -> Option<Ipv6Addr> {
        let distributed = self.core.config.distributed();
        distributed.map(|it| it.constructed(prefix))
    }

    fn learn(&mut self, now: Now, prefix: HomeNetworkPrefix, anchor: Ipv6Addr) {
        let Some(distributed) = self.core.config.distributed() else {
            return;
        };
        let (most, age) = (distributed.learned, distributed.learned_for);
        if self.learned.find(now.monotonic, age, prefix) != Some(anchor) {
            self.core.counters.add(MaarCounter::AnchorsLearned);
        }
        self.learned.learn(now.monotonic, most, prefix, anchor);
    }

    /// An anchor asks for patience.
    fn later(&mut self, host: &MnIdentifier, prefix: HomeNetworkPrefix, effects: &mut Vec<Effect>) {
        self.count(MaarCounter::RefusedTransient);
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let sought = visit.search.sought.iter_mut();
        let sought = sought
            .filter(|it| it.prefix == prefix)
            .map(|it| &mut it.update);
        let previous = visit.previous.iter_mut().filter(|it| it.prefix == prefix);
        let renewal = previous.filter_map(|it| it.renewal.as_mut());
        if let Some(update) = sought.chain(renewal).next() {
            update.backoff.slow_down();
            let after = update.backoff.step(&mut self.core.rng);
            effects.push(node.set(NodeTimer::Anchor { prefix }, after));
        }
    }

    /// Nobody leads a prefix here that a host was found to have; `tell`: the host hears of it.
    fn give_up_sought(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        tell: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.learned.forget(prefix);
        let visit = self.nodes.get_mut(host).and_then(|it| it.visit.as_mut());
        if let Some(visit) = visit {
            visit.search.sought.retain(|it| it.prefix != prefix);
            if tell {
                visit.search.gone.push((prefix, None));
            }
        }
        self.searched(now, host, effects);
    }

    /// An anchor has not answered: writes to it again, or gives up what it anchors.
    pub(super) fn on_anchor_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        if self.farewells.contains_key(&(host.clone(), prefix)) {
            return self.say_farewell(now, host, prefix, effects);
        }
        let Some(distributed) = self.core.config.distributed() else {
            return;
        };
        let (most, constructed) = (distributed.transmissions, distributed.constructed(prefix));
        let lifetime = self.core.config.lifetime;
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let mut sought = visit.search.sought.iter_mut();
        if let Some(sought) = sought.find(|it| it.prefix == prefix) {
            if sought.update.transmissions >= most {
                self.core.counters.add(MaarCounter::AnchorsSilent);
                return self.give_up_sought(now, host, prefix, true, effects);
            }
            if sought.found == FoundBy::Learned && sought.update.transmissions >= 2 {
                // It may have another address by now.
                sought.found = FoundBy::Constructed;
                sought.to = constructed;
                self.core.counters.add(MaarCounter::AnchorsConstructed);
                self.learned.forget(prefix);
            }
            return self.core.tell_anchor(now, node, prefix, effects);
        }
        let renewed = visit.previous.iter().find(|it| it.prefix == prefix);
        let Some(update) = renewed.and_then(|it| it.renewal.as_ref()) else {
            return;
        };
        let first = update.first.unwrap_or(now.monotonic);
        if now.monotonic.saturating_sub(first) >= lifetime {
            self.core.counters.add(MaarCounter::AnchorsSilent);
            self.learned.forget(prefix);
            return self.drop_previous(now, host, &[prefix], effects);
        }
        self.core.tell_anchor(now, node, prefix, effects);
    }

    /// Tells all anchors of a host that it is still here, or has come anew, and lets its own binding
    /// last.
    pub(super) fn renew(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        handoff: HandoffIndicator,
        effects: &mut Vec<Effect>,
    ) {
        let lifetime = self.core.lifetime();
        let bound = self.core.bound(now, now.monotonic, lifetime, false);
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        visit.bound = Some(bound);
        let mut prefixes = Vec::new();
        for previous in &mut visit.previous {
            let told = previous.renewal.as_ref().map(|update| update.handoff);
            if previous.release.is_none() && (told.is_none() || told != Some(handoff)) {
                previous.renewal = Some(self.core.fresh(handoff, lifetime, previous.prefix));
                prefixes.push(previous.prefix);
            }
        }
        effects.extend(node.store(now));
        let after = bound.refresh.saturating_sub(now.monotonic);
        effects.push(node.set(NodeTimer::Refresh, after));
        for prefix in prefixes {
            self.core.tell_anchor(now, node, prefix, effects);
        }
    }

    /// Stops telling the anchors of a host anything, and looking for more.
    pub(super) fn hush(&mut self, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        node.cancel_search(effects);
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        visit.search = Default::default();
        let mut hushed = Vec::new();
        for previous in &mut visit.previous {
            if previous.renewal.take().is_some() {
                hushed.push(previous.prefix);
            }
        }
        for prefix in hushed {
            effects.push(node.cancel(NodeTimer::Anchor { prefix }));
        }
    }

    /// How long ago an update may have been made that tells of an arrival.
    pub(super) fn update_age(&self) -> Duration {
        let distributed = self.core.config.distributed();
        distributed.map_or(Duration::ZERO, |it| it.update_age)
    }
}
