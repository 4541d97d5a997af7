//! The rings between a worker and control: punted packets and questions one way, packets to send
//! the other way. No packet buffer crosses threads; octets are copied into slots that were made at
//! the start.
//!
//! ```text
//!                 worker                                control
//!   free slots ──> fill ──> Message ring ──────────────> poll, read ──┐
//!       ^                                                             │
//!       └─────────────────────────────────────────────────────────────┘
//!   free slots <───────────────────────── send <── inject ring <── fill <── free slots
//! ```
//!
//! Each worker has two such loops, lock-free and bounded. Control sleeps on one event descriptor:
//! it says that it sleeps, looks once more, and only then waits; a worker that has pushed something
//! writes the descriptor once, and only while control sleeps.

use crate::key::{Domain, InterfaceId};
use crate::verdict::Punt;
use crossbeam::queue::ArrayQueue;
use rustix::event::{eventfd, EventfdFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{fence, AtomicBool, Ordering};
use std::sync::Arc;

/// The most octets of one frame that a slot holds: the longest Mobility Header with its IPv6 and
/// extension headers.
pub const FRAME_OCTETS: usize = 2304;

/// Slots of each ring that [`channel`] makes.
pub const DEPTH: usize = 1024;

/// A frame in a preallocated slot; derefs to its octets.
pub struct FrameBytes {
    length: usize,
    octets: [u8; FRAME_OCTETS],
}

impl FrameBytes {
    const fn new() -> Self {
        Self {
            length: 0,
            octets: [0; FRAME_OCTETS],
        }
    }

    /// Takes the parts one after another, as much of them as fits.
    fn fill(&mut self, parts: &[&[u8]]) {
        let mut room = self.octets.as_mut_slice();
        self.length = 0;
        for part in parts {
            let count = part.len().min(room.len());
            let (head, tail) = std::mem::take(&mut room).split_at_mut(count);
            if let Some(part) = part.get(..count) {
                head.copy_from_slice(part);
            }
            room = tail;
            self.length += count;
        }
    }
}

impl Deref for FrameBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Debug for FrameBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A packet copied to control.
#[derive(Debug)]
pub struct Punted {
    /// Why.
    pub reason: Punt,
    /// Interface that it came in on; a packet out of a tunnel names the one that carried the
    /// tunnel.
    pub interface: InterfaceId,
    /// The frame from its Ethernet header on, without VLAN tag (the interface tells it) and without
    /// padding. What is longer than [`FRAME_OCTETS`] is cut.
    pub frame: FrameBytes,
}

/// What a worker tells control.
#[derive(Debug)]
pub enum Message {
    /// A packet for control.
    Punted(Box<Punted>),
    /// A packet waits for the link-layer address of this neighbour. Control resolves it and
    /// publishes a route to it; a failure needs no answer, the packet times out.
    NeighbourWanted {
        /// Interface that the neighbour is on.
        interface: InterfaceId,
        /// The neighbour.
        address: IpAddr,
    },
}

/// What control has a worker send.
#[derive(Clone, Copy, Debug)]
pub enum Inject<'a> {
    /// A frame from its Ethernet header on, without VLAN tag: the worker adds the interface's.
    Frame {
        /// Interface to send it on.
        interface: InterfaceId,
        /// The frame.
        data: &'a [u8],
    },
    /// An IPv6 packet, sent as the gateway's own: bindings, routes and tunnels apply to it and it
    /// waits for a neighbour like any other.
    Packet {
        /// Routing domain.
        domain: Domain,
        /// The packet from its IPv6 header on.
        data: &'a [u8],
    },
}

/// Why a ring took nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingError {
    /// All slots are on their way.
    Full,
    /// More than [`FRAME_OCTETS`] octets.
    TooLong,
    /// There is no such worker.
    NoWorker,
}

impl std::fmt::Display for RingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "the worker's ring is full",
            Self::TooLong => "the packet is longer than a ring slot",
            Self::NoWorker => "there is no such worker",
        })
    }
}

impl std::error::Error for RingError {}

