//! The ports of the bench: mbufs of a DPDK pool that wait in an array, and an array of those that
//! were sent. They cost what handing over pointers costs, and say how much that was.
//!
//! A receive call writes into every mbuf what a driver writes there (where the packet lies and how
//! long it is), so that, as behind a driver, its first line is in the cache when the gateway gets it,
//! and the packet's own lines are wherever they were.

use dpdk::{cycles, cycles_settled, Collector, Error, Mbuf, Pool};
use packet::{Buf, Burst, PortId, RxTx};

/// Two ports: packets come from the first and leave by any.
pub struct Ports {
    pool: Pool,
    fragments: Collector,
    /// Packets to come, the next one last.
    pub waiting: Vec<Mbuf>,
    /// Packets that were sent, in order, with their ports.
    pub sent: Vec<(PortId, Mbuf)>,
    /// Buffers that were given back.
    freed: Vec<Mbuf>,
    /// The most packets that one receive call gives.
    pub burst: usize,
    /// Cycles spent in receive calls.
    pub rx_cycles: u64,
    /// Cycles spent in transmit calls, and giving back what was dropped.
    pub tx_cycles: u64,
}

impl Ports {
    /// Over `pool`, with room for `load` packets each way.
    ///
    /// # Errors
    /// Memory does not hold the table of fragments.
    pub fn new(pool: Pool, burst: usize, load: usize) -> Result<Self, Error> {
        Ok(Self {
            fragments: Collector::new(pool.clone())?,
            pool,
            waiting: Vec::with_capacity(load),
            sent: Vec::with_capacity(load),
            freed: Vec::with_capacity(load),
            burst,
            rx_cycles: 0,
            tx_cycles: 0,
        })
    }

    /// Begins to measure anew.
    pub fn start(&mut self) {
        self.freed.clear();
        self.rx_cycles = 0;
        self.tx_cycles = 0;
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl RxTx for &mut Ports {
    type Buf = Mbuf;
    type Fragments = Collector;

    fn ports(&self) -> u16 {
        2
    }

    #[inline(never)]
    fn rx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        if port.0 > 0 {
            return 0;
        }
        let start = cycles();
        let count = self.burst.min(burst.remaining_capacity());
        let from = self.waiting.len().saturating_sub(count);
        for mut mbuf in self.waiting.drain(from..).rev() {
            // Hidden from the compiler, which would see that nothing changes and write nothing.
            let length = std::hint::black_box(mbuf.data().len());
            // It had this length before, so it fits.
            let _ = mbuf.set_len(length);
            burst.push(mbuf);
        }
        // A driver has read what the card wrote; the gateway waits for none of it.
        self.rx_cycles += cycles_settled() - start;
        burst.len()
    }

    #[inline(never)]
    fn tx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        let start = cycles();
        let count = burst.len();
        self.sent.extend(burst.drain(..).map(|mbuf| (port, mbuf)));
        self.tx_cycles += cycles() - start;
        count
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }

    fn fragments(&mut self) -> &mut Collector {
        &mut self.fragments
    }

    #[inline(never)]
    fn free(&mut self, burst: &mut Burst<Mbuf>) {
        let start = cycles();
        self.freed.extend(burst.drain(..));
        self.tx_cycles += cycles() - start;
    }
}
