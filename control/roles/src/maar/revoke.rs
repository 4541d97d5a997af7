//! Binding revocation (RFC 5846) at a gateway: what of a host that is here has ended without our doing,
//! and prefixes of ours that we let go of while they are led to another gateway.
//!
//! Hosts may move in numbers, and each may have been with another gateway: indications and updates to anchors
//! leave at one pace.

use super::counters::MaarCounter;
use super::node::Former;
use super::Maar;
use crate::effect::Effect;
use crate::event::NodeTimer;
use crate::message::ProxyOptions;
use crate::refusal::Hold;
use crate::revocation::{acknowledge, check, not_among, Gate, Meant};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{
    HomeNetworkPrefix, MnIdentifier, MobilityOption, NtpTime, RevocationAcknowledgement,
    RevocationIndication, RevocationStatus, RevocationTrigger,
};

/// What an indication names.
fn named(host: &MnIdentifier, prefix: HomeNetworkPrefix) -> Vec<MobilityOption> {
    vec![
        MobilityOption::MnIdentifier(host.clone()),
        MobilityOption::HomeNetworkPrefix(prefix),
    ]
}

impl Maar {
    /// The database, or an anchor where there is none, revokes. Strangers are not told what is here.
    pub(super) fn on_revocation_indication(
        &mut self,
        now: Now,
        (from, to): (Ipv6Addr, Ipv6Addr),
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) {
        let known = match self.core.config.cmd() {
            Some(cmd) => cmd == from,
            None => self.core.config.is_gateway(from),
        };
        if !known {
            return self.ignore(from, MaarCounter::RevocationByStranger, effects);
        }
        let outcome = self.revoked(now, from, indication, effects);
        let followed = acknowledge((from, to), indication, outcome, effects);
        self.count(match followed {
            true => MaarCounter::RevocationsAccepted,
            false => MaarCounter::RevocationsDenied,
        });
    }

