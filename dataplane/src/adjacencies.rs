//! Adjacencies: the neighbours that frames are sent to, one word each.
//!
//! ```text
//!   63             48 47                      0
//!   | interface 16   |   link-layer address 48 |     interface + 1; 0: no such adjacency
//! ```
//!
//! The address stands as in a frame, its first octet lowest. A worker that reads one while control changes it gets the old neighbour or the new one, never
//! the address of one on the interface of the other.

use crate::indices::Indices;
use crate::key::{AdjacencyId, AdjacencySpec, InterfaceId};
use crate::mem::{self, Populate, Slab, Storage};
use crate::qsbr::Qsbr;
use crate::sync::{AtomicU64, Ordering};
use crate::table::Full;
use std::sync::Arc;
use wire::ether::MacAddr;

/// The table, as workers see it.
pub struct Adjacencies {
    words: Slab<AtomicU64>,
}

impl Adjacencies {
    /// The adjacency at an index, if there is one.
    #[inline(always)]
    pub fn get(&self, id: AdjacencyId) -> Option<AdjacencySpec> {
        unpack(self.words.get(id.0 as usize)?.load(Ordering::Acquire))
    }

    /// All of them as words.
    #[inline(always)]
    pub(crate) fn words(&self) -> Words<'_> {
        Words(&self.words)
    }

    /// How much memory they take, and where.
    pub(crate) fn extent(&self) -> mem::Extent {
        self.words.extent()
    }

    /// Hints that adjacencies will be read soon, one at each call.
    #[inline(always)]
    pub(crate) fn prefetcher(&self) -> impl Fn(u32) + Copy + '_ {
        self.words.prefetcher()
    }
}

/// All adjacencies, for those that compare or copy them whole: nothing else does more with a word than this
/// file does.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(&'a [AtomicU64]);

impl Words<'_> {
    /// The word of the adjacency at an index; 0 where there is none.
    #[inline(always)]
    pub(crate) fn get(self, id: AdjacencyId) -> u64 {
        let word = self.0.get(id.0 as usize);
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// The interface that a word names; of that of no adjacency one that no interface has.
    #[inline(always)]
    pub(crate) fn interface(word: u64) -> InterfaceId {
        InterfaceId(((word >> 48) as u16).wrapping_sub(1))
    }
}

fn pack(spec: AdjacencySpec) -> Option<u64> {
    let interface = spec.interface.0.checked_add(1)?;
    let [a, b, c, d, e, f] = spec.mac.0;
    let [g, h] = interface.to_le_bytes();
    Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

#[inline(always)]
fn unpack(word: u64) -> Option<AdjacencySpec> {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    let interface = InterfaceId(u16::from_le_bytes([g, h]).checked_sub(1)?);
    Some(AdjacencySpec {
        interface,
        mac: MacAddr([a, b, c, d, e, f]),
    })
}

/// The one writer of the adjacencies.
pub struct AdjacenciesWriter {
    table: Arc<Adjacencies>,
    indices: Indices,
}

impl AdjacenciesWriter {
    /// An empty table and its writer.
    pub fn new(capacity: usize, storage: Storage, qsbr: Arc<Qsbr>) -> Result<Self, mem::Error> {
        let words = Slab::new(capacity, storage, Populate::OnWrite)?;
        Ok(Self {
            table: Arc::new(Adjacencies { words }),
            indices: Indices::new(capacity, qsbr),
        })
    }

    /// The table as workers see it.
    pub fn table(&self) -> &Arc<Adjacencies> {
        &self.table
    }

    /// Makes an adjacency.
    pub fn add(&mut self, spec: AdjacencySpec) -> Result<AdjacencyId, Full> {
        let word = pack(spec).ok_or(Full::Capacity)?;
        let index = self.indices.take()?;
        let slot = self.table.words.get(index as usize);
        let slot = slot.ok_or(Full::Capacity)?;
        slot.store(word, Ordering::Release);
        Ok(AdjacencyId(index))
    }

    /// Changes an adjacency in place. Nothing happens when there is none at `id`, or when
    /// the interface is one that no adjacency can have (65535).
    pub fn set(&mut self, id: AdjacencyId, spec: AdjacencySpec) {
        let Some(slot) = self.table.words.get(id.0 as usize) else {
            return;
        };
        if let (Some(word), Some(_)) = (pack(spec), unpack(slot.load(Ordering::Relaxed))) {
            slot.store(word, Ordering::Release);
        }
    }

    /// Takes an adjacency out. Workers find none at `id` until the index is given out again, which
    /// is not before every worker was quiescent.
    pub fn remove(&mut self, id: AdjacencyId) {
        if self.table.get(id).is_none() {
            return;
        }
        if let Some(slot) = self.table.words.get(id.0 as usize) {
            slot.store(0, Ordering::Release);
            self.indices.retire(id.0);
        }
    }

    /// Frees the indices that every worker is done with; returns how many still wait.
    pub fn reclaim(&mut self) -> usize {
        self.indices.reclaim()
    }

    /// The worker that holds back the oldest removed adjacency.
    pub fn held_by(&self) -> Option<usize> {
        self.indices.held_by()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn spec(interface: u16, last: u8) -> AdjacencySpec {
        AdjacencySpec {
            interface: InterfaceId(interface),
            mac: MacAddr([2, 0, 0, 0, 0, last]),
        }
    }

    #[test]
    fn an_adjacency_is_changed_in_place_and_its_index_waits_for_workers() {
        let qsbr = Arc::new(Qsbr::new(1));
        let mut writer = AdjacenciesWriter::new(2, Storage::Heap, Arc::clone(&qsbr)).unwrap();
        qsbr.online(0);
        let first = writer.add(spec(0, 0)).unwrap();
        let second = writer.add(spec(65534, 255)).unwrap();
        assert_eq!(writer.table().get(first), Some(spec(0, 0)));
        assert_eq!(writer.table().get(second), Some(spec(65534, 255)));
        assert_eq!(writer.add(spec(1, 1)), Err(Full::Capacity));
        writer.set(first, spec(7, 8));
        assert_eq!(writer.table().get(first), Some(spec(7, 8)));
        writer.remove(first);
        writer.remove(first);
        writer.set(first, spec(7, 8));
        assert_eq!(writer.table().get(first), None);
        assert_eq!(writer.add(spec(1, 1)), Err(Full::Reclaiming));
        assert_eq!(writer.held_by(), Some(0));
        qsbr.quiescent(0);
        assert_eq!(writer.add(spec(1, 1)), Ok(first));
    }

    #[test]
    fn a_zero_link_layer_address_is_an_adjacency_and_interface_65535_is_none() {
        let qsbr = Arc::new(Qsbr::new(0));
        let mut writer = AdjacenciesWriter::new(2, Storage::Heap, qsbr).unwrap();
        let zero = AdjacencySpec {
            interface: InterfaceId(0),
            mac: MacAddr([0; 6]),
        };
        let id = writer.add(zero).unwrap();
        assert_eq!(writer.table().get(id), Some(zero));
        assert!(writer.add(spec(65535, 1)).is_err());
        assert_eq!(writer.table().get(AdjacencyId(99)), None);
    }
}
