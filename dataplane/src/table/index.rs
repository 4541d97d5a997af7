//! From a hash to the index of a record: buckets of one cache line, two for every key.
//!
//! ```text
//!   bucket (64 octets)  | slot 0 | slot 1 | ... | slot 7 |
//!   slot (one word)     | valid 1 | - 15 | tag 16 | index 32 |      0 when empty
//! ```
//!
//! A key lives in one of two buckets. When both are full, the writer looks breadth-first for a short
//! chain of records that can each go to their other bucket, and walks it from its far end: a record
//! is copied to its new slot first, then `changes` is bumped, then the old slot is cleared.
//!
//! A reader that looks into the new bucket before the copy and into the old one after the clearing
//! misses a key that is there. It cannot miss it unnoticed: who sees the cleared slot sees the bump
//! too, and who had seen the bump before would have seen the copy. So a miss counts only when
//! `changes` is the same before and after.

use super::hash::Seed;
use crate::mem::{self, Populate, Slab, Storage};
use crate::sync::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;

/// Slots of a bucket. Few under loom, which tries every order of every access.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 8 };

/// Buckets that the search for room looks at before it gives up. Far more than a table at its
/// capacity needs.
const SEARCHED: usize = 1 << 12;

/// Set in every slot that is in use.
const VALID: u32 = 1 << 31;

/// One cache line of slots.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(64)))]
struct Bucket {
    slots: [AtomicU64; SLOTS],
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Bucket {}

/// Where a hash may live.
#[derive(Clone, Copy, Default)]
pub struct Place {
    first: u32,
    second: u32,
    /// Upper half of a slot that may be it.
    want: u32,
}

/// Both buckets of a key are full, and no record near them can make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// The buckets. Any number of readers; the functions that change it are for its one writer.
pub struct Index {
    buckets: Slab<Bucket>,
    changes: CachePadded<AtomicU64>,
    seed: Seed,
}

impl Index {
    /// Buckets so that `records` always fit: not more than 85 % full, and with a floor of spare
    /// buckets without which a small table could be unlucky.
    pub fn buckets_for(records: usize) -> usize {
        (records * 20).div_ceil(17 * SLOTS) + 16
    }

    /// An empty index of this many buckets, at least two.
    pub fn new(buckets: usize, seed: Seed, storage: Storage) -> Result<Self, mem::Error> {
        Ok(Self {
            buckets: Slab::new(buckets.max(2), storage, Populate::Now)?,
            changes: CachePadded::new(AtomicU64::new(0)),
            seed,
        })
    }

    /// How much memory its buckets take, and where.
    pub(crate) fn extent(&self) -> mem::Extent {
        self.buckets.extent()
    }

    /// The seed that its keys are to be hashed under.
    #[inline(always)]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The two buckets and the tag of a hash. The buckets come from the upper bits of its halves,
    /// the tag from the lower ones.
    #[inline(always)]
    pub fn place(&self, hash: u64) -> Place {
        let buckets = self.buckets.len() as u64;
        let (low, high) = (hash & 0xffff_ffff, hash >> 32);
        let first = (low * buckets) >> 32;
        let second = (high * (buckets - 1)) >> 32;
        let second = second + u64::from(second >= first);
        let tag = (low & 0xff) | (high & 0xff) << 8;
        Place {
            first: first as u32,
            second: second as u32,
            want: VALID | tag as u32,
        }
    }

    /// Hints that both buckets will be read soon.
    #[inline(always)]
    pub fn prefetch(&self, place: &Place) {
        for bucket in [place.first, place.second] {
            if let Some(bucket) = self.buckets.get(bucket as usize) {
                mem::prefetch(bucket);
            }
        }
    }

    /// How often records were displaced so far.
    #[inline(always)]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// A record whose tag fits: most likely the one, if it is there at all. With none, the key is
    /// absent if [`Index::changes`] was the same before and after.
    #[inline(always)]
    pub fn candidate(&self, place: &Place) -> Option<u32> {
        let mut word = self.candidate_in(place.first, place.want);
        if word == 0 {
            word = self.candidate_in(place.second, place.want);
        }
        (word != 0).then_some(word as u32)
    }

    /// The slot whose tag fits, 0 for none. Where in the bucket it stands is random, so there is no
    /// branch on it: a mispredicted one costs more than to look at all slots.
    #[inline(always)]
    fn candidate_in(&self, bucket: u32, want: u32) -> u64 {
        let Some(bucket) = self.buckets.get(bucket as usize) else {
            return 0;
        };
        let mut found = 0;
        for slot in &bucket.slots {
            let word = slot.load(Ordering::Acquire);
            found = if (word >> 32) as u32 == want {
                word
            } else {
                found
            };
        }
        found
    }

