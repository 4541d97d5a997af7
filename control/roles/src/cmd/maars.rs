//! The MAARs of the domain, and what becomes of sessions when one is no longer of it.

use super::config::MaarPeer;
use super::counters::CmdCounter;
use super::Cmd;
use crate::effect::Effect;
use crate::event::Timer;
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, RevocationTrigger};

impl Cmd {
    /// The MAARs were read. What hosts have of those that are gone ends now.
    pub(super) fn on_maars(&mut self, now: Now, maars: &[MaarPeer], effects: &mut Vec<Effect>) {
        let known = maars.iter();
        self.maars = known.map(|it| (it.address, it.pools.clone())).collect();
        let addresses: Vec<Ipv6Addr> = self.maars.keys().copied().collect();
        self.peers.name(&addresses, effects);
        let touched = self.cache.iter().filter(|entry| {
            let mut anchors = entry.anchors.iter();
            anchors.any(|it| !self.maars.contains_key(&it.address))
        });
        let touched: Vec<u64> = touched.map(|entry| entry.session).collect();
        for session in touched {
            self.part_with(now, session, effects);
        }
    }

    /// Takes MAARs that are not of the domain out of a session.
    fn part_with(&mut self, now: Now, session: u64, effects: &mut Vec<Effect>) {
        let maars = &self.maars;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let before: Vec<HomeNetworkPrefix> = entry.prefixes().collect();
        let is_gone = |maar: &Ipv6Addr| !maars.contains_key(maar);
        let mut lost = Vec::new();
        for anchor in entry.anchors.iter().filter(|it| is_gone(&it.address)) {
            let maar = anchor.address;
            lost.extend_from_slice(&anchor.prefixes);
            effects.push(Effect::CancelTimer {
                timer: Timer::AnchorUpdate { session, maar },
            });
        }
        entry.anchors.retain(|it| !is_gone(&it.address));
        let served = entry.serving.is_some_and(|it| !is_gone(&it));
        let was_served = entry.serving.is_some();
        self.cache.reindex(session, &before);
        if was_served && !served {
            self.counters.add(CmdCounter::SessionsWithdrawn);
            return self.end(now, session, RevocationTrigger::ADMINISTRATIVE, effects);
        }
        self.lose(session, &lost, RevocationTrigger::ADMINISTRATIVE);
        self.store(session, effects);
        self.anchor_settled(now, session, false, effects);
    }
}
