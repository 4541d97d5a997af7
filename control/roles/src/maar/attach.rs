//! Hosts that show themselves, and the answer to who they are (RFC 8885 section 3.1).

use super::counters::MaarCounter;
use super::node::{ListEntry, Node, Visit};
use super::Maar;
use crate::effect::{Effect, Notice};
use crate::event::{HostLink, NodeTimer, Sign};
use crate::policy::Profile;
use crate::pool::Interface;
use crate::refusal::Hold;
use crate::Now;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HandoffIndicator, MnIdentifier};

/// A host that has shown itself, while it is asked who it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    asked: Duration,
    came: Duration,
    link_local: Option<Ipv6Addr>,
    solicited: Option<Ipv6Addr>,
}

/// What a sign tells of a host's link-local address, and where a solicitation is to be answered.
fn told(sign: Sign) -> (Option<Ipv6Addr>, Option<Ipv6Addr>) {
    let link_local = |address: Ipv6Addr| Some(address).filter(Ipv6Addr::is_unicast_link_local);
    match sign {
        Sign::RouterSolicitation { source } => {
            let answer = link_local(source).unwrap_or(Ipv6Addr::UNSPECIFIED);
            (link_local(source), Some(answer))
        }
        Sign::Packet { source } => (link_local(source), None),
        Sign::Probe { target } => (link_local(target), None),
        Sign::Operator => (None, None),
    }
}

impl Maar {
    pub(super) fn on_host_seen(
        &mut self,
        now: Now,
        link: HostLink,
        sign: Sign,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(host) = self.books.by_link.get(&link).cloned() {
            return self.seen_again(now, &host, sign, effects);
        }
        let (link_local, solicited) = told(sign);
        if let Some(arrival) = self.arrivals.get_mut(&link) {
            arrival.link_local = link_local.or(arrival.link_local);
            arrival.solicited = solicited.or(arrival.solicited);
            if arrival.asked + self.core.config.initial_bindack_timeout <= now.monotonic {
                arrival.asked = now.monotonic;
                self.count(MaarCounter::HostsAsked);
                effects.push(Effect::Authenticate { link });
            }
            return;
        }
        let attaches = match sign {
            Sign::RouterSolicitation { .. } => self.core.config.attach_on.router_solicitation,
            Sign::Packet { .. } | Sign::Probe { .. } => self.core.config.attach_on.packet,
            Sign::Operator => true,
        };
        if !attaches || link.mac.is_group() {
            return self.count(MaarCounter::SignsNotAttaching);
        }
        if self.refusals.stands(now.monotonic, link, sign) {
            return self.count(MaarCounter::SignsWhileRefused);
        }
        if self.books.by_link.len() + self.arrivals.len() >= self.core.config.capacity {
            self.count(MaarCounter::RefusedNoRoom);
            let why = "the gateway serves as many hosts as it has room for".to_owned();
            let notice = Notice::AttachRefused { link, why };
            return effects.push(Effect::Notify { notice });
        }
        let arrival = Arrival {
            asked: now.monotonic,
            came: now.wall,
            link_local,
            solicited,
        };
        self.arrivals.insert(link, arrival);
        self.count(MaarCounter::HostsAsked);
        effects.push(Effect::Authenticate { link });
    }

    /// A sign of a host that is registering, or served.
    fn seen_again(&mut self, now: Now, host: &MnIdentifier, sign: Sign, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let (link_local, solicited) = told(sign);
        visit.solicited = solicited.or(visit.solicited);
        let shown = link_local.is_some() && link_local != visit.link_local;
        if shown {
            visit.link_local = link_local;
            effects.push(visit.watch());
        }
        let returned = visit.detached.take().is_some();
        let doubted = visit.presence.shows();
        let Some(bound) = visit.bound else {
            if doubted {
                visit.came = now.wall;
                self.core.tell_again(now, node, effects);
            }
            return;
        };
        let came = matches!(sign, Sign::RouterSolicitation { .. } | Sign::Operator);
        if returned {
            effects.push(visit.watch());
            effects.push(node.cancel(NodeTimer::Guard));
        }
        if matches!(sign, Sign::RouterSolicitation { .. }) {
            self.core.answer_solicitation(now.monotonic, node, effects);
        }
        let straight = self.core.config.distributed().is_some();
        if doubted && straight && !came && !returned {
            return self.is_here_after_all(now, host, effects);
        }
        if doubted && !straight {
            if let Some(visit) = node.visit.as_mut() {
                visit.came = now.wall;
            }
            return self.core.tell_again(now, node, effects);
        }
        if shown {
            self.ask_at_last(now, host, effects);
        }
        if !came && !returned {
            return;
        }
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        // A host that comes up on its link may have been with another gateway in between.
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        if visit.goes_alone(&self.core.config) {
            return self.search_again(now, host, bound.since, returned, effects);
        }
        visit.came = now.wall;
        let settled = bound.since + self.core.config.initial_bindack_timeout;
        if settled > now.monotonic && !returned && sign != Sign::Operator {
            // Most likely the solicitation and the answer to an earlier one have crossed.
            let update = &node.list.update;
            if update.is_none() && bound.refresh > settled {
                effects.push(node.set(NodeTimer::Refresh, settled - now.monotonic));
            }
            return;
        }
        let unknown = HandoffIndicator::UNKNOWN;
        let told = node.list.update.as_ref();
        if sign == Sign::Operator || told.is_none_or(|update| update.handoff != unknown) {
            self.core.register(now, node, unknown, effects);
        }
    }

