//! Hosts that leave, and sessions that end (RFC 8885 section 3.5).
//!
//! A host that leaves its link has most likely gone to another gateway, whose update says so. Until
//! then, or until the guard time is over, nothing is told to anybody, and what comes for the host is
//! still sent to where it was.

use super::counters::MaarCounter;
use super::node::Node;
use super::Maar;
use crate::effect::{Effect, Notice};
use crate::event::{Departure, HostLink, NodeTimer};
use crate::refusal::Hold;
use crate::store::Key;
use crate::{BoundPrefix, Now};
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier, RevocationTrigger, Status};

/// How often a host is asked whether it has really left, when its guard time is over.
const FAREWELLS: u8 = 3;

/// Time between two such questions.
const FAREWELL: Duration = Duration::from_secs(1);

impl Maar {
    pub(super) fn on_host_gone(
        &mut self,
        now: Now,
        link: HostLink,
        why: Departure,
        effects: &mut Vec<Effect>,
    ) {
        self.arrivals.remove(&link);
        let Some(host) = self.books.by_link.get(&link).cloned() else {
            return;
        };
        if why.is_still_there() {
            // A decision about its session, not a detachment.
            self.end(now, &host, link, true, effects);
            let hold = Hold::PacketsUntil(now.monotonic + self.core.config.refusal_hold);
            let most = self.core.config.remembered_refusals;
            return self.refusals.insert(link, hold, most);
        }
        let bound = self.nodes.get(&host).is_some_and(Node::is_bound);
        match bound {
            true => self.guard(now, &host, effects),
            false => self.give_up(now, &host, effects),
        }
    }

    /// A served host has left its link: it is waited for, and not refreshed meanwhile (S2-29).
    pub(super) fn guard(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let Some(bound) = visit.bound.filter(|_| visit.detached.is_none()) else {
            return;
        };
        visit.detached = Some(0);
        let left = bound.expiry.saturating_sub(now.monotonic);
        let after = left.min(self.core.config.guard);
        node.list.update = None;
        effects.push(node.cancel(NodeTimer::Refresh));
        effects.push(node.cancel(NodeTimer::Retransmit));
        effects.push(node.set(NodeTimer::Guard, after));
        self.hush(host, effects);
        self.count(MaarCounter::HostsGuarded);
    }

    /// The guard time of a host is over. One that has come back without a word is asked for it.
    pub(super) fn on_guard(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let (link, link_local) = (visit.link, visit.link_local);
        let Some(asked) = visit.detached.as_mut() else {
            return;
        };
        if let Some(address) = link_local.filter(|_| *asked < FAREWELLS) {
            *asked += 1;
            effects.push(Effect::Probe { link, address });
            return effects.push(node.set(NodeTimer::Guard, FAREWELL));
        }
        self.finish(now, host, link, (false, true), effects);
    }

    /// Ends the session of a host that is here, and all that it came with; `deregister`: the database
    /// is told.
    pub(super) fn end(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        link: HostLink,
        deregister: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.finish(now, host, link, (true, deregister), effects);
    }

