//! A MAAR's update: what it asks for, and what is wrong with it (RFC 5213 section 5.3.1).

use super::cache::Entry;
use super::counters::CmdCounter;
use super::{Cmd, CmdMode};
use crate::answer;
use crate::effect::Effect;
use crate::message::{can_answer, ProxyOptions};
use crate::ordering::Sent;
use crate::{ordering, Now};
use std::net::Ipv6Addr;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier,
    MobilityOption, Status, UpdateFlags,
};

/// Prefixes that one MAAR may have for one host: each takes its part of every answer.
const MOST_PER_MAAR: usize = 4;

/// Options about the interface towards the host that are kept of a MAAR.
const MOST_ATTRIBUTES: usize = 4;

/// An update as it came, with what its answer needs.
pub(super) struct Received<'a> {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) update: &'a BindingUpdate,
    pub(super) options: ProxyOptions<'a>,
}

impl<'a> Received<'a> {
    pub(super) fn read(from: Ipv6Addr, to: Ipv6Addr, update: &'a BindingUpdate) -> Self {
        Self {
            from,
            to,
            update,
            options: ProxyOptions::read(&update.options),
        }
    }

    /// The update, to be answered later; without the options that are not looked at.
    pub(super) fn held(&self, mode: CmdMode, answered: bool) -> Held {
        let mut update = self.update.clone();
        update
            .options
            .retain(|option| !matches!(option, MobilityOption::Unknown { .. }));
        Held {
            from: self.from,
            to: self.to,
            update,
            mode,
            answered,
        }
    }
}

/// An update of the MAAR that serves a host, for which previous MAARs have yet to answer.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) update: BindingUpdate,
    /// The mode when the host moved: what was begun is ended the same way.
    pub(super) mode: CmdMode,
    pub(super) answered: bool,
}

/// An update that has all its mandatory options.
pub(super) struct Request<'a> {
    /// As it came.
    pub(super) received: &'a Received<'a>,
    pub(super) mn_identifier: &'a MnIdentifier,
    /// The prefixes that it names, sorted.
    pub(super) named: Vec<HomeNetworkPrefix>,
    pub(super) handoff: HandoffIndicator,
    pub(super) access_technology: AccessTechnology,
    pub(super) link_layer: Option<&'a [u8]>,
    /// The MAAR that it is about: its sender, unless it says otherwise.
    pub(super) maar: Ipv6Addr,
    pub(super) lifetime: Lifetime,
}

impl Request<'_> {
    /// Whether the MAAR has seen the host come, however: all but a refresh.
    pub(super) fn is_attachment(&self) -> bool {
        self.handoff != HandoffIndicator::NOT_CHANGED
    }
}

/// What a MAAR tells of its interface towards a host (RFC 8885 sections 4.4, 4.7 and 4.8).
pub(super) fn attributes(options: &[MobilityOption]) -> Vec<MobilityOption> {
    let told = options.iter().filter(|option| {
        matches!(
            option,
            MobilityOption::LocalPrefix(_)
                | MobilityOption::DlifLinkLocalAddress(_)
                | MobilityOption::DlifLinkLayerAddress(_)
        )
    });
    told.take(MOST_ATTRIBUTES).cloned().collect()
}

impl Cmd {
    pub(super) fn on_update(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        to: Ipv6Addr,
        update: &BindingUpdate,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.add(CmdCounter::UpdatesReceived);
        let received = Received::read(from, to, update);
        if !update.flags.contains(UpdateFlags::PROXY) {
            return self.on_plain_update(&received, effects);
        }
        match self.check(now, &received) {
            Ok(request) => self.decide(now, &request, effects),
            Err(status) => self.refuse(now, &received, status, effects),
        }
    }

    /// A registration by a mobile node itself: a CMD is no home agent.
    fn on_plain_update(&mut self, received: &Received<'_>, effects: &mut Vec<Effect>) {
        // Who is registered here is nothing for strangers.
        let host = received.options.mn_identifier;
        let host = host.filter(|_| self.maars.contains_key(&received.from));
        let registered = host.is_some_and(|host| self.cache.of(host).is_some());
        let ends = (received.to, received.from);
        match answer::to_mobile_node(received.update, registered) {
            Some((status, message)) => self.send_answer(ends, None, status, message, effects),
            None => {
                let why = CmdCounter::CorrespondentRegistration;
                self.ignore(received.from, why, effects);
            }
        }
    }

