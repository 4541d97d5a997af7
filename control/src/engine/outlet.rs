//! The way out: frames and packets to the workers' rings.

use crate::counters::{Counter, Counters};
use dataplane::key::{Domain, InterfaceId};
use dataplane::rings::{ControlRings, Inject};

/// Control's end of the rings, with what it counts.
pub struct Outlet {
    rings: ControlRings,
    preferred: usize,
    /// What the control plane counted.
    pub counters: Counters,
}

impl Outlet {
    /// Over these rings.
    pub(super) fn new(rings: ControlRings) -> Self {
        Self {
            rings,
            preferred: 0,
            counters: Counters::default(),
        }
    }

    /// The rings.
    pub(super) fn rings(&mut self) -> &mut ControlRings {
        &mut self.rings
    }

    /// Sends what follows through this worker, as long as its ring has room.
    pub(super) fn prefer(&mut self, worker: usize) {
        self.preferred = worker;
    }

    /// Sends a frame on an interface; whether a ring took it.
    pub(super) fn frame(&mut self, interface: InterfaceId, data: &[u8]) -> bool {
        self.inject(Inject::Frame { interface, data })
    }

    /// Sends a packet of the gateway's own; whether a ring took it.
    pub(super) fn packet(&mut self, data: &[u8]) -> bool {
        let domain = Domain::default();
        self.inject(Inject::Packet { domain, data })
    }

    /// Puts it into the preferred worker's ring, or that of the first worker that has room.
    fn inject(&mut self, what: Inject<'_>) -> bool {
        let workers = self.rings.workers();
        let sent = (0..workers).any(|turn| {
            let worker = (self.preferred + turn) % workers;
            self.rings.inject(worker, what).is_ok()
        });
        if !sent {
            self.counters.count(Counter::InjectRefused);
        }
        sent
    }
}
