//! Plain-memory buffers and queues.
//!
//! ```text
//!   Pool ── alloc ──> Buffer ── Ports::receive ──> rx queue ── rx ──> the path
//!    ^                                                                  │
//!    └────────── drop ── bytes copied to the sent list <── tx ──────────┘
//! ```
//!
//! A [`Pool`] is bounded and counts what is out, so that a test can tell a leak from a packet that
//! is still held. [`Ports`] has one receive queue and one list of sent frames per port. A burst can
//! be made smaller than it would be ([`Ports::set_burst`]) and a transmit queue can be made to fill
//! up ([`Ports::set_tx_room`]).

mod fragments;

pub use fragments::Collector;

use crate::{Buf, Burst, NoRoom, PortId, RxTx};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets in front of a new packet, as DPDK leaves them by default.
pub const HEAD_ROOM: usize = 128;

/// A bounded store of buffers. Clones share it.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Mutex<Store>>,
    octets: usize,
}

#[derive(Debug)]
struct Store {
    free: Vec<Box<[u8]>>,
    total: usize,
}

impl Pool {
    /// A pool of `buffers` buffers with room for `octets` octets each, head room included.
    #[must_use]
    pub fn new(buffers: usize, octets: usize) -> Self {
        let free = (0..buffers)
            .map(|_| vec![0; octets].into_boxed_slice())
            .collect();
        let store = Store {
            free,
            total: buffers,
        };
        Self {
            shared: Arc::new(Mutex::new(store)),
            octets,
        }
    }

    /// An empty buffer with full head room, or none when all are out.
    #[must_use]
    pub fn alloc(&self) -> Option<Buffer> {
        let bytes = self.store().free.pop()?;
        let start = HEAD_ROOM.min(self.octets);
        Some(Buffer {
            bytes,
            start,
            end: start,
            vlan: None,
            rest: Vec::new(),
            pool: self.clone(),
        })
    }

    /// Buffers that are out.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let store = self.store();
        store.total - store.free.len()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One packet in plain memory.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    vlan: Option<u16>,
    /// What lies in other segments.
    rest: Vec<u8>,
    pool: Pool,
}

impl Buffer {
    /// Lets the packet appear as one whose port took VLAN tag `tag` off.
    pub fn set_stripped_vlan(&mut self, tag: Option<u16>) {
        self.vlan = tag;
    }

    /// Lets the packet go on in another segment with these octets.
    pub fn set_rest(&mut self, octets: &[u8]) {
        self.rest = octets.to_vec();
    }

    /// Puts `octets` in place of the packet.
    pub fn fill(&mut self, octets: &[u8]) -> Result<(), NoRoom> {
        self.set_len(octets.len())?;
        self.data_mut().copy_from_slice(octets);
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.store().free.push(bytes);
    }
}

impl Buf for Buffer {
    fn data(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn data_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    fn is_contiguous(&self) -> bool {
        self.rest.is_empty()
    }

    fn octets(&self) -> usize {
        self.data().len() + self.rest.len()
    }

    fn gather(&self, whole: &mut Self) {
        let room = whole.bytes.len() - whole.start;
        // It has this room.
        let _ = whole.set_len(self.octets().min(room));
        let octets = self.data().iter().chain(&self.rest);
        for (to, from) in whole.data_mut().iter_mut().zip(octets) {
            *to = *from;
        }
        whole.vlan = self.vlan;
    }

    fn prepend(&mut self, octets: usize) -> Result<(), NoRoom> {
        self.start = self.start.checked_sub(octets).ok_or(NoRoom)?;
        Ok(())
    }

    fn trim_front(&mut self, octets: usize) -> Result<(), NoRoom> {
        let start = self.start.checked_add(octets).ok_or(NoRoom)?;
        if start > self.end {
            return Err(NoRoom);
        }
        self.start = start;
        Ok(())
    }

    fn set_len(&mut self, length: usize) -> Result<(), NoRoom> {
        let end = self.start.checked_add(length).ok_or(NoRoom)?;
        if end > self.bytes.len() {
            return Err(NoRoom);
        }
        self.end = end;
        Ok(())
    }

    fn stripped_vlan(&self) -> Option<u16> {
        self.vlan
    }

    fn prefetch(&self) {}

    fn prefetch_front(&self) {}
}

/// The queues of one worker in plain memory.
#[derive(Debug)]
pub struct Ports {
    pool: Pool,
    ports: Vec<Queues>,
    burst: usize,
    fragments: Collector,
}

#[derive(Debug, Default)]
struct Queues {
    waiting: VecDeque<Buffer>,
    sent: Vec<Vec<u8>>,
    room: Option<usize>,
    down: bool,
}

impl Ports {
    /// `count` ports over `pool`.
    #[must_use]
    pub fn new(count: u16, pool: Pool) -> Self {
        let ports = (0..count).map(|_| Queues::default()).collect();
        Self {
            fragments: Collector::new(pool.clone()),
            pool,
            ports,
            burst: crate::MAX_BURST,
        }
    }

    /// The pool that buffers come from.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lets no receive call hand out more than `packets` at once.
    pub fn set_burst(&mut self, packets: usize) {
        self.burst = packets;
    }

