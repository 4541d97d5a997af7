//! Heartbeats at a gateway (RFC 5847): what becomes of the hosts of an anchor that has failed or
//! restarted.

use super::counters::MagCounter;
use super::visitor::Registration;
use super::Mag;
use crate::effect::Effect;
use crate::heartbeat::{Asked, Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::Heartbeat;

impl Mag {
    pub(super) fn on_heartbeat(
        &mut self,
        now: Now,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) {
        let core = &mut self.core;
        // What an anchor that has restarted, or was away, has of a host is not known.
        let until = now.monotonic;
        let told = self
            .peers
            .hear(until, ends, heartbeat, &mut core.counters, effects);
        if matches!(told, Told::Back | Told::Restarted { .. }) {
            self.put_turns(ends.0, Fate::Anew { until }, effects);
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let core = &mut self.core;
        let config = core.config.heartbeat;
        let (until, ends) = (now.monotonic, (core.config.address, peer));
        let asked = self
            .peers
            .look(&config, until, ends, &mut core.counters, effects);
        if asked == Asked::Down && config.end_when_down {
            self.put_turns(peer, Fate::Down { until }, effects);
        }
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
