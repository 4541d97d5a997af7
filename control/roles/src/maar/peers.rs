//! Heartbeats at a gateway (RFC 5847): whether the database is there, and what becomes of hosts when it has
//! restarted without its sessions, or is back.
//!
//! A database that is away takes nothing from anybody: what was told of hosts before is forwarded. Where
//! there is none, nobody is asked: an anchor that is gone is noticed by the updates that it does not answer.

use super::node::Node;
use super::{Maar, MaarCounter};
use crate::effect::Effect;
use crate::heartbeat::{Fate, Told};
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::{Heartbeat, MnIdentifier};

impl Maar {
    /// The database is whom we have hosts together with.
    pub(super) fn share(&mut self, effects: &mut Vec<Effect>) {
        if let Some(cmd) = self.core.config.cmd() {
            let config = self.core.config.heartbeat;
            let hosts = self.nodes.len();
            self.peers.share_all(&config, cmd, hosts, effects);
        }
    }

    /// We have started. `lost`: without the hosts that we may have had.
    pub(super) fn start(&mut self, restart_counter: u32, lost: bool, effects: &mut Vec<Effect>) {
        self.peers.start(restart_counter, lost);
        if let Some(cmd) = self.core.config.cmd() {
            self.peers.name(&[cmd], effects);
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        now: Now,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) {
        let counters = &mut self.core.counters;
        let until = now.monotonic;
        let told = self.peers.hear(until, ends, heartbeat, counters, effects);
        let anew = matches!(told, Told::Back | Told::Restarted { .. });
        if anew && self.core.config.renew_when_restarted {
            let served = |node: &Node| {
                let here = node.visit.as_ref().filter(|it| it.bound.is_some());
                here.is_some_and(|it| !it.goes_alone(&self.core.config))
            };
            let hosts = self.nodes.iter().map(|(_, node)| node);
            let hosts = hosts.filter(|node| served(node));
            let hosts: Vec<MnIdentifier> = hosts.map(|it| it.mn_identifier.clone()).collect();
            self.turns.put(ends.0, Fate::Anew { until }, hosts, effects);
        }
    }

    pub(super) fn on_heartbeat_timer(
        &mut self,
        now: Now,
        peer: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let core = &mut self.core;
        let (config, ends) = (core.config.heartbeat, (core.config.address, peer));
        // That it is down is counted and told: nothing else follows.
        let _asked = self
            .peers
            .look(&config, now.monotonic, ends, &mut core.counters, effects);
    }

    /// Registers hosts anew, unless the database has accepted them since.
    pub(super) fn on_turn(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (_, fate, host) in self.turns.take(&self.core.config.heartbeat, effects) {
            let (Fate::Anew { until } | Fate::Down { until }) = fate;
            let visit = self.nodes.get(&host).and_then(|node| node.visit.as_ref());
            let bound = visit.and_then(|visit| visit.bound);
            if bound.is_some_and(|bound| bound.since <= until) {
                self.count(MaarCounter::HostsRenewed);
                self.refresh(now, &host, effects);
            }
        }
    }
}