    /// Ends what an indication names, and returns what of it there was not, or stays.
    fn revoked(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        indication: &RevocationIndication,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<MobilityOption>, RevocationStatus> {
        let none = RevocationStatus::NO_BINDING;
        if let Meant::Ipv4(_) = check(&self.core.config.revocation(), indication)? {
            // Nobody has an IPv4 home address here.
            return Err(none);
        }
        let options = ProxyOptions::read(&indication.options);
        let host = options.mn_identifier;
        let host = host.ok_or(RevocationStatus::IDENTITY_REQUIRED)?.clone();
        let straight = self.core.config.cmd().is_none();
        let node = self.nodes.get(&host).ok_or(none)?;
        let visit = node.visit.as_ref().filter(|it| it.bound.is_some());
        let visit = visit.ok_or(none)?;
        let alone = visit.goes_alone(&self.core.config);
        let came = NtpTime::from_unix(visit.came);
        let (own, link, left) = (node.prefix, visit.link, visit.detached.is_some());
        let previous = visit.previous.iter();
        // Where there is no database each anchor speaks for itself, and nobody for us.
        let others = previous.filter(|it| !straight || it.anchor == from);
        let others: Vec<HomeNetworkPrefix> = others.map(|it| it.prefix).collect();
        let mut held = others.clone();
        held.extend(Some(own).filter(|_| !alone));
        let named = options.named_prefixes();
        if held.is_empty() {
            return Err(none);
        }
        let mut failed = not_among(&named, &held)?;
        let meant = |prefix: &HomeNetworkPrefix| named.is_empty() || named.contains(prefix);
        let all = !alone && meant(&own);
        let lost = indication.trigger == RevocationTrigger::OUT_OF_SYNC;
        if all && left {
            self.finish(now, &host, link, (false, false), effects);
            return Ok(failed);
        }
        if all && !lost {
            self.count(MaarCounter::HostsRevoked);
            self.end(now, &host, link, false, effects);
            let hold = Hold::PacketsUntil(now.monotonic + self.core.config.refusal_hold);
            let most = self.core.config.remembered_refusals;
            self.refusals.insert(link, hold, most);
            return Ok(failed);
        }
        let gone: Vec<HomeNetworkPrefix> = others.into_iter().filter(meant).collect();
        if straight && indication.trigger.is_handover() {
            if options.timestamp.is_some_and(|told| told < came) {
                return Err(RevocationStatus::ATTACHED);
            }
            self.left_behind(now, &host, &gone, effects);
            return Ok(failed);
        }
        self.forget_anchors(now, &host, &gone, effects);
        if all {
            // We have not ceased to anchor it: a host that is still here is known again soon.
            failed.push(MobilityOption::HomeNetworkPrefix(own));
            if let Some(node) = self.nodes.get_mut(&host) {
                if node.list.update.is_none() {
                    self.core.assert(now, node, effects);
                }
            }
        }
        Ok(failed)
    }

    /// Leads prefixes here no longer that their anchors lead elsewhere, with the host. It is told nothing, as
    /// it has them still; one that is here after all is to say so.
    fn left_behind(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefixes: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        for &prefix in prefixes {
            self.core.counters.add(MaarCounter::AnchorsElsewhere);
            for what in [NodeTimer::Release { prefix }, NodeTimer::Anchor { prefix }] {
                effects.push(super::node::cancel(host, what));
            }
            let _router = self
                .books
                .remove_previous(&self.core, node, prefix, effects);
        }
        effects.extend(node.store(now));
        self.doubt(host, effects);
    }

    /// Leads prefixes here no longer that their anchors do not have any more.
    pub(super) fn forget_anchors(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        prefixes: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        for &prefix in prefixes {
            self.count(MaarCounter::AnchorsRevoked);
            for what in [NodeTimer::Release { prefix }, NodeTimer::Anchor { prefix }] {
                effects.push(super::node::cancel(host, what));
            }
            self.learned.forget(prefix);
        }
        self.drop_previous(now, host, prefixes, effects);
    }

    /// Frees a prefix that is led to another gateway, and says so to the database, or to that gateway
    /// where there is none.
    pub(super) fn let_go(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        trigger: RevocationTrigger,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get(host) else {
            return;
        };
        let (prefix, away) = (node.prefix, node.away);
        self.free_previous(host, effects);
        let config = &self.core.config;
        if let Some(peer) = config.cmd().or(away.map(|it| it.serving)) {
            self.indicate(now, peer, (trigger, named(host, prefix)), effects);
        }
    }

    /// A host is led elsewhere, or is here: the gateway that it left is told so, and one that it is back
    /// with no longer is.
    ///
    /// The indication says when the host had come there: one that was overtaken is known by that.
    pub(super) fn tell_former(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        former: Option<Former>,
        now_at: Option<Ipv6Addr>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = self.nodes.get_mut(host) else {
            return;
        };
        let (prefix, revoking) = (node.prefix, node.revoking);
        if let Some(sequence) = revoking.filter(|it| self.revocations.peer(*it) == now_at) {
            node.revoking = None;
            self.revocations.cancel(sequence, effects);
        }
        let distributed = self.core.config.distributed();
        let tells = distributed.is_some_and(|it| it.revoke_on_handover);
        let Some(former) = former.filter(|it| tells && Some(it.gateway) != now_at) else {
            return;
        };
        let mut options = named(host, prefix);
        options.extend(former.arrived.map(MobilityOption::Timestamp));
        let trigger = RevocationTrigger::HANDOVER_UNKNOWN;
        let sent = self.indicate(now, former.gateway, (trigger, options), effects);
        if let Some(node) = self.nodes.get_mut(host) {
            node.revoking = sent;
        }
    }

    fn indicate(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        what: (RevocationTrigger, Vec<MobilityOption>),
        effects: &mut Vec<Effect>,
    ) -> Option<u16> {
        let core = &mut self.core;
        let (config, ends) = (core.config.revocation(), (core.config.address, peer));
        let (gate, counters) = (Gate::at(now, &mut core.pace), &mut core.counters);
        self.revocations
            .revoke(&config, ends, what, gate, counters, effects)
    }

    pub(super) fn on_revocation_acknowledgement(
        &mut self,
        from: Ipv6Addr,
        answer: &RevocationAcknowledgement,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.core.counters;
        self.revocations.answered(from, answer, counters, effects);
    }

    pub(super) fn on_revocation_timer(
        &mut self,
        now: Now,
        sequence: u16,
        effects: &mut Vec<Effect>,
    ) {
        let core = &mut self.core;
        let (config, local) = (core.config.revocation(), core.config.address);
        let (gate, counters) = (Gate::at(now, &mut core.pace), &mut core.counters);
        self.revocations
            .pursue(&config, local, sequence, gate, counters, effects);
    }
}
