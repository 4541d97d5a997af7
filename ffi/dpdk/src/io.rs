//! One worker's share of every port.

use std::time::Duration;

use arrayvec::ArrayVec;
use dpdk_sys as sys;
use packet::{Burst, PortId, RxTx};

use crate::clock;
use crate::fragments::Collector;
use crate::mbuf::{free_bulk, Mbuf};
use crate::pool::Pool;
use crate::port::Link;
use crate::queue::{RxQueue, TxQueue};
use crate::Error;

/// The most queues that a processor is asked to watch at once.
const WATCHED: usize = 16;

/// What one worker has of one port.
pub struct PortShare {
    rx: Vec<RxQueue>,
    /// The queue that is asked first.
    first: usize,
    tx: Option<TxQueue>,
    link: Option<Link>,
}

impl PortShare {
    /// The receive queues that the worker polls, the transmit queue that it sends by, if it has one, and
    /// whether the port takes packets.
    pub fn new(rx: Vec<RxQueue>, tx: Option<TxQueue>, link: Link) -> PortShare {
        PortShare {
            rx,
            first: 0,
            tx,
            link: Some(link),
        }
    }

    /// Takes what has arrived on any of the queues. None of them is always the first to be asked.
    #[inline]
    fn rx(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        if let [only] = self.rx.as_mut_slice() {
            return only.rx(burst);
        }
        let mut came = 0;
        let first = self.first.min(self.rx.len());
        let (before, from) = self.rx.split_at_mut(first);
        for queue in from.iter_mut().chain(before) {
            if burst.is_full() {
                break;
            }
            came += queue.rx(burst);
        }
        self.first = if first + 1 < self.rx.len() {
            first + 1
        } else {
            0
        };
        came
    }
}

/// The queues of one worker, by [`PortId`], and the pool that packets born in it come from.
pub struct WorkerIo {
    // Before the queues: what waits in it may lie in any port's memory.
    fragments: Collector,
    ports: Vec<PortShare>,
    pool: Pool,
}

impl WorkerIo {
    /// Puts a worker's queues together, one pair of every port: `queues[i]` serves `PortId(i)`.
    ///
    /// # Errors
    /// As [`WorkerIo::with`].
    pub fn new(queues: Vec<(RxQueue, TxQueue)>, pool: Pool) -> Result<WorkerIo, Error> {
        let share = |(rx, tx)| PortShare {
            rx: vec![rx],
            first: 0,
            tx: Some(tx),
            link: None,
        };
        WorkerIo::with(queues.into_iter().map(share).collect(), pool)
    }

    /// The same with any share of each port: `ports[i]` serves `PortId(i)`.
    ///
    /// # Errors
    /// [`Error::Reassembly`].
    pub fn with(ports: Vec<PortShare>, pool: Pool) -> Result<WorkerIo, Error> {
        Ok(WorkerIo {
            fragments: Collector::new(pool.clone())?,
            ports,
            pool,
        })
    }

    /// Whether the processor can watch all its receive queues at once, as [`RxTx::wait`] does.
    ///
    /// # Errors
    /// What cannot, in words.
    pub fn can_wait(&self) -> Result<(), String> {
        let mut can = sys::rte_cpu_intrinsics::default();
        // SAFETY: the structure is written.
        unsafe { sys::rte_cpu_get_intrinsics_support(&mut can) };
        let queues = || self.ports.iter().flat_map(|port| &port.rx);
        if can.power_monitor() == 0 {
            return Err("this processor has neither UMWAIT nor MONITORX".to_owned());
        }
        if let Some(queue) = queues().find(|queue| queue.monitored().is_none()) {
            return Err(format!(
                "the driver of port {} does not say what to watch",
                queue.port_name()
            ));
        }
        match queues().count() {
            1 => Ok(()),
            count if count > WATCHED || can.power_monitor_multi() == 0 => Err(format!(
                "this processor cannot watch the {count} queues of one worker at once"
            )),
            _ => Ok(()),
        }
    }
}

impl RxTx for WorkerIo {
    type Buf = Mbuf;
    type Fragments = Collector;

    #[inline]
    fn ports(&self) -> u16 {
        self.ports.len() as u16
    }

    #[inline]
    fn rx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        match self.ports.get_mut(usize::from(port.0)) {
            Some(port) => port.rx(burst),
            None => 0,
        }
    }

    #[inline]
    fn tx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        let port = self.ports.get_mut(usize::from(port.0));
        match port.and_then(|port| port.tx.as_mut()) {
            Some(tx) => tx.tx(burst),
            None => 0,
        }
    }

    #[inline]
    fn is_up(&self, port: PortId) -> bool {
        let port = self.ports.get(usize::from(port.0));
        port.is_some_and(|port| port.link.as_ref().is_none_or(Link::is_up))
    }

    /// Waits for a write to one of the receive queues. False when [`WorkerIo::can_wait`] says that it
    /// cannot.
    fn wait(&mut self, longest: Duration) -> bool {
        let mut watched = ArrayVec::<sys::rte_power_monitor_cond, WATCHED>::new();
        for queue in self.ports.iter().flat_map(|port| &port.rx) {
            let condition = queue.monitored();
            if condition.is_none_or(|condition| watched.try_push(condition).is_err()) {
                return false;
            }
        }
        let cycles = longest.as_nanos() * u128::from(clock::hz()) / 1_000_000_000;
        let until = clock::cycles().saturating_add(u64::try_from(cycles).unwrap_or(u64::MAX));
        // SAFETY: the conditions were filled by the drivers of queues that this owns, and a processor
        // that cannot answers with an error.
        let code = unsafe {
            match watched.as_slice() {
                [] => return false,
                [only] => sys::rte_power_monitor(only, until),
                many => sys::rte_power_monitor_multi(many.as_ptr(), many.len() as u32, until),
            }
        };
        code == 0
    }

    #[inline]
    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }

    fn fragments(&mut self) -> &mut Collector {
        &mut self.fragments
    }

    #[inline]
    fn free(&mut self, burst: &mut Burst<Mbuf>) {
        let count = burst.len();
        // SAFETY: the burst owns `count` packets and forgets them before they are given back.
        unsafe {
            burst.set_len(0);
            free_bulk(burst.as_mut_ptr(), count);
        }
    }
}