    pub(super) fn on_authenticated(
        &mut self,
        now: Now,
        link: HostLink,
        profile: Option<&Profile>,
        effects: &mut Vec<Effect>,
    ) {
        let arrival = match self.books.by_link.get(&link).cloned() {
            Some(host) => match self.asked_again(now, &host, link, profile, effects) {
                Some(arrival) => arrival,
                None => return,
            },
            None => match self.arrivals.remove(&link) {
                Some(arrival) => arrival,
                None => return self.count(MaarCounter::UnexpectedAnswer),
            },
        };
        match profile {
            Some(profile) => self.admit(now, link, arrival, profile, effects),
            None => {
                self.count(MaarCounter::RefusedByPolicy);
                let why = "policy does not let it attach";
                self.refuse(now, link, why, effects);
            }
        }
    }

    /// Policy has been asked again about a host that is here. What is left to do if its session has
    /// ended over that.
    fn asked_again(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        link: HostLink,
        profile: Option<&Profile>,
        effects: &mut Vec<Effect>,
    ) -> Option<Arrival> {
        let node = self.nodes.get_mut(host)?;
        let visit = node.visit.as_mut()?;
        if visit.asked.take().is_none() {
            self.core.counters.add(MaarCounter::UnexpectedAnswer);
            return None;
        }
        let arrival = Arrival {
            asked: now.monotonic,
            came: visit.came,
            link_local: visit.link_local,
            solicited: visit.solicited,
        };
        let mobility = visit.profile.mobility;
        let same = |it: &&Profile| it.mn_identifier == *host && it.mobility == mobility;
        if let Some(profile) = profile.filter(same) {
            if visit.profile != *profile {
                let told = (visit.profile.managed, visit.profile.other);
                visit.profile = profile.clone();
                effects.extend(node.store(now));
                if node.is_bound() && told != (profile.managed, profile.other) {
                    self.core.advertise(now.monotonic, node, &[], effects);
                }
            }
            return None;
        }
        self.end(now, host, link, true, effects);
        Some(arrival)
    }

    /// Reserves a prefix for a host that may attach, or takes the one that it has here, and tells the
    /// database (S2-04, S2-05).
    fn admit(
        &mut self,
        now: Now,
        link: HostLink,
        arrival: Arrival,
        profile: &Profile,
        effects: &mut Vec<Effect>,
    ) {
        let host = &profile.mn_identifier;
        let mut visit = Visit::new(link, profile.clone(), arrival.came);
        visit.link_local = arrival.link_local;
        visit.solicited = arrival.solicited;
        let there = self.nodes.get(host);
        match there.map(|node| node.visit.as_ref().map(|visit| (visit.link, visit.came))) {
            // It went back there while policy was asked.
            Some(Some((old, came))) if old.mac == link.mac && came > visit.came => return,
            Some(Some((old, _))) if old.mac == link.mac => {
                return self.move_here(now, host, visit, effects);
            }
            Some(Some(_)) => {
                self.count(MaarCounter::RefusedIdentifierInUse);
                let why = "another host is here under the same identifier";
                return self.refuse(now, link, why, effects);
            }
            Some(None) => self.count(MaarCounter::HostsReturned),
            None => {
                if let Err((counter, why)) = self.reserve(host, effects) {
                    self.count(counter);
                    return self.refuse(now, link, why, effects);
                }
            }
        }
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        // From now on: updates are sent again for hosts that are still there (RFC 5213 section 6.9.4).
        effects.push(visit.watch());
        let alone = visit.goes_alone(&self.core.config);
        node.visit = Some(visit);
        effects.push(node.cancel(NodeTimer::Expiry));
        self.books.by_link.insert(link, host.clone());
        if alone {
            return self.serve_alone(now, &host.clone(), effects);
        }
        let unknown = HandoffIndicator::UNKNOWN;
        self.core.register(now, node, unknown, effects);
    }

