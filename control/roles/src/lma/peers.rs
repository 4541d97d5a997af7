//! Heartbeats at an anchor (RFC 5847): what becomes of the bindings of a gateway that has failed or
//! restarted.

use super::counters::LmaCounter;
use super::Lma;
use crate::effect::Effect;
use crate::heartbeat::{Asked, Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{BindingError, Heartbeat};

impl Lma {
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
        if heartbeat.response && matches!(told, Told::There | Told::Back | Told::Restarted { .. }) {
            self.counters.add(LmaCounter::HeartbeatsAnswered);
        }
        match told {
            Told::Stranger => self.ignore(from, LmaCounter::HeartbeatsByStrangers, effects),
            Told::TooMany => self.ignore(from, LmaCounter::HeartbeatsUnanswered, effects),
            Told::Unexpected => self.ignore(from, LmaCounter::HeartbeatsUnexpected, effects),
            Told::Asked => self.counters.add(LmaCounter::HeartbeatsReceived),
            Told::There | Told::Back => {}
            Told::Restarted { until } => {
                self.counters.add(LmaCounter::PeersRestarted);
                if self.config.end_when_restarted {
                    self.put_turns(from, Fate::Anew { until }, effects);
                }
            }
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let (config, local) = (self.config.heartbeat, self.config.address);
        let asked = self
            .peers
            .ask(&config, now.monotonic, (local, peer), effects);
        if asked != Asked::Not {
            self.counters.add(LmaCounter::HeartbeatsSent);
        }
        if asked == Asked::Down {
            self.counters.add(LmaCounter::PeersDown);
            if config.end_when_down {
                let until = now.monotonic;
                self.put_turns(peer, Fate::Down { until }, effects);
            }
        }
    }

    pub(super) fn on_restart_notice(&mut self, effects: &mut Vec<Effect>) {
        for _ in 0..self.peers.announce(self.config.address, effects) {
            self.counters.add(LmaCounter::RestartNotices);
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
            self.counters.add(LmaCounter::PeersWithoutHeartbeats);
        }
        self.ignore(from, LmaCounter::BindingErrors, effects);
    }

    fn put_turns(&mut self, peer: Ipv6Addr, fate: Fate, effects: &mut Vec<Effect>) {
        let theirs = self.cache.iter().filter(|entry| entry.care_of == peer);
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
