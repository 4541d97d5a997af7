//! The two ends of one queue pair of a port.
//!
//! A queue may be moved to the thread that will use it, but not shared: DPDK's queues are for one
//! thread at a time. `&mut self` says so for calls, and neither type is `Sync`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys as sys;
use packet::Burst;

use crate::mbuf::{close_gap, Mbuf};
use crate::setup::Device;

/// A queue that packets arrive on.
pub struct RxQueue {
    device: Arc<Device>,
    queue: u16,
    one_thread: PhantomData<Cell<()>>,
}

/// A queue that packets leave by.
pub struct TxQueue {
    device: Arc<Device>,
    queue: u16,
    one_thread: PhantomData<Cell<()>>,
}

/// The receive and the transmit queues of a started device, each once.
pub(crate) fn all(device: &Arc<Device>) -> (Vec<RxQueue>, Vec<TxQueue>) {
    let rx = (0..device.rx_queues()).map(|queue| RxQueue {
        device: Arc::clone(device),
        queue,
        one_thread: PhantomData,
    });
    let tx = (0..device.tx_queues()).map(|queue| TxQueue {
        device: Arc::clone(device),
        queue,
        one_thread: PhantomData,
    });
    (rx.collect(), tx.collect())
}

impl RxQueue {
    /// Name of the port in the configuration.
    pub fn port_name(&self) -> &str {
        self.device.name()
    }

    /// Number of the queue at its port.
    pub fn number(&self) -> u16 {
        self.queue
    }

    /// What a processor has to watch to see that a packet has come; none when the driver cannot say.
    pub(crate) fn monitored(&self) -> Option<sys::rte_power_monitor_cond> {
        let mut condition = sys::rte_power_monitor_cond::default();
        // SAFETY: the port is started while a queue lives; the structure is written.
        let code =
            unsafe { sys::rte_eth_get_monitor_addr(self.device.id(), self.queue, &mut condition) };
        (code == 0).then_some(condition)
    }

    /// Takes what has arrived, up to the room left in `burst`; returns how many came.
    #[inline]
    pub fn rx(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        let room = burst.remaining_capacity();
        let length = burst.len();
        // SAFETY: the port is started while a queue lives and this thread alone uses the queue.
        // DPDK writes at most `room` pointers behind the burst's end, each to a packet that it
        // hands over, and says how many.
        unsafe {
            let end = burst.as_mut_ptr().add(length);
            let came = sys::shim_rx_burst(self.device.id(), self.queue, end.cast(), room as u16);
            burst.set_len(length + usize::from(came));
            usize::from(came)
        }
    }
}

impl TxQueue {
    /// Name of the port in the configuration.
    pub fn port_name(&self) -> &str {
        self.device.name()
    }

    /// Sends from the front of `burst` what the queue accepts, returns how many went and leaves the
    /// others in `burst`. A port that is known to be down accepts none.
    #[inline]
    pub fn tx(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        if !self.device.takes_packets() {
            return 0;
        }
        let length = burst.len();
        for packet in burst.iter_mut() {
            packet.clear_flags();
        }
        // SAFETY: the port is started while a queue lives and this thread alone uses the queue.
        // DPDK owns the packets that it counts, all others stay where they were.
        unsafe {
            let first = burst.as_mut_ptr();
            let went =
                sys::shim_tx_burst(self.device.id(), self.queue, first.cast(), length as u16);
            let went = usize::from(went).min(length);
            burst.set_len(length - went);
            close_gap(first, length, went);
            went
        }
    }
}
