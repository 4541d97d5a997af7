//! Updates that a gateway sends an anchor straight, where there is no database: a host of ours is with
//! that gateway now, is there still, or is gone.
//!
//! | update | host here | led to the sender | led to another gateway |
//! |---|---|---|---|
//! | it came | led away, unless it came here later: 157 | renewed | led away, unless it came there later: 157 |
//! | it is still there | 129 | renewed | 129 |
//! | lifetime 0 | 129 | freed | 129 |
//!
//! The gateway from which it is led away is told so (RFC 5846), for it may hear of it from nobody else: the
//! host need not have told the new one of a prefix that the old one anchors. So what a gateway sends late, because it does not know yet that the host has gone on, pulls nothing
//! back.

use super::counters::MaarCounter;
use super::node::{Heard, Node};
use super::previous::Received;
use super::Maar;
use crate::effect::Effect;
use crate::{timestamp, Now};
use std::net::Ipv6Addr;
use wire::mh::{
    BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier, NtpTime, Status,
    UpdateFlags,
};

/// Who says that a host has come to it.
enum Newcomer {
    /// Who said so before, in the same words.
    Again,
    /// Who has it already: it has come up on its link anew.
    Serving,
    /// Another gateway than the one that has it.
    Other,
}

impl Maar {
    /// Another gateway tells of a host.
    pub(super) fn on_straight_update(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        update: &BindingUpdate,
        effects: &mut Vec<Effect>,
    ) {
        let flags = UpdateFlags::PROXY.with(UpdateFlags::DISTRIBUTED);
        if !self.core.config.is_gateway(from) || !update.flags.contains(flags) {
            let status = Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG;
            return self.refuse_update(now, from, update, status, effects);
        }
        let received = Received::read(update);
        match self.follow_straight(now, from, &received, effects) {
            Ok((prefix, lifetime)) => {
                let host = received.options.mn_identifier;
                let node = host.and_then(|host| self.nodes.get(host));
                let router = node.and_then(|node| self.router_of(node));
                self.answer(from, &received, lifetime, prefix, router, effects);
            }
            Err(status) => self.refuse_update(now, from, update, status, effects),
        }
    }

    /// Does what it says; what it is answered with.
    fn follow_straight(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        received: &Received<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(Option<HomeNetworkPrefix>, Lifetime), Status> {
        let host = received.options.mn_identifier;
        let host = host.ok_or(Status::MISSING_MN_IDENTIFIER_OPTION)?;
        if received.options.repeated {
            return Err(Status::UNSPECIFIED);
        }
        if received.serving.is_some_and(|serving| serving != from) {
            self.count(MaarCounter::ServingUnknown);
            return Err(Status::ADMINISTRATIVELY_PROHIBITED);
        }
        let named = received.options.named_prefixes();
        if named.is_empty() {
            return Err(Status::MISSING_HOME_NETWORK_PREFIX_OPTION);
        }
        let ends = received.update.lifetime == Lifetime::ZERO;
        let Some(node) = self.nodes.get(host) else {
            return match ends {
                // There is nothing left to end.
                true => Ok((None, Lifetime::ZERO)),
                false => Err(Status::NOT_LMA_FOR_THIS_MOBILE_NODE),
            };
        };
        let prefix = node.prefix;
        if named != [prefix] {
            return Err(Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX);
        }
        let stamp = received
            .options
            .timestamp
            .ok_or(Status::TIMESTAMP_MISMATCH)?;
        let heard = Heard {
            sequence: received.update.sequence,
            timestamp: Some(stamp),
            serving: Some(from),
            arrived: None,
        };
        let host = host.clone();
        let lifetime = received.update.lifetime.min(self.core.lifetime());
        if ends || received.options.handoff == Some(HandoffIndicator::NOT_CHANGED) {
            self.of_serving(now, &host, heard)?;
            if ends {
                self.count(MaarCounter::PreviousEnded);
                self.free_previous(&host, effects);
            } else {
                self.renew_previous(now, &host, lifetime, effects);
            }
            return Ok((Some(prefix), lifetime));
        }
        let again = self.of_newcomer(now, &host, from, stamp)?;
        let former = self.nodes.get(&host).and_then(Node::former);
        if let Some(node) = self.nodes.get_mut(&host) {
            let arrived = Some(stamp);
            node.heard = Some(Heard { arrived, ..heard });
        }
        match again {
            Newcomer::Again => {
                self.count(MaarCounter::UpdatesRepeated);
                self.renew_previous(now, &host, lifetime, effects);
            }
            Newcomer::Serving => self.renew_previous(now, &host, lifetime, effects),
            Newcomer::Other => {
                self.lead_away(now, &host, from, lifetime, effects);
                self.tell_former(now, &host, former, Some(from), effects);
            }
        }
        Ok((Some(prefix), lifetime))
    }

    /// Whether an update may be of the gateway that a host is with, and is newer than its last.
    fn of_serving(&mut self, now: Now, host: &MnIdentifier, heard: Heard) -> Result<(), Status> {
        let elsewhere = Status::ADMINISTRATIVELY_PROHIBITED;
        let node = self.nodes.get_mut(host).ok_or(elsewhere)?;
        let away = node.away.filter(|_| node.visit.is_none());
        if away.map(|it| it.serving) != heard.serving {
            self.core.counters.add(MaarCounter::UpdatesOvertaken);
            return Err(elsewhere);
        }
        let last = node.heard.and_then(|last| last.timestamp);
        let stamp = heard.timestamp.unwrap_or_default();
        let window = self.core.config.timestamp_window;
        timestamp::check(now, window, last, stamp)?;
        let arrived = node.heard.and_then(|last| last.arrived);
        node.heard = Some(Heard { arrived, ..heard });
        Ok(())
    }

    /// Whether a host came to a gateway after all others that have said so; and what that changes.
    fn of_newcomer(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        from: Ipv6Addr,
        stamp: NtpTime,
    ) -> Result<Newcomer, Status> {
        let ours = NtpTime::from_unix(now.wall);
        let late = self.update_age().max(self.core.config.timestamp_window);
        let window = match stamp > ours {
            true => self.core.config.timestamp_window,
            false => late,
        };
        let node = self.nodes.get(host);
        let node = node.ok_or(Status::NOT_LMA_FOR_THIS_MOBILE_NODE)?;
        let here = node.visit.as_ref().map(|it| NtpTime::from_unix(it.came));
        let away = node.away.filter(|_| node.visit.is_none());
        let there = away.and_then(|_| node.heard?.arrived);
        let serving = away.is_some_and(|it| it.serving == from);
        if serving && there == Some(stamp) {
            return Ok(Newcomer::Again);
        }
        if here.or(there).is_some_and(|latest| latest >= stamp) {
            self.core.counters.add(MaarCounter::UpdatesOvertaken);
            return Err(Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
        }
        if stamp.abs_diff(ours) > window {
            return Err(Status::TIMESTAMP_MISMATCH);
        }
        Ok(match serving {
            true => Newcomer::Serving,
            false => Newcomer::Other,
        })
    }

    /// The prefix of a host stays led to where it is.
    fn renew_previous(
        &mut self,
        now: Now,
        host: &MnIdentifier,
        lifetime: Lifetime,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(node) = self.nodes.get_mut(host) {
            self.core.counters.add(MaarCounter::PreviousRenewed);
            self.core.stay_previous(now, node, lifetime, effects);
        }
    }
}
