//! What a worker has been doing, for control to read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// The vector sizes that are told apart: each names the most packets of a pass that it counts, and the
/// last counts all that are more.
pub const VECTORS: [u64; 6] = [1, 4, 16, 32, 64, u64::MAX];

/// Counters that one worker writes and anyone reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerStats {
    polls: AtomicU64,
    empty_polls: AtomicU64,
    packets: AtomicU64,
    busy_nanos: AtomicU64,
    sleeps: AtomicU64,
    slept_nanos: AtomicU64,
    held: AtomicU64,
    vectors: [AtomicU64; VECTORS.len()],
    handed: AtomicU64,
    taken: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WorkerSnapshot {
    /// Passes over all ports.
    pub polls: u64,
    /// Passes that found nothing.
    pub empty_polls: u64,
    /// Packets taken from ports.
    pub packets: u64,
    /// Estimated nanoseconds spent in passes that found something.
    pub busy_nanos: u64,
    /// Times it went to sleep.
    pub sleeps: u64,
    /// Nanoseconds it meant to sleep.
    pub slept_nanos: u64,
    /// Packets that wait for a neighbour now, and fragments for others.
    pub held: u64,
    /// Passes that found something, by how many packets they found: see [`VECTORS`].
    pub vectors: [u64; VECTORS.len()],
    /// Packets that came in here and were handed to other workers.
    pub handed: u64,
    /// Packets that other workers handed to this one; they are among `packets`.
    pub taken: u64,
}

impl WorkerStats {
    /// What stands in the counters now.
    #[must_use]
    pub fn snapshot(&self) -> WorkerSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerSnapshot {
            polls: read(&self.polls),
            empty_polls: read(&self.empty_polls),
            packets: read(&self.packets),
            busy_nanos: read(&self.busy_nanos),
            sleeps: read(&self.sleeps),
            slept_nanos: read(&self.slept_nanos),
            held: read(&self.held),
            vectors: self.vectors.each_ref().map(read),
            handed: read(&self.handed),
            taken: read(&self.taken),
        }
    }

    pub(super) fn pass(&self, packets: usize) {
        add(&self.polls, 1);
        match packets {
            0 => add(&self.empty_polls, 1),
            _ => {
                let packets = packets as u64;
                add(&self.packets, packets);
                let size = VECTORS.iter().zip(&self.vectors);
                if let Some((_, count)) = size.into_iter().find(|(most, _)| packets <= **most) {
                    add(count, 1);
                }
            }
        }
    }

    pub(super) fn busy(&self, nanos: u64) {
        add(&self.busy_nanos, nanos);
    }

    pub(super) fn slept(&self, nanos: u64) {
        add(&self.sleeps, 1);
        add(&self.slept_nanos, nanos);
    }

    pub(super) fn handed(&self, packets: u64) {
        add(&self.handed, packets);
    }

    pub(super) fn taken(&self, packets: usize) {
        add(&self.taken, packets as u64);
    }

    pub(super) fn holds(&self, packets: usize) {
        self.held.store(packets as u64, Ordering::Relaxed);
    }
}

/// One writer only, so a load and a store do.
fn add(counter: &AtomicU64, value: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(value);
    counter.store(sum, Ordering::Relaxed);
}