#[derive(Clone, Copy)]
enum Way {
    Frame(InterfaceId),
    Packet(Domain),
}

/// A slot of the inject ring.
pub(crate) struct Injected {
    way: Way,
    frame: FrameBytes,
}

impl Injected {
    pub(crate) fn view(&self) -> Inject<'_> {
        let data = &*self.frame;
        match self.way {
            Way::Frame(interface) => Inject::Frame { interface, data },
            Way::Packet(domain) => Inject::Packet { domain, data },
        }
    }
}

/// The four queues of one worker.
struct Pair {
    messages: ArrayQueue<Message>,
    punt_slots: ArrayQueue<Box<Punted>>,
    injected: ArrayQueue<Box<Injected>>,
    inject_slots: ArrayQueue<Box<Injected>>,
}

impl Pair {
    fn new(depth: usize) -> Self {
        let depth = depth.max(1);
        let pair = Self {
            messages: ArrayQueue::new(depth),
            punt_slots: ArrayQueue::new(depth),
            injected: ArrayQueue::new(depth),
            inject_slots: ArrayQueue::new(depth),
        };
        for _ in 0..depth {
            let punted = Box::new(Punted {
                reason: Punt::Mobility,
                interface: InterfaceId(0),
                frame: FrameBytes::new(),
            });
            let injected = Box::new(Injected {
                way: Way::Packet(Domain(0)),
                frame: FrameBytes::new(),
            });
            // Both queues have exactly this many places.
            let _ = pair.punt_slots.push(punted);
            let _ = pair.inject_slots.push(injected);
        }
        pair
    }
}

/// How workers wake control.
struct Wake {
    event: OwnedFd,
    sleeping: AtomicBool,
}

/// Control's end of all rings.
pub struct ControlRings {
    pairs: Vec<Arc<Pair>>,
    wake: Arc<Wake>,
}

/// One worker's end.
pub struct WorkerRings {
    pair: Arc<Pair>,
    wake: Arc<Wake>,
    pushed: bool,
}

/// Rings of [`DEPTH`] slots for `workers` workers. Fails when the kernel gives no event descriptor.
pub fn channel(workers: usize) -> std::io::Result<(ControlRings, Vec<WorkerRings>)> {
    channel_with(workers, DEPTH)
}

/// Rings of `depth` slots each way for `workers` workers.
pub fn channel_with(
    workers: usize,
    depth: usize,
) -> std::io::Result<(ControlRings, Vec<WorkerRings>)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let wake = Arc::new(Wake {
        event,
        sleeping: AtomicBool::new(false),
    });
    let pairs: Vec<_> = (0..workers).map(|_| Arc::new(Pair::new(depth))).collect();
    let ends = pairs
        .iter()
        .map(|pair| WorkerRings {
            pair: Arc::clone(pair),
            wake: Arc::clone(&wake),
            pushed: false,
        })
        .collect();
    Ok((ControlRings { pairs, wake }, ends))
}

impl ControlRings {
    /// Hands what the workers have told since the last call to `f`, with the worker's index, a
    /// round of every ring; returns how many messages there were. A ring is read at most once
    /// around per call, so a flood cannot hold control here.
    pub fn poll(&mut self, mut f: impl FnMut(usize, &Message)) -> usize {
        let mut count = 0;
        for (worker, pair) in self.pairs.iter().enumerate() {
            for _ in 0..pair.messages.capacity() {
                let Some(message) = pair.messages.pop() else {
                    break;
                };
                f(worker, &message);
                count += 1;
                if let Message::Punted(slot) = message {
                    let _ = pair.punt_slots.push(slot);
                }
            }
        }
        count
    }

    /// Has `worker` send something.
    pub fn inject(&mut self, worker: usize, what: Inject<'_>) -> Result<(), RingError> {
        let pair = self.pairs.get(worker).ok_or(RingError::NoWorker)?;
        let (way, data) = match what {
            Inject::Frame { interface, data } => (Way::Frame(interface), data),
            Inject::Packet { domain, data } => (Way::Packet(domain), data),
        };
        if data.len() > FRAME_OCTETS {
            return Err(RingError::TooLong);
        }
        let mut slot = pair.inject_slots.pop().ok_or(RingError::Full)?;
        slot.way = way;
        slot.frame.fill(&[data]);
        // There are as many places as slots.
        pair.injected.push(slot).map_err(|_| RingError::Full)
    }

