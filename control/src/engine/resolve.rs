//! Neighbours and what follows from them: solicitations, adjacencies, routes, and the next hops of
//! tunnels.

use super::{Alarm, Engine};
use crate::counters::Counter;
use crate::frame;
use crate::neighbour::{Act, Neighbour};
use crate::routing::{Hop, Routing};
use dataplane::key::{AdjacencyId, AdjacencySpec, InterfaceId};
use roles::{Now, Role};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::ether::MacAddr;
use wire::ipv6::address::{multicast_mac, solicited_node};
use wire::nd::{NdMessage, NdOption, NeighbourSolicitation};

/// The least time between two publications of the topology.
const PUBLISH_EVERY: Duration = Duration::from_millis(10);

/// What one more route costs of that time: compiling many routes must not fill the thread.
const PUBLISH_PER_ROUTE: Duration = Duration::from_micros(2);

impl<R: Role> Engine<R> {
    /// A worker holds a packet for this neighbour.
    pub(super) fn wanted(&mut self, now: Now, interface: InterfaceId, address: IpAddr) {
        let owned = self
            .routing
            .link(interface)
            .is_none_or(|link| link.owns(address));
        if owned || address.is_multicast() || address.is_unspecified() {
            return;
        }
        let mut acts = Vec::new();
        let neighbour = Neighbour { interface, address };
        if self.neighbours.want(neighbour, &mut acts).is_err() {
            self.out.counters.count(Counter::NeighbourFull);
        }
        self.act(now, acts);
    }

    /// A neighbour's timer has run out.
    pub(super) fn neighbour_alarm(&mut self, now: Now, neighbour: Neighbour) {
        let mut acts = Vec::new();
        self.neighbours.alarm(neighbour, &mut acts);
        self.act(now, acts);
    }

