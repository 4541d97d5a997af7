//! Heartbeats at a gateway (RFC 5847): what becomes of the hosts of an anchor that has failed or
//! restarted.

use super::counters::MagCounter;
use super::visitor::Registration;
use super::Mag;
use crate::effect::Effect;
use crate::heartbeat::{Asked, Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{BindingError, Heartbeat};

impl Mag {
    pub(super) fn on_heartbeat(
        &mut self,
        now: Now,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) {
        let from = ends.0;
        let told = self
            .peers
            .on_heartbeat(now.monotonic, ends, heartbeat, effects);
        let counters = &mut self.core.counters;
        if heartbeat.response && matches!(told, Told::There | Told::Back | Told::Restarted { .. }) {
            counters.add(MagCounter::HeartbeatsAnswered);
        }
        // What an anchor that has restarted, or was away, has of a host is not known.
        let until = now.monotonic;
        match told {
            Told::Stranger => self.ignore(from, MagCounter::HeartbeatsByStrangers, effects),
            Told::TooMany => self.ignore(from, MagCounter::HeartbeatsUnanswered, effects),
            Told::Unexpected => self.ignore(from, MagCounter::HeartbeatsUnexpected, effects),
            Told::Asked => counters.add(MagCounter::HeartbeatsReceived),
            Told::There => {}
            Told::Back => self.put_turns(from, Fate::Anew { until }, effects),
            Told::Restarted { .. } => {
                counters.add(MagCounter::PeersRestarted);
                self.put_turns(from, Fate::Anew { until }, effects);
            }
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let (config, local) = (self.core.config.heartbeat, self.core.config.address);
        let asked = self
            .peers
            .ask(&config, now.monotonic, (local, peer), effects);
        if asked != Asked::Not {
            self.core.counters.add(MagCounter::HeartbeatsSent);
        }
        if asked == Asked::Down {
            self.core.counters.add(MagCounter::PeersDown);
            if config.end_when_down {
                let until = now.monotonic;
                self.put_turns(peer, Fate::Down { until }, effects);
            }
        }
    }

    pub(super) fn on_restart_notice(&mut self, effects: &mut Vec<Effect>) {
        for _ in 0..self.peers.announce(self.core.config.address, effects) {
            self.core.counters.add(MagCounter::RestartNotices);
        }
    }

    pub(super) fn on_binding_error(
        &mut self,
        from: Ipv6Addr,
        error: &BindingError,
        effects: &mut Vec<Effect>,
    ) {
        if error.status == BindingError::UNRECOGNIZED_MH_TYPE
            && self.peers.on_unknown_type(from, effects)
        {
            self.core.counters.add(MagCounter::PeersWithoutHeartbeats);
        }
        self.ignore(from, MagCounter::BindingErrors, effects);
    }

    fn put_turns(&mut self, lma: Ipv6Addr, fate: Fate, effects: &mut Vec<Effect>) {
        if matches!(fate, Fate::Anew { .. }) && !self.core.config.renew_when_restarted {
            return;
        }
        let theirs = |registration: &Registration| {
            registration.list.lma == lma && registration.bound.is_some()
        };
        let visitors = self.visitors.iter();
        let links = visitors
            .filter(|(_, visitor)| visitor.registration.as_ref().is_some_and(theirs))
            .map(|(&link, _)| link);
        self.turns.put(lma, fate, links, effects);
    }

    /// Registers hosts of an anchor anew, or ends their bindings, unless it has accepted them since.
    pub(super) fn on_turn(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (lma, fate, link) in self.turns.take(&self.core.config.heartbeat, effects) {
            let visitor = self.visitors.get(&link);
            let registration = visitor.and_then(|visitor| visitor.registration.as_ref());
            let Some(registration) = registration.filter(|it| it.list.lma == lma) else {
                continue;
            };
            let Some(bound) = registration.bound.filter(|_| !registration.halted) else {
                continue;
            };
            match fate {
                Fate::Anew { until } if bound.since <= until => {
                    self.core.counters.add(MagCounter::BindingsRenewed);
                    self.extend(now, link, effects);
                }
                Fate::Down { until } if bound.since <= until && self.peers.is_down(lma) => {
                    self.core.counters.add(MagCounter::BindingsEndedWithPeer);
                    self.lapse(now, link, effects);
                }
                Fate::Anew { .. } | Fate::Down { .. } => {}
            }
        }
    }
}