    /// Makes a temporary entry with a prefix of our pools.
    fn reserve(
        &mut self,
        host: &MnIdentifier,
        effects: &mut Vec<Effect>,
    ) -> Result<(), (MaarCounter, &'static str)> {
        if self.nodes.len() >= self.core.config.capacity {
            return Err((MaarCounter::RefusedNoRoom, "the gateway is full"));
        }
        let prefix = self
            .books
            .prefixes
            .choose_one(host, Interface::default(), &[]);
        let prefix = prefix.ok_or((MaarCounter::RefusedNoPrefix, "the pools are used up"))?;
        let left = self.leaving.remove(host);
        if let Some(left) = &left {
            effects.push(left.cancel(NodeTimer::Retransmit));
        }
        self.books.prefixes.take(prefix, host);
        self.books.last_session += 1;
        let node = Node {
            session: self.books.last_session,
            mn_identifier: host.clone(),
            prefix,
            visit: None,
            away: None,
            list: ListEntry {
                rate: left.map(|left| left.list.rate).unwrap_or_default(),
                ..ListEntry::default()
            },
            heard: None,
            revoking: None,
        };
        self.nodes.insert(host.clone(), node);
        self.count(MaarCounter::PrefixesReserved);
        Ok(())
    }

    /// A host shows itself on another link of this gateway: its session comes along, and nobody else
    /// sees a difference.
    fn move_here(&mut self, now: Now, host: &MnIdentifier, new: Visit, effects: &mut Vec<Effect>) {
        self.count(MaarCounter::HostsMoved);
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let Some(old) = node.visit.as_ref().map(|visit| visit.link) else {
            return;
        };
        let link = new.link;
        self.books.by_link.remove(&old);
        self.books.by_link.insert(link, host.clone());
        let prefix = node.prefix.into();
        let local = self.core.config.address;
        let bound = node.is_bound();
        if let Some(visit) = node.visit.as_ref().filter(|_| bound) {
            let path = crate::effect::Path::Local { link };
            effects.push(Effect::Bind { prefix, path });
            effects.extend(visit.previous.iter().map(|previous| Effect::Bind {
                prefix: previous.prefix.into(),
                path: previous.path(local, link),
            }));
        }
        self.books.move_routers(&self.core, node, link, effects);
        effects.push(Effect::Unwatch { link: old });
        if let Some(visit) = node.visit.as_mut() {
            visit.profile = new.profile;
            visit.link_local = new.link_local.or(visit.link_local);
            visit.solicited = new.solicited;
            visit.came = new.came;
            visit.detached = None;
            effects.push(visit.watch());
        }
        effects.push(node.cancel(NodeTimer::Guard));
        if bound {
            effects.extend(node.store(now));
            self.core.advertise(now.monotonic, node, &[], effects);
        }
        for attached in [false, true] {
            let mn_identifier = host.clone();
            let notice = match attached {
                false => Notice::Detached {
                    link: old,
                    mn_identifier,
                },
                true => Notice::Attached {
                    link,
                    mn_identifier,
                },
            };
            effects.push(Effect::Notify { notice });
        }
    }

    /// Leaves a host alone for a while, and says why.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        link: HostLink,
        why: &str,
        effects: &mut Vec<Effect>,
    ) {
        let hold = Hold::Until(now.monotonic + self.core.config.refusal_hold);
        let most = self.core.config.remembered_refusals;
        self.refusals.insert(link, hold, most);
        let why = why.to_owned();
        let notice = Notice::AttachRefused { link, why };
        effects.push(Effect::Notify { notice });
    }

    /// The access policy may say something else of one host: asks about it anew.
    pub(super) fn ask_again(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let host = self.books.by_link.get(&link);
        let node = host.and_then(|host| self.nodes.get_mut(host));
        let Some(visit) = node.and_then(|node| node.visit.as_mut()) else {
            return;
        };
        visit.asked = Some(now.monotonic);
        self.count(MaarCounter::HostsAsked);
        effects.push(Effect::Authenticate { link });
    }

    /// The access policy changed: asks about every host anew, those that were refused among them.
    pub(super) fn on_access_policy(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let links = self.books.by_link.iter().map(|(link, _)| *link);
        let links: Vec<HostLink> = links.collect();
        for link in links {
            self.ask_again(now, link, effects);
        }
        for link in self.refusals.take_refused() {
            self.on_host_seen(now, link, Sign::Operator, effects);
        }
    }
}