    /// Does what the neighbour cache wants done.
    pub(super) fn act(&mut self, now: Now, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Solicit { neighbour, mac } => self.solicit(neighbour, mac),
                Act::Up { neighbour, mac } => self.up(neighbour, mac),
                Act::Down { neighbour } => {
                    tracing::debug!(address = %neighbour.address, "a neighbour does not answer");
                    self.out.counters.count(Counter::NeighbourFailed);
                    self.drop_waiting(neighbour);
                    self.down(neighbour);
                }
                Act::Alarm { neighbour, after } => {
                    let at = now.monotonic + after;
                    self.wheel.set(Alarm::Neighbour(Box::new(neighbour)), at);
                }
                Act::Forget { neighbour } => {
                    self.wheel.cancel(&Alarm::Neighbour(Box::new(neighbour)));
                    self.down(neighbour);
                }
            }
        }
    }

    /// The link of a port has come up: what was asked for before is asked for now.
    pub fn link_came_up(&mut self, now: Now) {
        let mut acts = Vec::new();
        self.neighbours.ask_kept(&mut acts);
        self.act(now, acts);
    }

    /// Asks for a neighbour: everyone in its solicited-node group, or itself.
    pub(super) fn solicit(&mut self, neighbour: Neighbour, mac: Option<MacAddr>) {
        let Some(link) = self.routing.link(neighbour.interface) else {
            return;
        };
        let target = match neighbour.address {
            IpAddr::V6(target) => target,
            IpAddr::V4(target) => return self.ask_arp(neighbour.interface, target, mac),
        };
        let Some(IpAddr::V6(source)) = link.source_for(target.into()) else {
            return;
        };
        let group = solicited_node(target);
        let (destination, to) = match mac {
            Some(mac) => (target, mac),
            None => (group, multicast_mac(group)),
        };
        let message = NdMessage::NeighbourSolicitation(NeighbourSolicitation {
            target,
            options: vec![NdOption::SourceLinkLayer(link.interface.mac)],
        });
        let macs = (link.interface.mac, to);
        if let Ok(frame) = frame::discovery_frame(macs, source, destination, &message) {
            if self.out.frame(neighbour.interface, &frame) {
                self.out.counters.count(Counter::SolicitationSent);
            }
        }
    }

    /// A neighbour is resolved, or has another link-layer address.
    fn up(&mut self, neighbour: Neighbour, mac: MacAddr) {
        let spec = AdjacencySpec {
            interface: neighbour.interface,
            mac,
        };
        if let Some(adjacency) = self.resolved.get(&neighbour) {
            return self.writer.set_adjacency(*adjacency, spec);
        }
        let Ok(adjacency) = self.writer.add_adjacency(spec) else {
            self.homeless = true;
            return self.out.counters.count(Counter::AdjacencyFull);
        };
        self.resolved.insert(neighbour, adjacency);
        self.await_publication(neighbour);
        self.look_for_hops();
        self.resolve_tunnels(neighbour, Some(adjacency));
        self.stale = true;
    }

    /// Tunnels by way of a neighbour follow what is known of it. Their next hops are kept; of others
    /// there can be many, which is no reason to look at all tunnels.
    fn resolve_tunnels(&mut self, neighbour: Neighbour, adjacency: Option<AdjacencyId>) {
        if self.neighbours.is_kept(neighbour) {
            self.tunnels.resolve(neighbour, adjacency, &mut self.writer);
        }
    }

    /// Tries again to give those neighbours an adjacency that found no room for theirs.
    pub(super) fn place_homeless(&mut self) {
        if !std::mem::take(&mut self.homeless) {
            return;
        }
        for (neighbour, _, mac) in self.neighbours.list() {
            if let Some(mac) = mac.filter(|_| !self.resolved.contains_key(&neighbour)) {
                self.up(neighbour, mac);
            }
        }
    }

    /// A neighbour can no longer be reached.
    fn down(&mut self, neighbour: Neighbour) {
        if let Some(adjacency) = self.resolved.remove(&neighbour) {
            self.look_for_hops();
            self.resolve_tunnels(neighbour, None);
            self.retired.push(adjacency);
            self.stale = true;
        }
    }

    /// Publishes the topology if it has changed, at once or when enough time has passed since the
    /// last time. Adjacencies that only the old one named are removed after it.
    pub(super) fn publish(&mut self, now: Now) {
        if !self.stale {
            return;
        }
        let routes = self.resolved.len() + self.routing.routes.len();
        let pause = PUBLISH_EVERY + PUBLISH_PER_ROUTE * u32::try_from(routes).unwrap_or(u32::MAX);
        if let Some(due) = self.published.map(|last| last + pause) {
            if due > now.monotonic {
                self.wheel.set(Alarm::Publish, due);
                return;
            }
        }
        let topology = self.routing.topology(&self.resolved, &self.peers);
        self.writer.publish(topology);
        for adjacency in self.retired.drain(..) {
            self.writer.remove_adjacency(adjacency);
        }
        self.published = Some(now.monotonic);
        self.stale = false;
        self.wheel.cancel(&Alarm::Publish);
        self.send_waiting(now);
    }

    /// The neighbour that packets to `remote` go to, if any. An IPv4 address is in its IPv6 form.
    pub(super) fn hop_to(&self, remote: Ipv6Addr) -> Option<Neighbour> {
        match self.routing.next_hop(remote.to_canonical()) {
            Hop::Neighbour(neighbour) => Some(neighbour),
            Hop::Local | Hop::None => None,
        }
    }

    /// Keeps the routers of static routes and the next hops towards peers resolved, so that the
    /// first message and the first packet need not wait for them.
    pub(super) fn keep_next_hops(&mut self, now: Now) {
        let mut wanted = self.routing.routers();
        wanted.extend(self.peers.iter().filter_map(|peer| self.hop_to(*peer)));
        wanted.sort_unstable();
        wanted.dedup();
        let mut acts = Vec::new();
        for neighbour in &wanted {
            self.neighbours.keep(*neighbour, &mut acts);
        }
        for neighbour in std::mem::replace(&mut self.kept, wanted) {
            self.neighbours.release(neighbour);
        }
        self.look_for_hops();
        self.act(now, acts);
    }

    /// Goes by other static routes from now on, and by other peers.
    pub fn reroute(&mut self, now: Now, mut routing: Routing, peers: Vec<Ipv6Addr>) {
        self.keep_routers(&mut routing);
        self.routing = routing;
        self.peers = peers;
        self.peers.extend(self.sessions.anchors());
        self.keep_next_hops(now);
        let mut acts = Vec::new();
        for (ends, old) in self.tunnels.ends() {
            let hop = self.hop_to(ends.remote);
            if hop == old {
                continue;
            }
            if let Some(neighbour) = hop {
                self.neighbours.keep(neighbour, &mut acts);
            }
            if let Some(neighbour) = old {
                self.neighbours.release(neighbour);
            }
            let adjacency = hop.and_then(|hop| self.resolved.get(&hop).copied());
            self.tunnels.reroute(ends, hop, adjacency, &mut self.writer);
        }
        self.stale = true;
        self.act(now, acts);
        self.publish(now);
    }
}
