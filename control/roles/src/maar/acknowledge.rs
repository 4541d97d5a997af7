//! Proxy Binding Acknowledgements: of the database, and of other anchors straight (RFC 8885 sections
//! 3.1 to 3.5).

use super::accepted::{accepted, Granted};
use super::anchors::Anchors;
use super::books::Told;
use super::counters::MaarCounter;
use super::discovery::FoundBy;
use super::node::Node;
use super::Maar;
use crate::effect::{Effect, Notice};
use crate::event::NodeTimer;
use crate::message::ProxyOptions;
use crate::outstanding::Transmission;
use crate::Now;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, HomeNetworkPrefix, Lifetime, MnIdentifier,
    NtpTime, Status,
};

/// How far the database's clock may be from ours for its timestamp mismatch to mean that the update
/// was late: the default of TimestampValidityWindow (RFC 5213 section 9.3).
const CLOCKS_AGREE: Duration = Duration::from_millis(300);

/// What an acknowledgement answers.
enum Answers {
    /// What the database is being told of a host.
    Update(Transmission),
    /// What it has accepted a short time ago.
    Settled(Transmission),
    /// That a prefix of another anchor is let go of.
    Release(HomeNetworkPrefix),
}

/// An acknowledgement with its options.
pub(super) struct Received<'a> {
    pub(super) answer: &'a BindingAcknowledgement,
    pub(super) options: ProxyOptions<'a>,
    pub(super) anchors: Anchors,
}

impl Received<'_> {
    /// What it tells of other anchors.
    fn told(&self) -> impl Iterator<Item = Told> + '_ {
        let previous = self.anchors.previous.iter();
        previous.map(|&(previous, router)| Told {
            anchor: previous.address,
            prefix: previous.prefix,
            router,
            found: FoundBy::Database,
        })
    }
}

impl Node {
    /// What of ours an acknowledgement of the database with this sequence number answers.
    fn answered(&self, now: Duration, late: Duration, sequence: u16) -> Option<Answers> {
        let list = &self.list;
        let update = list.update.as_ref();
        if let Some(sent) = update.and_then(|update| update.transmission(sequence)) {
            return Some(Answers::Update(sent));
        }
        let previous = self.visit.iter().flat_map(|visit| &visit.previous);
        for one in previous {
            let release = one.release.as_ref();
            if release.is_some_and(|update| update.transmission(sequence).is_some()) {
                return Some(Answers::Release(one.prefix));
            }
        }
        let (settled, at) = list.settled.as_ref().filter(|(_, at)| *at + late > now)?;
        let _ = at;
        settled.transmission(sequence).map(Answers::Settled)
    }

    /// Whether it is being registered here, or was a short time ago.
    fn is_pending(&self, now: Duration, late: Duration) -> bool {
        let settled = self.list.settled.as_ref();
        self.visit.is_some()
            && (self.list.update.is_some() || settled.is_some_and(|(_, at)| *at + late > now))
    }
}