    /// Lets `port` accept `frames` more frames and then be full; without a number it never is.
    pub fn set_tx_room(&mut self, port: PortId, frames: Option<usize>) {
        if let Some(queues) = self.queues(port) {
            queues.room = frames;
        }
    }

    /// Lets the link of `port` be up or down; a port that is down takes no frames.
    pub fn set_link(&mut self, port: PortId, up: bool) {
        if let Some(queues) = self.queues(port) {
            queues.down = !up;
        }
    }

    /// Queues `frame` to be received on `port`. False when the pool is empty, the frame too long or
    /// the port absent.
    pub fn receive(&mut self, port: PortId, frame: &[u8]) -> bool {
        let Some(mut buffer) = self.pool.alloc() else {
            return false;
        };
        buffer.fill(frame).is_ok() && self.receive_buffer(port, buffer)
    }

    /// Queues `buffer` to be received on `port`. False when the port is absent.
    pub fn receive_buffer(&mut self, port: PortId, buffer: Buffer) -> bool {
        match self.queues(port) {
            Some(queues) => {
                queues.waiting.push_back(buffer);
                true
            }
            None => false,
        }
    }

    /// Frames that wait to be received on all ports.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ports.iter().map(|queues| queues.waiting.len()).sum()
    }

    /// Takes the frames sent on `port` since the last call, in order.
    pub fn take_sent(&mut self, port: PortId) -> Vec<Vec<u8>> {
        self.queues(port)
            .map(|queues| std::mem::take(&mut queues.sent))
            .unwrap_or_default()
    }

    fn queues(&mut self, port: PortId) -> Option<&mut Queues> {
        self.ports.get_mut(usize::from(port.0))
    }
}

impl RxTx for Ports {
    type Buf = Buffer;
    type Fragments = Collector;

    fn ports(&self) -> u16 {
        u16::try_from(self.ports.len()).unwrap_or(u16::MAX)
    }

    fn rx(&mut self, port: PortId, burst: &mut Burst<Buffer>) -> usize {
        let most = self.burst.min(burst.remaining_capacity());
        let Some(queues) = self.queues(port) else {
            return 0;
        };
        let count = most.min(queues.waiting.len());
        burst.extend(queues.waiting.drain(..count));
        count
    }

    fn tx(&mut self, port: PortId, burst: &mut Burst<Buffer>) -> usize {
        let Some(queues) = self.queues(port) else {
            return 0;
        };
        if queues.down {
            return 0;
        }
        let count = queues.room.unwrap_or(usize::MAX).min(burst.len());
        if let Some(room) = &mut queues.room {
            *room -= count;
        }
        let gone = burst.drain(..count);
        queues
            .sent
            .extend(gone.map(|packet| packet.data().to_vec()));
        count
    }

    fn is_up(&self, port: PortId) -> bool {
        let queues = self.ports.get(usize::from(port.0));
        queues.is_some_and(|queues| !queues.down)
    }

    fn alloc(&mut self) -> Option<Buffer> {
        self.pool.alloc()
    }

    fn fragments(&mut self) -> &mut Collector {
        &mut self.fragments
    }

    fn free(&mut self, burst: &mut Burst<Buffer>) {
        burst.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_bounded_and_counts_what_is_out() {
        let pool = Pool::new(2, 256);
        let first = pool.alloc();
        let second = pool.alloc();
        assert!(first.is_some() && second.is_some());
        assert!(pool.alloc().is_none());
        drop(first);
        assert_eq!(pool.in_use(), 1);
        drop(second);
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_buffer_grows_and_shrinks_at_both_ends_within_its_room() {
        let pool = Pool::new(1, HEAD_ROOM + 100);
        let mut buffer = pool.alloc().expect("one buffer");
        buffer.fill(&[1, 2, 3, 4]).expect("room");
        buffer.prepend(2).expect("head room");
        assert_eq!(buffer.data().len(), 6);
        buffer.trim_front(3).expect("data");
        assert_eq!(buffer.data(), [2, 3, 4]);
        assert_eq!(buffer.trim_front(4), Err(NoRoom));
        assert_eq!(buffer.prepend(HEAD_ROOM + 2), Err(NoRoom));
        assert_eq!(buffer.set_len(100), Err(NoRoom));
        buffer.set_len(99).expect("tail room");
        assert_eq!(buffer.data().len(), 99);
    }

    #[test]
    fn frames_come_in_bursts_and_leave_until_the_queue_is_full() {
        let mut ports = Ports::new(2, Pool::new(8, 256));
        for octet in 0..5 {
            assert!(ports.receive(PortId(0), &[octet]));
        }
        assert!(!ports.receive(PortId(2), &[9]));
        ports.set_burst(3);
        let mut burst = Burst::new();
        assert_eq!(ports.rx(PortId(0), &mut burst), 3);
        assert_eq!(ports.rx(PortId(0), &mut burst), 2);
        ports.set_tx_room(PortId(1), Some(4));
        assert_eq!(ports.tx(PortId(1), &mut burst), 4);
        assert_eq!(burst.len(), 1);
        ports.free(&mut burst);
        assert_eq!(ports.take_sent(PortId(1)), [[0], [1], [2], [3]]);
        assert_eq!(ports.pool().in_use(), 0);
    }
}
