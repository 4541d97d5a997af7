//! What workers count, and how control reads it.
//!
//! ```text
//!   per worker      received | born by reason | verdicts by reason | ports: rx, tx
//!   per worker and  up: octets 64, packets 32, last seen 32 | down: the same     (32 octets,
//!   binding                                                      prefetched with the entry)
//! ```
//!
//! Every word has one writer, its worker, so counting is a plain load and store. Control reads at any
//! time and sees each word as it was at some instant; a snapshot is not one instant of all of them.
//! At rest, `received + born = sum of all verdicts`.

use crate::key::BindingId;
use crate::mem::{self, Populate, Slab, Storage};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::verdict::{Born, Verdict};
use crossbeam::utils::CachePadded;
use packet::PortId;
use std::sync::Arc;

/// Ports that have counters.
pub const PORTS: usize = 256;

/// Which way of a binding a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the binding's prefix.
    Up,
    /// To the binding's prefix.
    Down,
}

/// Which way of a port a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PortDirection {
    /// Received on it.
    Rx,
    /// Sent on it.
    Tx,
}

/// Packets and octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Octets.
    pub bytes: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

/// What went through a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PortCounts {
    /// Received on it.
    pub rx: Traffic,
    /// Sent on it.
    pub tx: Traffic,
}

/// What one worker, or all, counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerdictCounts {
    /// Packets received.
    pub received: u64,
    born: [u64; Born::ALL.len()],
    verdicts: [u64; Verdict::COUNT],
}

impl Default for VerdictCounts {
    fn default() -> Self {
        Self {
            received: 0,
            born: [0; Born::ALL.len()],
            verdicts: [0; Verdict::COUNT],
        }
    }
}