    /// Number of workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.pairs.len()
    }

    /// The descriptor that becomes readable when a worker has something to tell and control has
    /// said that it sleeps.
    #[must_use]
    pub fn eventfd(&self) -> RawFd {
        self.wake.event.as_raw_fd()
    }

    /// A descriptor of its own for the same event, for an event loop that wants to own one.
    pub fn event(&self) -> std::io::Result<OwnedFd> {
        self.wake.event.try_clone()
    }

    /// Says that control goes to sleep, then looks once more. True: wait for the descriptor, then
    /// call [`awake`](Self::awake). False: something has come meanwhile, poll instead.
    pub fn prepare_sleep(&mut self) -> bool {
        self.wake.sleeping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `WorkerRings::flush`: either we see the message or the worker
        // sees that we sleep.
        fence(Ordering::SeqCst);
        if self.pairs.iter().all(|pair| pair.messages.is_empty()) {
            return true;
        }
        self.awake();
        false
    }

    /// Says that control is awake and clears the descriptor.
    pub fn awake(&mut self) {
        self.wake.sleeping.store(false, Ordering::Relaxed);
        let mut count = [0; 8];
        // Not readable when no worker has written, which is as good.
        let _ = rustix::io::read(&self.wake.event, &mut count);
    }
}

impl AsFd for ControlRings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.event.as_fd()
    }
}

impl AsRawFd for ControlRings {
    fn as_raw_fd(&self) -> RawFd {
        self.eventfd()
    }
}

impl WorkerRings {
    /// Copies a frame, given in `parts`, to control.
    pub(crate) fn punt(
        &mut self,
        reason: Punt,
        interface: InterfaceId,
        parts: &[&[u8]],
    ) -> Result<(), RingError> {
        let mut slot = self.pair.punt_slots.pop().ok_or(RingError::Full)?;
        slot.reason = reason;
        slot.interface = interface;
        slot.frame.fill(parts);
        match self.pair.messages.push(Message::Punted(slot)) {
            Ok(()) => {
                self.pushed = true;
                Ok(())
            }
            Err(message) => {
                if let Message::Punted(slot) = message {
                    let _ = self.pair.punt_slots.push(slot);
                }
                Err(RingError::Full)
            }
        }
    }

    /// Whether three quarters of the slots for copies are on their way.
    pub(crate) fn is_filling(&self) -> bool {
        self.pair.punt_slots.len() < self.pair.punt_slots.capacity() / 4
    }

    /// Asks control for a neighbour.
    pub(crate) fn want(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
    ) -> Result<(), RingError> {
        let message = Message::NeighbourWanted { interface, address };
        self.pair
            .messages
            .push(message)
            .map_err(|_| RingError::Full)?;
        self.pushed = true;
        Ok(())
    }

    /// How many slots control has filled. What control published before it filled them is seen by who
    /// reads it after this.
    pub(crate) fn waiting(&self) -> usize {
        self.pair.injected.len()
    }

    /// Next thing to send.
    pub(crate) fn pop(&mut self) -> Option<Box<Injected>> {
        self.pair.injected.pop()
    }

    /// Gives a slot back.
    pub(crate) fn give_back(&mut self, slot: Box<Injected>) {
        let _ = self.pair.inject_slots.push(slot);
    }

    /// Wakes control if anything was pushed since the last call and control sleeps.
    pub(crate) fn flush(&mut self) {
        if !std::mem::take(&mut self.pushed) {
            return;
        }
        fence(Ordering::SeqCst);
        if self.wake.sleeping.load(Ordering::Relaxed)
            && self.wake.sleeping.swap(false, Ordering::Relaxed)
        {
            // The counter cannot overflow: control clears it before it sleeps again.
            let _ = rustix::io::write(&self.wake.event, &1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
#[path = "rings/tests.rs"]
mod tests;
