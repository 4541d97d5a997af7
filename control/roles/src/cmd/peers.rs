//! Heartbeats at a database (RFC 5847): which MAARs are there, and what becomes of what they anchor when one
//! has restarted without it, or is back.
//!
//! Nothing ends because a MAAR is down: its hosts may be on their way to another, with all that they have. One
//! that is back is told again where the hosts are whose prefixes it anchors, as it may have missed it; what
//! it has lost, it says itself then.

use super::counters::CmdCounter;
use super::Cmd;
use crate::effect::Effect;
use crate::heartbeat::{Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::Heartbeat;

impl Cmd {
    /// A session is served elsewhere than before.
    pub(super) fn serves(
        &mut self,
        before: Option<Ipv6Addr>,
        after: Option<Ipv6Addr>,
        effects: &mut Vec<Effect>,
    ) {
        if before == after {
            return;
        }
        if let Some(maar) = before {
            self.peers.unshare(maar, effects);
        }
        if let Some(maar) = after {
            self.peers.share(&self.config.heartbeat, maar, effects);
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        now: Now,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) {
        let (maar, until) = (ends.0, now.monotonic);
        let counters = &mut self.counters;
        let told = self.peers.hear(until, ends, heartbeat, counters, effects);
        let anew = matches!(told, Told::Back | Told::Restarted { .. });
        if anew && self.config.renew_when_restarted {
            let theirs = self.cache.iter();
            let theirs = theirs.filter(|it| it.serving != Some(maar) && it.anchor(maar).is_some());
            let sessions: Vec<u64> = theirs.map(|it| it.session).collect();
            self.turns
                .put(maar, Fate::Anew { until }, sessions, effects);
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        maar: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let (config, ends) = (self.config.heartbeat, (self.config.address, maar));
        let counters = &mut self.counters;
        // That it is down is counted and told: nothing else follows.
        let _asked = self
            .peers
            .look(&config, now.monotonic, ends, counters, effects);
    }

    /// Tells MAARs anew where hosts are whose prefixes they anchor.
    pub(super) fn on_turn(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (maar, _, session) in self.turns.take(&self.config.heartbeat, effects) {
            let Some(entry) = self.cache.get_mut(session) else {
                continue;
            };
            let serving = entry.serving;
            let anchor = entry.anchor_mut(maar).filter(|_| serving != Some(maar));
            let Some(anchor) = anchor.filter(|it| it.exchange.is_none()) else {
                continue;
            };
            anchor.told = None;
            anchor.silent = None;
            self.counters.add(CmdCounter::AnchorsAskedAnew);
            self.pursue(now, session, effects);
        }
    }
}