impl VerdictCounts {
    /// Every verdict with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> + '_ {
        Verdict::all().zip(self.verdicts.iter().copied())
    }

    /// Every reason to be born with its count, zeros included.
    pub fn born(&self) -> impl Iterator<Item = (Born, u64)> + '_ {
        Born::ALL.iter().copied().zip(self.born.iter().copied())
    }

    /// The count of one verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(verdict.index()).copied().unwrap_or(0)
    }

    /// Packets received and born: what came in.
    pub fn begun(&self) -> u64 {
        self.born
            .iter()
            .fold(self.received, |sum, n| sum.wrapping_add(*n))
    }

    /// Packets that met their verdict. At rest this is [`VerdictCounts::begun`].
    pub fn ended(&self) -> u64 {
        self.verdicts.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

impl std::ops::AddAssign<&VerdictCounts> for VerdictCounts {
    fn add_assign(&mut self, other: &VerdictCounts) {
        self.received = self.received.wrapping_add(other.received);
        let born = self.born.iter_mut().zip(&other.born);
        let verdicts = self.verdicts.iter_mut().zip(&other.verdicts);
        born.chain(verdicts)
            .for_each(|(sum, n)| *sum = sum.wrapping_add(*n));
    }
}

/// Adds to a word that only the caller writes.
#[inline(always)]
fn add(word: &AtomicU64, n: u64) {
    word.store(
        word.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}

#[derive(Default)]
struct TrafficWords {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl TrafficWords {
    fn read(&self) -> Traffic {
        Traffic {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

#[derive(Default)]
struct PortWords {
    rx: TrafficWords,
    tx: TrafficWords,
}

/// One direction of a binding, as one worker counts it.
#[derive(Default)]
struct WayWords {
    bytes: AtomicU64,
    /// Wraps; control extends it.
    packets: AtomicU32,
    /// In seconds of the workers' clock, 0 for never.
    last_seen: AtomicU32,
}

/// A binding, as one worker counts it.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(32)))]
struct BindingWords {
    up: WayWords,
    down: WayWords,
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for BindingWords {}

/// One direction of a binding, as one worker has counted it at some instant.
#[derive(Clone, Copy, Default)]
pub(crate) struct Way {
    pub(crate) bytes: u64,
    pub(crate) packets: u32,
    pub(crate) last_seen: u32,
}

/// The counters of one worker. It alone counts; anyone reads.
pub struct WorkerCounters {
    received: AtomicU64,
    born: [AtomicU64; Born::ALL.len()],
    verdicts: [AtomicU64; Verdict::COUNT],
    ports: Box<[CachePadded<PortWords>]>,
    bindings: Slab<BindingWords>,
}

impl WorkerCounters {
    /// All zero, with slots for `bindings` entries of the binding table.
    pub(crate) fn new(bindings: usize, storage: Storage) -> Result<CachePadded<Self>, mem::Error> {
        Ok(CachePadded::new(Self {
            received: AtomicU64::new(0),
            born: std::array::from_fn(|_| AtomicU64::new(0)),
            verdicts: std::array::from_fn(|_| AtomicU64::new(0)),
            ports: (0..PORTS).map(|_| CachePadded::default()).collect(),
            bindings: Slab::new(bindings, storage, Populate::OnWrite)?,
        }))
    }

    /// How much memory the slots of bindings take, and where.
    pub(crate) fn extent(&self) -> mem::Extent {
        self.bindings.extent()
    }

    /// Worker: `n` packets were received.
    #[inline(always)]
    pub(crate) fn count_received(&self, n: u64) {
        add(&self.received, n);
    }

    /// Worker: a packet came into being.
    #[inline(always)]
    pub(crate) fn count_born(&self, born: Born) {
        if let Some(word) = self.born.get(born as usize) {
            add(word, 1);
        }
    }

    /// Worker: `n` packets met this verdict.
    #[inline(always)]
    pub(crate) fn count(&self, verdict: Verdict, n: u64) {
        self.count_index(verdict.index(), n);
    }

    /// Worker: `n` packets met the verdict of this [index](Verdict::index).
    #[inline(always)]
    pub(crate) fn count_index(&self, verdict: usize, n: u64) {
        if let Some(word) = self.verdicts.get(verdict) {
            add(word, n);
        }
    }

    /// Worker: packets went through a port.
    #[inline(always)]
    pub(crate) fn count_port(&self, port: PortId, way: PortDirection, packets: u64, bytes: u64) {
        let Some(port) = self.ports.get(usize::from(port.0)) else {
            return;
        };
        let words = match way {
            PortDirection::Rx => &port.rx,
            PortDirection::Tx => &port.tx,
        };
        add(&words.packets, packets);
        add(&words.bytes, bytes);
    }

    /// Worker: a packet went to or from a binding's prefix.
    #[inline(always)]
    pub(crate) fn count_binding(&self, id: BindingId, way: Direction, bytes: u64, now: u32) {
        self.binding_counter(now).count(id, way, bytes);
    }

    /// Worker: counts the packets of bindings, as of now.
    #[inline(always)]
    pub(crate) fn binding_counter(&self, now: u32) -> BindingCounter<'_> {
        BindingCounter {
            slots: &self.bindings,
            now: now.max(1),
        }
    }

    /// Hints that the slots of bindings will be counted in soon, one at each call.
    #[inline(always)]
    pub(crate) fn prefetcher(&self) -> impl Fn(u32) + Copy + '_ {
        self.bindings.prefetcher()
    }

    /// Writer: zeroes a slot that no worker can count in, and makes the kernel give its page.
    pub(crate) fn reset(&self, record: u32) {
        let Some(slot) = self.bindings.get(record as usize) else {
            return;
        };
        for way in [&slot.up, &slot.down] {
            way.bytes.store(0, Ordering::Relaxed);
            way.packets.store(0, Ordering::Relaxed);
            way.last_seen.store(0, Ordering::Relaxed);
        }
    }

    /// Both directions of a binding, up first.
    pub(crate) fn ways(&self, id: BindingId) -> [Way; 2] {
        let Some(slot) = self.bindings.get(id.0 as usize) else {
            return [Way::default(); 2];
        };
        [&slot.up, &slot.down].map(|way| Way {
            bytes: way.bytes.load(Ordering::Relaxed),
            packets: way.packets.load(Ordering::Relaxed),
            last_seen: way.last_seen.load(Ordering::Relaxed),
        })
    }

    /// What was received and born and how it ended.
    pub fn verdicts(&self) -> VerdictCounts {
        VerdictCounts {
            received: self.received.load(Ordering::Relaxed),
            born: self
                .born
                .each_ref()
                .map(|word| word.load(Ordering::Relaxed)),
            verdicts: self
                .verdicts
                .each_ref()
                .map(|word| word.load(Ordering::Relaxed)),
        }
    }

    /// What went through a port; zeros for one that has no counters.
    pub fn port(&self, port: PortId) -> PortCounts {
        let words = self.ports.get(usize::from(port.0));
        words.map_or_else(PortCounts::default, |words| PortCounts {
            rx: words.rx.read(),
            tx: words.tx.read(),
        })
    }
}

/// The slots of one worker's bindings, for a loop over many packets.
#[derive(Clone, Copy)]
pub(crate) struct BindingCounter<'a> {
    slots: &'a [BindingWords],
    now: u32,
}

impl BindingCounter<'_> {
    /// A packet went to or from a binding's prefix.
    #[inline(always)]
    pub(crate) fn count(self, id: BindingId, way: Direction, bytes: u64) {
        let Some(slot) = self.slots.get(id.0 as usize) else {
            return;
        };
        let words = match way {
            Direction::Up => &slot.up,
            Direction::Down => &slot.down,
        };
        add(&words.bytes, bytes);
        let packets = words.packets.load(Ordering::Relaxed).wrapping_add(1);
        words.packets.store(packets, Ordering::Relaxed);
        words.last_seen.store(self.now, Ordering::Relaxed);
    }
}

/// Packets and octets of a binding since it was made, all workers together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct BindingTotals {
    /// From its prefix.
    pub up: Traffic,
    /// To its prefix.
    pub down: Traffic,
    /// When a packet was last counted, in seconds of the workers' clock.
    pub last_seen: Option<u32>,
}

/// What control adds to the workers' slots: packet counts that do not wrap. The writer's own.
///
/// For every worker, entry and direction it holds the packets counted so far, as 64 bits whose lower
/// half is what the worker's word was when last read. Read at least once while a worker counts
/// 2^32 packets of one binding, it misses none.
pub(crate) struct Accounts {
    workers: Vec<Slab<Account>>,
}

/// Packets of one binding and worker by direction, up first.
#[derive(Default)]
struct Account([AtomicU64; 2]);

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Account {}

impl Accounts {
    pub(crate) fn new(
        workers: usize,
        bindings: usize,
        storage: Storage,
    ) -> Result<Self, mem::Error> {
        let account = |_| Slab::new(bindings, storage, Populate::OnWrite);
        let workers = (0..workers).map(account).collect::<Result<_, _>>()?;
        Ok(Self { workers })
    }

    /// Reads all workers' slots of a binding.
    pub(crate) fn read(
        &mut self,
        counters: &[Arc<CachePadded<WorkerCounters>>],
        id: BindingId,
    ) -> BindingTotals {
        let mut totals = BindingTotals::default();
        let mut last_seen = 0;
        for (accounts, counters) in self.workers.iter().zip(counters) {
            let Some(Account(words)) = accounts.get(id.0 as usize) else {
                continue;
            };
            let sums = [&mut totals.up, &mut totals.down];
            for ((word, way), sum) in words.iter().zip(counters.ways(id)).zip(sums) {
                let packets = extend(word.load(Ordering::Relaxed), way.packets);
                word.store(packets, Ordering::Relaxed);
                *sum += Traffic {
                    packets,
                    bytes: way.bytes,
                };
                last_seen = last_seen.max(way.last_seen);
            }
        }
        totals.last_seen = (last_seen > 0).then_some(last_seen);
        totals
    }

    /// Forgets what an entry counted before it was used again.
    pub(crate) fn reset(&mut self, record: u32) {
        for accounts in &self.workers {
            if let Some(Account(words)) = accounts.get(record as usize) {
                words.iter().for_each(|w| w.store(0, Ordering::Relaxed));
            }
        }
    }
}

/// The least count that is not below `before` and whose lower half is `now`.
fn extend(before: u64, now: u32) -> u64 {
    before.wrapping_add(u64::from(now.wrapping_sub(before as u32)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::verdict::{Drop, Forward};

    #[test]
    fn packet_counts_grow_past_32_bits() {
        assert_eq!(extend(0, 5), 5);
        assert_eq!(extend(5, 5), 5);
        assert_eq!(extend(0xffff_fff0, 4), 0x1_0000_0004);
        assert_eq!(extend(0x7_ffff_ffff, 0), 0x8_0000_0000);
    }

    #[test]
    fn what_a_worker_counts_is_what_control_reads() {
        let counters = [Arc::new(WorkerCounters::new(4, Storage::Heap).unwrap())];
        let [worker] = &counters;
        worker.count_received(3);
        worker.count_born(Born::Released);
        worker.count(Verdict::Forward(Forward::Routed), 1);
        worker.count(Verdict::Drop(Drop::Unanswerable), 3);
        let snapshot = worker.verdicts();
        assert_eq!((snapshot.begun(), snapshot.ended()), (4, 4));
        assert_eq!(snapshot.of(Verdict::Drop(Drop::Unanswerable)), 3);
        assert_eq!(snapshot.iter().filter(|(_, n)| *n > 0).count(), 2);
        let mut sum = snapshot.clone();
        sum += &snapshot;
        assert_eq!((sum.received, sum.ended()), (6, 8));

        worker.count_port(PortId(2), PortDirection::Tx, 2, 128);
        worker.count_port(PortId(9999), PortDirection::Tx, 2, 128);
        assert_eq!(
            worker.port(PortId(2)).tx,
            Traffic {
                packets: 2,
                bytes: 128
            }
        );
        assert_eq!(worker.port(PortId(9999)), PortCounts::default());

        let mut accounts = Accounts::new(1, 4, Storage::Heap).unwrap();
        assert_eq!(
            accounts.read(&counters, BindingId(3)),
            BindingTotals::default()
        );
        worker.count_binding(BindingId(3), Direction::Up, 100, 0);
        worker.count_binding(BindingId(3), Direction::Down, 50, 7);
        worker.count_binding(BindingId(4), Direction::Down, 50, 7);
        let totals = accounts.read(&counters, BindingId(3));
        assert_eq!(
            totals.up,
            Traffic {
                packets: 1,
                bytes: 100
            }
        );
        assert_eq!(
            totals.down,
            Traffic {
                packets: 1,
                bytes: 50
            }
        );
        assert_eq!(totals.last_seen, Some(7));
        worker.reset(3);
        accounts.reset(3);
        assert_eq!(
            accounts.read(&counters, BindingId(3)),
            BindingTotals::default()
        );
    }
}
