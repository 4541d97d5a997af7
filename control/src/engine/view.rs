//! What others may see of an engine: the control socket's requests, metrics, and whoever steps it.

use super::Engine;
use crate::counters::Counters;
use crate::latency::Summary;
use crate::neighbour::Neighbours;
use crate::routing::Routing;
use crate::rpc::Notices;
use crate::talkers::Talkers;
use dataplane::counters::BindingTotals;
use dataplane::rings::ControlRings;
use dataplane::tables::Writer;
use roles::event::HostLink;
use roles::{BoundPrefix, Now, Role};

impl<R: Role> Engine<R> {
    /// The role.
    pub fn role(&self) -> &R {
        &self.role
    }

    /// What the control plane counted.
    pub fn counters(&self) -> &Counters {
        &self.out.counters
    }

    /// The tables' writer.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Interfaces and routes.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// What was counted for the binding of a prefix; zeros when there is none.
    pub fn totals(&mut self, prefix: BoundPrefix) -> BindingTotals {
        let id = self.bindings.get(&prefix).map(|installed| installed.id);
        id.map(|id| self.writer.totals(id)).unwrap_or_default()
    }

    /// Adjacencies in use: of neighbours and of hosts.
    pub fn adjacencies(&self) -> usize {
        self.resolved.len() + self.hosts.len()
    }

    /// Why a host may not attach, if it was the last that was refused.
    pub fn refusal(&self, link: HostLink) -> Option<&str> {
        let (refused, why) = self.refused.as_ref()?;
        (*refused == link).then_some(why)
    }

    /// The neighbour cache.
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// The bindings that most goes through, for someone who wants to know now.
    pub(crate) fn talkers(&mut self, now: Now) -> &Talkers {
        self.talkers.want(now);
        &self.talkers
    }

    /// Whether one more line about what others did may go into the log.
    pub(crate) fn may_log(&mut self, now: Now) -> bool {
        self.log.take(now.monotonic, &mut self.out.counters)
    }

    /// Where notices are published.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// The rings, for the event loop that sleeps on them.
    pub fn rings(&mut self) -> &mut ControlRings {
        self.out.rings()
    }

    /// Control-thread time from update to acknowledgement.
    pub fn latency(&self) -> Summary {
        self.latency.summary()
    }

    /// The worker that holds back reclamation, if one has for a whole round of housekeeping.
    pub fn stalled(&self) -> Option<usize> {
        self.stalled
    }

    /// Timers that run.
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }
}
