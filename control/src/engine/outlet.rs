//! The way out: frames and packets to the workers' rings, or packets to the kernel.

use crate::counters::{Counter, Counters};
use crate::kernel::Kernel;
use dataplane::key::{Domain, InterfaceId};
use dataplane::rings::{ControlRings, Inject};

/// Control's end of the rings, with what it counts.
pub struct Outlet {
    rings: ControlRings,
    kernel: Option<Kernel>,
    preferred: usize,
    /// What the control plane counted.
    pub counters: Counters,
}

impl Outlet {
    /// Over these rings; packets by way of the kernel, where there is one.
    pub(super) fn new(rings: ControlRings, kernel: Option<Kernel>) -> Self {
        Self {
            rings,
            kernel,
            preferred: 0,
            counters: Counters::default(),
        }
    }

    /// The rings.
    pub(super) fn rings(&mut self) -> &mut ControlRings {
        &mut self.rings
    }

    /// The next packet that has come by way of the kernel.
    pub(super) fn hear(&mut self) -> Option<Vec<u8>> {
        self.kernel.as_mut()?.receive()
    }

    /// Sends what follows through this worker, as long as its ring has room.
    pub(super) fn prefer(&mut self, worker: usize) {
        self.preferred = worker;
    }

    /// Sends a frame on an interface; whether a ring took it.
    pub(super) fn frame(&mut self, interface: InterfaceId, data: &[u8]) -> bool {
        self.inject(Inject::Frame { interface, data })
    }

    /// Sends a packet of the gateway's own; whether a ring, or the kernel, took it.
    pub(super) fn packet(&mut self, data: &[u8]) -> bool {
        if let Some(kernel) = &self.kernel {
            let sent = kernel.send(data);
            if let Err(error) = &sent {
                tracing::debug!(%error, "the kernel does not send a packet");
                self.counters.count(Counter::KernelRefused);
            }
            return sent.is_ok();
        }
        self.packet_ipv4(data)
    }

    /// The same of an IPv4 packet, which never goes by way of the kernel.
    pub(super) fn packet_ipv4(&mut self, data: &[u8]) -> bool {
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