    /// The record for which `is` holds, among those whose tag fits. Never misses one that is there
    /// throughout the call.
    pub fn find(&self, place: &Place, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        loop {
            let before = self.changes();
            for bucket in [place.first, place.second] {
                for slot in &self.buckets.get(bucket as usize)?.slots {
                    let word = slot.load(Ordering::Acquire);
                    if (word >> 32) as u32 == place.want && is(word as u32) {
                        return Some(word as u32);
                    }
                }
            }
            if self.changes() == before {
                return None;
            }
        }
    }

    /// Writer: puts in `record`, which is not in it. `hash` gives the hash of any record in it.
    pub(crate) fn insert(
        &self,
        place: &Place,
        record: u32,
        search: &mut Search,
        hash: impl Fn(u32) -> u64,
    ) -> Result<(), NoRoom> {
        let empty = [place.first, place.second]
            .into_iter()
            .find_map(|bucket| self.empty_in(bucket))
            .or_else(|| self.make_room(place, search, hash))
            .ok_or(NoRoom)?;
        empty.store(
            u64::from(place.want) << 32 | u64::from(record),
            Ordering::Release,
        );
        Ok(())
    }

    /// Writer: takes out `record`; returns whether it was in it.
    pub(crate) fn remove(&self, place: &Place, record: u32) -> bool {
        let word = u64::from(place.want) << 32 | u64::from(record);
        for bucket in [place.first, place.second] {
            for slot in self.slots(bucket) {
                if slot.load(Ordering::Relaxed) == word {
                    slot.store(0, Ordering::Release);
                    return true;
                }
            }
        }
        false
    }

    fn slots(&self, bucket: u32) -> &[AtomicU64] {
        self.buckets
            .get(bucket as usize)
            .map_or(&[], |bucket| &bucket.slots)
    }

    fn empty_in(&self, bucket: u32) -> Option<&AtomicU64> {
        self.slots(bucket)
            .iter()
            .find(|slot| slot.load(Ordering::Relaxed) == 0)
    }

    /// Writer: empties a slot in one of the two full buckets.
    fn make_room(
        &self,
        place: &Place,
        search: &mut Search,
        hash: impl Fn(u32) -> u64,
    ) -> Option<&AtomicU64> {
        search.steps.clear();
        search
            .steps
            .extend([place.first, place.second].map(Step::root));
        let mut at = 0;
        while let Some(&step) = search.steps.get(at) {
            for (position, slot) in self.slots(step.bucket).iter().enumerate() {
                let other = self.other(step.bucket, slot, &hash);
                if let Some(empty) = self.empty_in(other) {
                    return self.shift(search, at, slot, empty);
                }
                if search.steps.len() < SEARCHED && !search.leads_through(at, other) {
                    let next = Step {
                        bucket: other,
                        from: at as u32,
                        position: position as u32,
                    };
                    search.steps.push(next);
                }
            }
            at += 1;
        }
        None
    }

    /// The other bucket of the record in `slot` of `bucket`.
    fn other(&self, bucket: u32, slot: &AtomicU64, hash: impl Fn(u32) -> u64) -> u32 {
        let place = self.place(hash(slot.load(Ordering::Relaxed) as u32));
        if place.first == bucket {
            place.second
        } else {
            place.first
        }
    }

    /// Moves `slot`, which stands in the bucket of step `at`, to `empty`, then what leads to it into
    /// its place, and so on back to the root; returns the slot that is empty in the end.
    fn shift<'a>(
        &'a self,
        search: &Search,
        at: usize,
        slot: &'a AtomicU64,
        empty: &'a AtomicU64,
    ) -> Option<&'a AtomicU64> {
        self.displace(slot, empty);
        let mut empty = slot;
        let mut step = search.steps.get(at)?;
        while let Some(from) = search.steps.get(step.from as usize) {
            let slot = self.slots(from.bucket).get(step.position as usize)?;
            self.displace(slot, empty);
            (empty, step) = (slot, from);
        }
        Some(empty)
    }

    fn displace(&self, from: &AtomicU64, to: &AtomicU64) {
        to.store(from.load(Ordering::Relaxed), Ordering::Release);
        self.changes
            .store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
        from.store(0, Ordering::Release);
    }
}

/// A bucket that the search for room has come to.
#[derive(Clone, Copy)]
struct Step {
    bucket: u32,
    /// The step whose bucket holds a record that can come here, [`Step::ROOT`] for none.
    from: u32,
    /// Which slot of that bucket.
    position: u32,
}

impl Step {
    const ROOT: u32 = u32::MAX;

    fn root(bucket: u32) -> Self {
        Self {
            bucket,
            from: Self::ROOT,
            position: 0,
        }
    }
}

/// The writer's notes while it looks for room.
#[derive(Default)]
pub struct Search {
    steps: Vec<Step>,
}

impl Search {
    /// Whether the chain to step `at` has `bucket` in it: a chain must not cross itself.
    fn leads_through(&self, at: usize, bucket: u32) -> bool {
        let mut at = at;
        while let Some(step) = self.steps.get(at) {
            if step.bucket == bucket {
                return true;
            }
            at = step.from as usize;
        }
        false
    }
}
