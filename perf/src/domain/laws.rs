//! The laws: what holds for every host once signalling has settled, and for all when it is over.
//!
//! - A host that is in the domain is served: it has an address to begin sessions with.
//! - A prefix of it that is in use has exactly one anchor, and exactly one gateway hands its packets to the
//!   host: the one that the host is with, by a path that leads from the one to the other.
//! - A prefix that no gateway anchors any more is not alive. Without faults that is against the law while
//!   it is in use; with faults it is counted: a network that was in pieces for longer than a lifetime may
//!   break sessions.
//! - Of a host that has left, nothing is in any table once its lifetimes are over.
//!
//! Two more hold at every moment, and are looked at with every change of a table (`apply`): packets do not
//! go round, and nobody anchors a prefix of another's pool.

use super::ground::Place;
use super::host::{Held, Host};
use super::part::{Part, SECOND};
use super::routes::{HostNumber, Way};

/// Within how long the gateway that serves a prefix hears that its anchor has let go of it, where no message
/// is lost.
const HEARD_US: u64 = SECOND;

impl Part {
    /// Holds a host against the laws, unless it or the network has just changed.
    pub fn inspect(&mut self, number: HostNumber) {
        let now = self.agenda.now();
        if !self.trouble.is_calm(now) {
            return;
        }
        let host = &self.hosts[number];
        let wait = match host.at {
            Some(_) => self.scenario.settle_s * SECOND,
            None => self.scenario.mend_us(),
        };
        if host.moves == 0 || now < host.since + wait {
            return;
        }
        self.figures.inspections += 1;
        if self.scenario.faults {
            self.bury(number);
        }
        let wrong = match self.hosts[number].at {
            Some(at) => self.wrong_here(number, at),
            None => self.wrong_away(number),
        };
        if let Some(what) = wrong {
            self.violate(Some(number), what);
        }
    }

    /// A host has no longer what no gateway anchors any more.
    fn bury(&mut self, number: HostNumber) {
        let now = self.agenda.now();
        for place in (0..self.hosts[number].held.len()).rev() {
            let prefix = self.hosts[number].held[place].prefix;
            if let Some(route) = self.hosts[number].routes.get(prefix) {
                if !route.is_orphan(now, HEARD_US) {
                    continue;
                }
                let holds = &route.holds;
                self.trace_note(number, format_args!("{prefix} is an orphan: {holds:?}"));
                self.figures.orphans += 1;
            }
            let host = &mut self.hosts[number];
            if host.current != Some(prefix) {
                self.figures.broken += host.lose(prefix, now);
            }
        }
    }

    /// What is wrong with a host that has settled at a gateway.
    fn wrong_here(&self, number: HostNumber, at: Place) -> Option<String> {
        let now = self.agenda.now();
        let host = &self.hosts[number];
        if !host.served {
            return Some(format!("it is with gateway {at}, which does not serve it"));
        }
        let in_use = |held: &&Held| host.current == Some(held.prefix) || held.is_used(now);
        host.held
            .iter()
            .filter(in_use)
            .find_map(|held| self.wrong_path(host, held, at))
    }

    /// What is wrong with the path of a prefix in use.
    fn wrong_path(&self, host: &Host, held: &Held, at: Place) -> Option<String> {
        let (prefix, anchor) = (held.prefix, held.anchor);
        let Some(route) = host.routes.get(prefix) else {
            return Some(format!("{prefix} is in use and in no table"));
        };
        let told = || format!("its host is with gateway {at}: {:?}", route.holds);
        let anchors = route.holds.iter().filter(|hold| hold.way.anchors()).count();
        if anchors != 1 {
            return Some(format!("{prefix} has {anchors} anchors; {}", told()));
        }
        let serving: Vec<Place> = route
            .holds
            .iter()
            .filter(|hold| hold.way.serves())
            .map(|hold| hold.place)
            .collect();
        if serving != [at] {
            return Some(format!("{prefix} is served by {serving:?}; {}", told()));
        }
        let whole = if anchor == at {
            route.at(at).map(|hold| hold.way) == Some(Way::Local)
        } else {
            route.first_packet(at, |_| 0).is_some()
        };
        (!whole).then(|| format!("{prefix} does not lead to its host; {}", told()))
    }

    /// What is left of a host that left long ago.
    fn wrong_away(&self, number: HostNumber) -> Option<String> {
        let host = &self.hosts[number];
        host.routes.iter().next().map(|route| {
            let (prefix, holds) = (route.prefix, &route.holds);
            format!("it has left, and {prefix} is in use: {holds:?}")
        })
    }

    /// Holds the part against the laws when every host has left the domain long ago.
    pub fn inspect_end(&mut self) {
        if let Some((host, what)) = self.wrong_at_end() {
            self.violate(host, what);
        }
    }

    fn wrong_at_end(&self) -> Option<(Option<HostNumber>, String)> {
        let mut routes = self.hosts.iter().flat_map(|(number, host)| {
            let routes = host.routes.iter();
            routes.map(move |route| (number, route))
        });
        if let Some((host, route)) = routes.next() {
            let (prefix, holds) = (route.prefix, &route.holds);
            let what = format!("all have left, and {prefix} is in use: {holds:?}");
            return Some((Some(host), what));
        }
        if let Some(host) = self.server.has_after(self.scenario.end()) {
            let what = "all have left, and the DHCPv6 server has leases of it".to_owned();
            return Some((Some(host), what));
        }
        for (place, node) in self.nodes.iter() {
            let sessions = node.process.sessions();
            if sessions > 0 {
                let what = format!("all have left, and gateway {place} has {sessions} sessions");
                return Some((None, what));
            }
            if !node.kept.is_empty() {
                let what = format!("all have left, and gateway {place} keeps {:?}", node.kept);
                return Some((None, what));
            }
        }
        None
    }
}