impl Maar {
    pub(super) fn on_acknowledgement(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        answer: &BindingAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let flags = AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED);
        if !answer.flags.contains(flags) {
            return self.ignore(from, MaarCounter::WithoutProxyFlag, effects);
        }
        let options = ProxyOptions::read(&answer.options);
        let Some(host) = options.mn_identifier.cloned() else {
            return self.ignore(from, MaarCounter::WithoutIdentifier, effects);
        };
        let received = Received {
            answer,
            options,
            anchors: Anchors::read(&answer.options),
        };
        let outcome = if self.core.config.distributed().is_some() {
            self.answered_straight(now, from, &host, &received, effects)
        } else if self.core.config.cmd() == Some(from) {
            self.by_database(now, &host, &received, effects)
        } else if self.core.config.neighbour(from).is_some() {
            self.by_anchor(now, from, &host, &received, effects)
        } else {
            Err(MaarCounter::AcknowledgementByStranger)
        };
        if let Err(why) = outcome {
            self.ignore(from, why, effects);
        }
    }

    /// The database answers.
    fn by_database(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        let sequence = received.answer.sequence;
        if let Some(left) = self.leaving.get(host) {
            let update = left.list.update.as_ref();
            if update.is_some_and(|update| update.transmission(sequence).is_some()) {
                self.left(host, received.answer.status, effects);
                return Ok(());
            }
        }
        let late = self.core.config.late_answers;
        let node = self.nodes.get(host).ok_or(MaarCounter::UnknownHost)?;
        let answers = node.answered(now.monotonic, late, sequence);
        match answers.ok_or(MaarCounter::NoMatchingUpdate)? {
            Answers::Update(sent) => self.answered(now, host, sent, received, effects),
            Answers::Settled(sent) => {
                self.confirmed(now, host, sent, received, effects);
                Ok(())
            }
            Answers::Release(prefix) => {
                self.released(now, host, prefix, received.answer.status, effects);
                Ok(())
            }
        }
    }

    /// The database answers what it is being told.
    fn answered(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        sent: Transmission,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        let node = self.nodes.get_mut(host).ok_or(MaarCounter::UnknownHost)?;
        let update = node.list.update.as_ref();
        let update = update.ok_or(MaarCounter::NoMatchingUpdate)?;
        let (status, lifetime) = (received.answer.status, received.answer.lifetime);
        let minds_clock = matches!(
            status,
            Status::TIMESTAMP_MISMATCH | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        );
        let stamp = received.options.timestamp;
        if stamp.is_some() && stamp != sent.timestamp && !minds_clock {
            return Err(MaarCounter::WrongTimestamp);
        }
        let named = received.options.named_prefixes();
        if !named.is_empty() && !named.contains(&node.prefix) {
            return Err(MaarCounter::EchoMismatch);
        }
        let ending = update.lifetime == Lifetime::ZERO;
        if status.is_accepted() && lifetime == Lifetime::ZERO && !ending {
            return Err(MaarCounter::WithoutPrefix);
        }
        effects.push(Effect::Notify {
            notice: Notice::AcknowledgementReceived {
                mn_identifier: host.clone(),
                status,
                round_trip: now.monotonic - update.first.unwrap_or(now.monotonic),
            },
        });
        if ending {
            self.renewed(now, host, status, lifetime, effects);
        } else if status.is_accepted() {
            let granted = Granted {
                sent: sent.at,
                lifetime: lifetime.min(update.lifetime),
                by_anchor: false,
            };
            let told: Vec<Told> = received.told().collect();
            accepted(
                &mut self.core,
                &mut self.books,
                now,
                node,
                granted,
                &told,
                effects,
            );
        } else {
            let ours = NtpTime::from_unix(now.wall);
            let late = stamp.is_some_and(|theirs| theirs.abs_diff(ours) <= CLOCKS_AGREE);
            self.not_accepted(now, host, status, late, effects);
        }
        Ok(())
    }

    /// More comes in answer to what the database has accepted: answers of anchors that were late, or
    /// its own after that of an anchor (S2-18).
    fn confirmed(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        sent: Transmission,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let answer = received.answer;
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        if !node.is_bound() || !answer.status.is_accepted() || answer.lifetime == Lifetime::ZERO {
            return;
        }
        let mut changed = false;
        for told in received.told() {
            if self.books.add_previous(&mut self.core, node, told, effects) {
                self.core.counters.add(MaarCounter::AnchorsLate);
                changed = true;
            }
        }
        let asked = self.core.lifetime();
        let bound = self
            .core
            .bound(now, sent.at, answer.lifetime.min(asked), false);
        if let Some(visit) = node.visit.as_mut() {
            visit.bound = Some(bound);
        }
        effects.extend(node.store(now));
        effects.push(node.set(
            NodeTimer::Refresh,
            bound.refresh.saturating_sub(now.monotonic),
        ));
        if changed {
            self.core.advertise(now.monotonic, node, &[], effects);
        }
    }

    /// Another anchor says straight that it leads its prefix here (S2-22 to S2-24).
    fn by_anchor(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        host: &MnIdentifier,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MaarCounter> {
        let late = self.core.config.late_answers;
        let node = self.nodes.get_mut(host).ok_or(MaarCounter::UnknownHost)?;
        if !node.is_pending(now.monotonic, late) {
            return Err(MaarCounter::NoMatchingUpdate);
        }
        let answer = received.answer;
        let named = received.options.named_prefixes();
        if !answer.status.is_accepted() || named.is_empty() || answer.lifetime == Lifetime::ZERO {
            return Err(MaarCounter::WithoutPrefix);
        }
        let router = received.anchors.router;
        let told: Vec<Told> = named
            .into_iter()
            .map(|prefix| Told {
                anchor: from,
                prefix,
                router,
                found: FoundBy::Database,
            })
            .collect();
        if !node.is_bound() {
            let first = node.list.update.as_ref();
            let first = first.filter(|update| update.lifetime != Lifetime::ZERO);
            let update = first.ok_or(MaarCounter::NoMatchingUpdate)?;
            let granted = Granted {
                sent: update.first.unwrap_or(now.monotonic),
                lifetime: answer.lifetime.min(update.lifetime),
                by_anchor: true,
            };
            self.core.counters.add(MaarCounter::RegisteredByAnchor);
            accepted(
                &mut self.core,
                &mut self.books,
                now,
                node,
                granted,
                &told,
                effects,
            );
            return Ok(());
        }
        let mut changed = false;
        for told in told {
            changed |= self.books.add_previous(&mut self.core, node, told, effects);
        }
        if changed {
            effects.extend(node.store(now));
            self.core.advertise(now.monotonic, node, &[], effects);
        }
        Ok(())
    }

    /// The database refused a registration or a refresh.
    fn not_accepted(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        status: Status,
        late: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let correctable = matches!(
            status,
            Status::SEQUENCE_OUT_OF_WINDOW | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        ) || (status == Status::TIMESTAMP_MISMATCH && late);
        let transient = matches!(
            status,
            Status::UNSPECIFIED | Status::INSUFFICIENT_RESOURCES | Status::TIMESTAMP_MISMATCH
        );
        if correctable {
            self.core.counters.add(MaarCounter::RefusedCorrectable);
            let again = node.list.update.as_mut().is_some_and(|it| it.correct());
            if again {
                self.core.assert(now, node, effects);
            }
            return;
        }
        if transient {
            self.core.counters.add(MaarCounter::RefusedTransient);
            return self.core.retry_late(node, effects);
        }
        let Some(link) = node.visit.as_ref().map(|visit| visit.link) else {
            return;
        };
        if status == Status::ADMINISTRATIVELY_PROHIBITED && node.is_bound() {
            // It is with another gateway by now; which one, the database says in an update.
            node.list.update = None;
            effects.push(node.cancel(NodeTimer::Retransmit));
            return self.guard(now, host, effects);
        }
        self.count(MaarCounter::RefusedByDatabase);
        self.end(now, host, link, false, effects);
        let why = format!("the database answered {status}");
        self.refuse(now, link, &why, effects);
    }

    /// The database answered a previous anchor that asked it to end its binding (S2-31).
    fn renewed(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        status: Status,
        lifetime: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        if status.is_accepted() && lifetime == Lifetime::ZERO {
            self.count(MaarCounter::PreviousEnded);
            return self.free_previous(host, effects);
        }
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        node.list.update = None;
        effects.push(node.cancel(NodeTimer::Retransmit));
        let granted = match status.is_accepted() {
            true => {
                self.core.counters.add(MaarCounter::PreviousRenewed);
                lifetime
            }
            // A refusal to end it is as good.
            false => self.core.lifetime(),
        };
        self.core.stay_previous(now, node, granted, effects);
    }

    /// The database, or its anchor, answered that a prefix of another anchor is let go of.
    pub(super) fn released(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        effects.push(node.cancel(NodeTimer::Release { prefix }));
        if !status.is_accepted() {
            // It stays until it is unused for as long again.
            let previous = node.visit.iter_mut().flat_map(|visit| &mut visit.previous);
            for one in previous.filter(|one| one.prefix == prefix) {
                one.release = None;
            }
            return;
        }
        self.core.counters.add(MaarCounter::AnchorsReleased);
        self.drop_previous(now, host, &[prefix], effects);
    }

    /// Leads prefixes of other anchors here no longer, and tells their host.
    pub(super) fn drop_previous(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefixes: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let (core, books) = (&mut self.core, &mut self.books);
        let removed = prefixes.iter().filter_map(|&prefix| {
            let router = books.remove_previous(core, node, prefix, effects)?;
            Some((prefix, router))
        });
        let gone: Vec<_> = removed.collect();
        if !gone.is_empty() {
            effects.extend(node.store(now));
            core.advertise(now.monotonic, node, &gone, effects);
        }
    }
}
