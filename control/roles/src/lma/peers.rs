//! Heartbeats at an anchor (RFC 5847): what becomes of the bindings of a gateway that has failed or
//! restarted.

use super::counters::LmaCounter;
use super::Lma;
use crate::effect::Effect;
use crate::heartbeat::{Asked, Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::Heartbeat;

impl Lma {
    pub(super) fn on_heartbeat(
        &mut self,
        now: Now,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) {
        let peers = &mut self.peers;
        let told = peers.hear(now.monotonic, ends, heartbeat, &mut self.counters, effects);
        if let Told::Restarted { until } = told {
            if self.config.end_when_restarted {
                self.put_turns(ends.0, Fate::Anew { until }, effects);
            }
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let config = self.config.heartbeat;
        let (until, ends) = (now.monotonic, (self.config.address, peer));
        let peers = &mut self.peers;
        let asked = peers.look(&config, until, ends, &mut self.counters, effects);
        if asked == Asked::Down && config.end_when_down {
            self.put_turns(peer, Fate::Down { until }, effects);
        }
    }

    fn put_turns(&mut self, peer: Ipv6Addr, fate: Fate, effects: &mut Vec<Effect>) {
        let theirs = self.cache.proxies().filter(|entry| entry.care_of == peer);
        let sessions = theirs.map(|entry| entry.session);
        self.turns.put(peer, fate, sessions, effects);
    }

    /// Ends bindings of a gateway that has failed or restarted, unless they have moved or been
    /// registered since.
    pub(super) fn on_turn(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (peer, fate, session) in self.turns.take(&self.config.heartbeat, effects) {
            let until = match fate {
                // It is back before its last binding has ended.
                Fate::Down { .. } if !self.peers.is_down(peer) => continue,
                Fate::Down { until } | Fate::Anew { until } => until,
            };
            let entry = self.cache.get(session);
            if entry.is_some_and(|entry| entry.care_of == peer && entry.accepted <= until) {
                self.remove(now, session, LmaCounter::BindingsEndedWithPeer, effects);
            }
        }
    }
}