    pub(super) fn finish(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        link: HostLink,
        (present, deregister): (bool, bool),
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut node) = self.nodes.remove(host) else {
            return;
        };
        node.cancel_all(effects);
        let bound = node.is_bound();
        let was_tunnelled = node.away.is_some();
        if let Some(visit) = node.visit.as_ref().filter(|_| bound && present) {
            self.core.withdraw(visit, node.prefix, effects);
        }
        let anchors = match self.core.config.cmd() {
            None if deregister => Self::anchors_of(&node),
            _ => Vec::new(),
        };
        self.unlead(&mut node, effects);
        if bound || was_tunnelled {
            self.unbind(&node, effects);
        }
        self.books.by_link.remove(&link);
        effects.push(Effect::Unwatch { link });
        self.books.free(&mut self.core, &node);
        if node.visit.as_ref().is_some_and(|visit| visit.announced) {
            self.count(MaarCounter::HostsDetached);
            effects.push(detached(host, link));
        }
        node.list.settled = None;
        let visit = node.visit.as_ref();
        let alone = visit.map(|visit| visit.goes_alone(&self.core.config));
        if alone.unwrap_or(self.core.config.cmd().is_none()) {
            return self.part(now, host, anchors, effects);
        }
        if deregister && self.leaving.len() < self.core.config.capacity {
            self.core.deregister(now, &mut node, effects);
            self.leaving.insert(host.clone(), node);
        } else if deregister {
            self.count(MaarCounter::DeregistrationsGivenUp);
        }
    }

    /// Leads the prefixes of a host's other anchors here no longer.
    pub(super) fn unlead(&mut self, node: &mut Node, effects: &mut Vec<Effect>) {
        let previous = node.visit.iter().flat_map(|visit| &visit.previous);
        let prefixes: Vec<HomeNetworkPrefix> = previous.map(|it| it.prefix).collect();
        for prefix in prefixes {
            let core = &self.core;
            let _router = self.books.remove_previous(core, node, prefix, effects);
        }
    }

    /// Stops the forwarding for a prefix of ours.
    fn unbind(&mut self, node: &Node, effects: &mut Vec<Effect>) {
        let (prefix, session) = (node.prefix.into(), node.session);
        effects.push(Effect::Unbind { prefix });
        let key = Key::Node { session };
        effects.push(Effect::Forget { key });
        effects.push(super::books::binding_down(&node.mn_identifier, node.prefix));
    }

    /// A registration comes to nothing: its prefix is free again, or led to where it was (S2-07).
    pub(super) fn give_up(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.take() else {
            return;
        };
        let link = visit.link;
        self.books.by_link.remove(&link);
        effects.push(Effect::Unwatch { link });
        effects.push(node.cancel(NodeTimer::Retransmit));
        node.list.update = None;
        if node.away.is_some() {
            let lifetime = self.core.lifetime();
            return self.core.stay_previous(now, node, lifetime, effects);
        }
        if let Some(node) = self.nodes.remove(host) {
            self.books.free(&mut self.core, &node);
        }
    }

    /// An update is not acknowledged yet: sends it again, or gives the registration up.
    pub(super) fn on_retransmit(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let update = node.list.update.as_ref();
        let first = update.and_then(|update| update.first);
        let over = first.is_some_and(|first| {
            now.monotonic.saturating_sub(first) >= self.core.config.registration_timeout
        });
        let registering = node.visit.as_ref().map(|visit| (visit.bound, visit.link));
        match registering {
            Some((None, link)) if over => {
                self.core.counters.add(MaarCounter::RegistrationsTimedOut);
                let address = node.visit.as_ref().and_then(|visit| visit.link_local);
                self.give_up(now, host, effects);
                let why = "the database does not answer".to_owned();
                let notice = Notice::AttachRefused { link, why };
                effects.push(Effect::Notify { notice });
                // One that is still here, and only listens, is to be tried for again: its answer is its next sign.
                effects.extend(address.map(|address| Effect::Probe { link, address }));
                return;
            }
            // A database that is silent takes nothing from those who are served.
            Some((Some(bound), _)) if over && bound.expiry <= now.monotonic => {
                self.core.counters.add(MaarCounter::BindingsOverdue);
            }
            _ => {}
        }
        self.core.retransmit(now, node, effects);
    }

    /// Sends a de-registration again, or gives it up.
    pub(super) fn on_leaving_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.core.config.deregistration_transmissions;
        let Some(node) = self.leaving.get_mut(host) else {
            return;
        };
        let sent = node.list.update.as_ref().map_or(0, |it| it.transmissions);
        if sent < most {
            return self.core.transmit(now, node, effects);
        }
        self.leaving.remove(host);
        self.count(MaarCounter::DeregistrationsGivenUp);
    }

    /// The database answered a de-registration.
    pub(super) fn left(&mut self, host: &MnIdentifier, status: Status, effects: &mut Vec<Effect>) {
        let again = matches!(
            status,
            Status::SEQUENCE_OUT_OF_WINDOW
                | Status::TIMESTAMP_MISMATCH
                | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
                | Status::UNSPECIFIED
                | Status::INSUFFICIENT_RESOURCES
        );
        if again {
            // The timer runs on; the next transmission may fare better.
            return;
        }
        if let Some(node) = self.leaving.remove(host) {
            effects.push(node.cancel(NodeTimer::Retransmit));
        }
        if status.is_accepted() {
            self.count(MaarCounter::Deregistered);
        }
    }

    /// Nobody has used a prefix of another anchor for as long as is configured (S2-19).
    pub(super) fn on_unused(&mut self, now: Now, prefix: BoundPrefix, effects: &mut Vec<Effect>) {
        let BoundPrefix::V6(prefix) = prefix else {
            return;
        };
        let host = self.books.by_prefix.get(&prefix).cloned();
        let Some(node) = host.and_then(|host| self.nodes.get_mut(&host)) else {
            return;
        };
        let previous = node.visit.iter().flat_map(|visit| &visit.previous);
        let idle = previous.into_iter().find(|it| it.prefix == prefix);
        if idle.is_some_and(|it| it.release.is_none()) {
            self.core.counters.add(MaarCounter::AnchorsUnused);
            self.core.release(now, node, prefix, effects);
        }
    }

    /// That a prefix is let go of is not acknowledged yet: sends it again, or lets go all the same.
    pub(super) fn on_release_timer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) {
        let most = self.core.config.deregistration_transmissions;
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let mut previous = node.visit.iter().flat_map(|visit| &visit.previous);
        let releasing = previous.find(|it| it.prefix == prefix);
        let Some(update) = releasing.and_then(|it| it.release.as_ref()) else {
            return;
        };
        if update.transmissions < most {
            return self.core.release(now, node, prefix, effects);
        }
        self.core.counters.add(MaarCounter::DeregistrationsGivenUp);
        self.drop_previous(now, host, &[prefix], effects);
    }

    /// The operator ends all that there is of a host here.
    pub(super) fn delete(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get(host) else {
            return;
        };
        match node.visit.as_ref().map(|visit| visit.link) {
            Some(link) => self.end(now, host, link, true, effects),
            None => self.let_go(now, host, RevocationTrigger::ADMINISTRATIVE, effects),
        }
    }

    /// A prefix that is led to another gateway is free again.
    pub(super) fn free_previous(&mut self, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        if let Some(node) = self.nodes.remove(host) {
            node.cancel_all(effects);
            self.unbind(&node, effects);
            self.books.free(&mut self.core, &node);
        }
    }

    /// The table refused to install a prefix.
    pub(super) fn on_refused(&mut self, now: Now, prefix: BoundPrefix, effects: &mut Vec<Effect>) {
        let BoundPrefix::V6(prefix) = prefix else {
            return;
        };
        let Some(host) = self.books.by_prefix.get(&prefix).cloned() else {
            return;
        };
        self.count(MaarCounter::RefusedByTable);
        let Some(node) = self.nodes.get(&host) else {
            return;
        };
        match node.visit.as_ref().map(|visit| visit.link) {
            Some(_) if node.prefix != prefix => self.drop_previous(now, &host, &[prefix], effects),
            Some(link) => {
                self.end(now, &host, link, true, effects);
                self.refuse(
                    now,
                    link,
                    "its binding does not fit into the table",
                    effects,
                );
            }
            None => self.let_go(now, &host, RevocationTrigger::UNSPECIFIED, effects),
        }
    }

    /// The lifetime of a binding as a previous anchor is over: asks the database to end it (S2-31).
    pub(super) fn on_expiry(&mut self, now: Now, host: &MnIdentifier, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        if node.visit.is_some() || node.list.update.is_some() {
            return;
        }
        if self.core.config.cmd().is_none() {
            self.count(MaarCounter::PreviousExpired);
            return self.free_previous(host, effects);
        }
        self.core.deregister(now, node, effects);
    }
}

/// The notice that a host is no longer here.
pub(super) fn detached(host: &MnIdentifier, link: HostLink) -> Effect {
    let mn_identifier = host.clone();
    let notice = Notice::Detached {
        link,
        mn_identifier,
    };
    Effect::Notify { notice }
}
