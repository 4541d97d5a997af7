//! Messages of our own that wait for the link-layer address of their next hop.
//!
//! A worker holds one packet for a neighbour that is not resolved, which is enough for what passes
//! through. But the first answers to a peer come in a row: without a place to wait, all of them but one
//! would be lost, and be asked for again a second later.
//!
//! ```text
//!   send ─► next hop resolved, and in the topology? ─yes─► out
//!              │no: waits, and the neighbour is asked at once
//!              ├─► resolved, topology published ─► out, in turn
//!              └─► it does not answer ─► dropped, and counted
//! ```

use super::Engine;
use crate::counters::Counter;
use crate::neighbour::Neighbour;
use roles::{Now, Role};
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Messages that wait at most.
const MOST: usize = 1_024;

/// How long one waits at most: what is older, its sender has sent again or given up.
const LONGEST: Duration = Duration::from_secs(3);

/// A message, since when it waits, and for whom.
struct Waiting {
    since: Duration,
    hop: Neighbour,
    packet: Vec<u8>,
}

/// The messages, in the order in which they were to be sent.
#[derive(Default)]
pub(super) struct Unsent {
    packets: VecDeque<Waiting>,
    /// Whether the next hop of a peer is not resolved, or workers do not know the way to it yet.
    pub(super) hops_missing: bool,
    /// Next hops of peers that are resolved, and not in the topology that workers go by.
    unpublished: Vec<Neighbour>,
}

impl<R: Role> Engine<R> {
    /// The next hop to `to`, if it is a peer's and nothing can be sent to it yet.
    fn missing_hop(&self, to: Ipv6Addr) -> Option<Neighbour> {
        // Nearly always all are there, and nothing has to be looked up.
        if !self.unsent.hops_missing {
            return None;
        }
        let missing = |hop: &Neighbour| {
            !self.resolved.contains_key(hop) || self.unsent.unpublished.contains(hop)
        };
        self.hop_to(to)
            .filter(|hop| missing(hop) && self.kept.contains(hop))
    }

    /// Looks again whether something can be sent to the next hops of all peers.
    pub(super) fn look_for_hops(&mut self) {
        let unresolved = |hop: &Neighbour| !self.resolved.contains_key(hop);
        self.unsent.hops_missing =
            !self.unsent.unpublished.is_empty() || self.kept.iter().any(unresolved);
    }

    /// The next hop of a peer is resolved: workers know the way with the next topology.
    pub(super) fn await_publication(&mut self, hop: Neighbour) {
        if self.kept.contains(&hop) {
            self.unsent.unpublished.push(hop);
        }
    }

    /// Sends a packet of our own to a gateway, now or when the way to it is known.
    pub(super) fn send_packet(&mut self, now: Now, to: Ipv6Addr, packet: Vec<u8>) -> bool {
        let Some(hop) = self.missing_hop(to) else {
            return self.out.packet(&packet);
        };
        self.drop_old(now);
        if self.unsent.packets.len() >= MOST {
            self.out.counters.count(Counter::MessageUnreachable);
            return false;
        }
        let first = self.unsent.packets.iter().all(|it| it.hop != hop);
        let since = now.monotonic;
        self.unsent
            .packets
            .push_back(Waiting { since, hop, packet });
        self.out.counters.count(Counter::MessageWaits);
        if first {
            let mut acts = Vec::new();
            self.neighbours.ask_at_once(hop, &mut acts);
            self.act(now, acts);
        }
        true
    }

    /// Sends what has waited for next hops that are resolved by now: the topology is published, and workers know
    /// the way.
    pub(super) fn send_waiting(&mut self, now: Now) {
        self.unsent.unpublished.clear();
        self.look_for_hops();
        self.drop_old(now);
        for waiting in std::mem::take(&mut self.unsent.packets) {
            if !self.resolved.contains_key(&waiting.hop) {
                self.unsent.packets.push_back(waiting);
            } else if !self.out.packet(&waiting.packet) {
                self.out.counters.count(Counter::MessageUnreachable);
            }
        }
    }

    /// Drops what has waited for too long.
    fn drop_old(&mut self, now: Now) {
        let packets = &mut self.unsent.packets;
        let is_old = |it: &Waiting| it.since + LONGEST <= now.monotonic;
        while packets.front().is_some_and(is_old) {
            packets.pop_front();
            self.out.counters.count(Counter::MessageUnreachable);
        }
    }

    /// Drops what waits for a next hop that does not answer.
    pub(super) fn drop_waiting(&mut self, hop: Neighbour) {
        let before = self.unsent.packets.len();
        self.unsent.packets.retain(|it| it.hop != hop);
        for _ in self.unsent.packets.len()..before {
            self.out.counters.count(Counter::MessageUnreachable);
        }
    }
}