    /// The checks of RFC 5213 section 5.3.1, in its order.
    fn check<'a>(&self, now: Now, received: &'a Received<'a>) -> Result<Request<'a>, Status> {
        let options = &received.options;
        let mn_identifier = options.identified()?;
        let maar = options.alternate_care_of.unwrap_or(received.from);
        let known = |address| self.maars.contains_key(address);
        let distributed = received.update.flags.contains(UpdateFlags::DISTRIBUTED);
        if !known(&received.from) || !known(&maar) || !can_answer(maar) || !distributed {
            return Err(Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
        }
        if options.repeated {
            return Err(Status::UNSPECIFIED);
        }
        let entry = self.cache.of(mn_identifier);
        self.check_order(now, received, entry)?;
        if options.prefixes.is_empty() {
            return Err(Status::MISSING_HOME_NETWORK_PREFIX_OPTION);
        }
        let request = Request {
            received,
            mn_identifier,
            named: options.named_prefixes(),
            handoff: options
                .handoff
                .ok_or(Status::MISSING_HANDOFF_INDICATOR_OPTION)?,
            access_technology: options
                .access_technology
                .ok_or(Status::MISSING_ACCESS_TECH_TYPE_OPTION)?,
            link_layer: options.told_link_layer(),
            maar,
            lifetime: received.update.lifetime,
        };
        if request.lifetime != Lifetime::ZERO {
            if request.named.is_empty() {
                return Err(Status::MISSING_HOME_NETWORK_PREFIX_OPTION);
            }
            self.check_prefixes(&request, entry)?;
        }
        Ok(request)
    }

    /// Whether the update is newer than what was accepted before (RFC 5213 section 5.5).
    fn check_order(
        &self,
        now: Now,
        received: &Received<'_>,
        entry: Option<&Entry>,
    ) -> Result<(), Status> {
        let last = entry.map(|entry| Sent {
            sequence: entry.sequence,
            timestamp: entry.timestamp,
        });
        let sent = Sent::read(received.update, &received.options);
        ordering::check(now, self.config.timestamp_window, last, sent)
    }

    /// Whether the prefixes are the MAAR's to give, and nobody else has them (S2-01).
    fn check_prefixes(&self, request: &Request<'_>, entry: Option<&Entry>) -> Result<(), Status> {
        let own = entry.map(|entry| entry.session);
        let elsewhere = |prefix: &HomeNetworkPrefix| {
            let mut others = entry.into_iter().flat_map(|entry| &entry.anchors);
            others.any(|it| it.address != request.maar && it.prefixes.contains(prefix))
        };
        // Those of other anchors are the host's already; only they can say more about them.
        let local = request.named.iter().filter(|it| !elsewhere(it));
        let local: Vec<HomeNetworkPrefix> = local.copied().collect();
        let refused = Err(Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX);
        if local.is_empty() {
            return refused;
        }
        for (index, &prefix) in local.iter().enumerate() {
            let next = local.get(index + 1);
            let overlaps = next.is_some_and(|next| crate::pool::overlap(prefix, *next));
            let theirs = !self.may_anchor(request.maar, prefix)
                || self.cache.is_taken(prefix, own)
                || self.is_others(request.maar, prefix, entry);
            if overlaps || theirs {
                return refused;
            }
        }
        let had = entry.and_then(|entry| entry.anchor(request.maar));
        let had = had.map_or(0, |it| it.prefixes.len());
        let more = local.len().saturating_sub(had);
        if local.len() > MOST_PER_MAAR || !self.has_room_for(more) {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(())
    }

    /// Whether another anchor of the same host has a prefix that shares addresses with this one.
    fn is_others(&self, maar: Ipv6Addr, prefix: HomeNetworkPrefix, entry: Option<&Entry>) -> bool {
        let anchors = entry.into_iter().flat_map(|entry| &entry.anchors);
        let mut others = anchors.filter(|it| it.address != maar);
        others.any(|it| {
            let mut theirs = it.prefixes.iter();
            theirs.any(|it| crate::pool::overlap(*it, prefix))
        })
    }

    /// Whether a MAAR may give hosts a prefix: it is of a pool of that MAAR.
    pub(super) fn may_anchor(&self, maar: Ipv6Addr, prefix: HomeNetworkPrefix) -> bool {
        let usable = prefix.is_well_formed() && !prefix.is_request();
        let pools = self.maars.get(&maar).into_iter().flatten();
        let mut pools = pools.filter(|pool| pool.length <= prefix.length);
        usable && pools.any(|pool| pool.contains(prefix.prefix))
    }

    /// Whether so many more prefixes would fit.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        let used = self.cache.held().max(self.cache.len());
        used.saturating_add(more) <= self.config.capacity
    }
}
