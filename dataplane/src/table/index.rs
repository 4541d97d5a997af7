//! From a hash to the index of a record: buckets of one cache line, two for every key.
//!
//! ```text
//!   bucket (64 octets)  | tags 0-4 | tags 5-9 | record 0 | record 1 | ... | record 9 | - 8 |
//!   tag                 12 bits of the hash, 0 when the slot is empty; five in a word
//!   record              32 bits
//! ```
//!
//! A whole word of tags is compared at once. The writer fills in a slot's record before its tag, so
//! who sees the tag sees the record, or a later one: whoever uses it compares the whole key.
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
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crossbeam::utils::CachePadded;

/// Slots of a bucket. Few under loom, which tries every order of every access.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 10 };

/// Tags in a word.
const LANES: usize = 5;

/// Words of tags. Lanes beyond the slots stay empty.
const TAG_WORDS: usize = SLOTS.div_ceil(LANES);

/// Bits of a tag.
const TAG_BITS: usize = 12;

/// All bits of a tag.
const TAG: u64 = (1 << TAG_BITS) - 1;

/// The lowest bit of every lane.
const LOW: u64 = 0x0001_0010_0100_1001;

/// All but the highest bit of every lane.
const LOWER: u64 = LOW * (TAG >> 1);

/// The highest bit of every lane.
const HIGHEST: u64 = LOW << (TAG_BITS - 1);

/// Buckets that the search for room looks at before it gives up. Far more than a table at its
/// capacity needs.
const SEARCHED: usize = 1 << 12;

/// One cache line of slots.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(64)))]
struct Bucket {
    tags: [AtomicU64; TAG_WORDS],
    records: [AtomicU32; SLOTS],
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Bucket {}

/// Slots of one bucket, as bits: the highest bit of each lane, the first word's below the second's.
#[derive(Clone, Copy)]
struct Slots([u64; TAG_WORDS]);

impl Slots {
    /// The first of them.
    #[inline(always)]
    fn first(self) -> Option<usize> {
        let (mut first, mut none) = (SLOTS, true);
        // From behind, so that the first word has the last say; no branch, for where a key stands
        // is random and a mispredicted one costs more than to look at all words.
        for (at, word) in self.0.iter().enumerate().rev() {
            let slot = at * LANES + word.trailing_zeros() as usize / TAG_BITS;
            first = if *word != 0 { slot } else { first };
            none &= *word == 0;
        }
        (!none).then_some(first)
    }

    /// Without the first of them.
    fn rest(mut self) -> Self {
        if let Some(word) = self.0.iter_mut().find(|word| **word != 0) {
            *word &= *word - 1;
        }
        self
    }
}

impl Bucket {
    /// The slots with this tag; with tag 0 those that are empty, and lanes that are no slots.
    #[inline(always)]
    fn tagged(&self, tag: u16) -> Slots {
        let wanted = LOW * u64::from(tag);
        Slots(self.tags.each_ref().map(|word| {
            let differs = word.load(Ordering::Acquire) ^ wanted;
            // Set in each lane in which nothing differs.
            !(((differs & LOWER) + LOWER) | differs) & HIGHEST
        }))
    }

    /// What stands in a slot.
    #[inline(always)]
    fn record(&self, slot: usize) -> Option<u32> {
        Some(self.records.get(slot)?.load(Ordering::Acquire))
    }

    /// Writer: a slot with nothing in it.
    fn empty(&self) -> Option<usize> {
        let mut slots = self.tagged(0);
        // Only under loom there are more lanes than slots.
        while slots.first().is_some_and(|slot| slot >= SLOTS) {
            slots = slots.rest();
        }
        slots.first()
    }

    /// Writer: the tag of a slot.
    fn tag(&self, slot: usize) -> u16 {
        let word = self.tags.get(slot / LANES);
        word.map_or(0, |word| {
            (word.load(Ordering::Relaxed) >> (slot % LANES * TAG_BITS) & TAG) as u16
        })
    }

    /// Writer: sets the tag of a slot.
    fn set_tag(&self, slot: usize, tag: u16) {
        let shift = slot % LANES * TAG_BITS;
        if let Some(word) = self.tags.get(slot / LANES) {
            let others = word.load(Ordering::Relaxed) & !(TAG << shift);
            word.store(others | u64::from(tag) << shift, Ordering::Release);
        }
    }

    /// Writer: fills in an empty slot.
    fn put(&self, slot: usize, tag: u16, record: u32) {
        if let Some(word) = self.records.get(slot) {
            word.store(record, Ordering::Release);
        }
        self.set_tag(slot, tag);
    }
}

/// Where a hash may live.
#[derive(Clone, Copy, Default)]
pub struct Place {
    first: u32,
    /// Not 0.
    tag: u16,
    hash: u64,
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

    /// The first bucket and the tag of a hash. The buckets come from the upper bits of its halves,
    /// the tag from the lower ones.
    #[inline(always)]
    pub fn place(&self, hash: u64) -> Place {
        let first = ((hash & 0xffff_ffff) * self.buckets.len() as u64) >> 32;
        let tag = (hash ^ hash >> 26) & TAG;
        Place {
            first: first as u32,
            tag: tag.max(1) as u16,
            hash,
        }
    }

    /// The second bucket, another than the first. Few keys are there, so it is found out late.
    #[inline(always)]
    fn second(&self, place: &Place) -> u32 {
        let second = ((place.hash >> 32) * (self.buckets.len() as u64 - 1)) >> 32;
        second as u32 + u32::from(second as u32 >= place.first)
    }

    /// Hints that the first bucket, where most keys are, will be read soon.
    #[inline(always)]
    pub fn prefetch(&self, place: &Place) {
        if let Some(bucket) = self.buckets.get(place.first as usize) {
            mem::prefetch(bucket);
        }
    }

    /// Hints that the second bucket will be read soon.
    #[inline(always)]
    pub fn prefetch_second(&self, place: &Place) {
        if let Some(bucket) = self.buckets.get(self.second(place) as usize) {
            mem::prefetch(bucket);
        }
    }

    /// How often records were displaced so far.
    #[inline(always)]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// A record in the first bucket whose tag fits: most likely the one, if it is there at all. With
    /// none in either bucket, the key is absent if [`Index::changes`] was the same before and after.
    #[inline(always)]
    pub fn candidate(&self, place: &Place) -> Option<u32> {
        self.candidate_in(place.first, place.tag)
    }

    /// The same of the second bucket.
    #[inline(always)]
    pub fn second_candidate(&self, place: &Place) -> Option<u32> {
        self.candidate_in(self.second(place), place.tag)
    }

    #[inline(always)]
    fn candidate_in(&self, bucket: u32, tag: u16) -> Option<u32> {
        let bucket = self.buckets.get(bucket as usize)?;
        bucket.record(bucket.tagged(tag).first()?)
    }

    /// The record for which `is` holds, among those whose tag fits. Never misses one that is there
    /// throughout the call.
    pub fn find(&self, place: &Place, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        loop {
            let before = self.changes();
            for bucket in [place.first, self.second(place)] {
                let bucket = self.buckets.get(bucket as usize)?;
                let mut slots = bucket.tagged(place.tag);
                while let Some(slot) = slots.first() {
                    if let Some(record) = bucket.record(slot).filter(|record| is(*record)) {
                        return Some(record);
                    }
                    slots = slots.rest();
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
        let (bucket, slot) = [place.first, self.second(place)]
            .into_iter()
            .find_map(|bucket| self.empty_in(bucket))
            .or_else(|| self.make_room(place, search, hash))
            .ok_or(NoRoom)?;
        bucket.put(slot, place.tag, record);
        Ok(())
    }

    /// Writer: takes out `record`; returns whether it was in it.
    pub(crate) fn remove(&self, place: &Place, record: u32) -> bool {
        for bucket in [place.first, self.second(place)] {
            let Some(bucket) = self.buckets.get(bucket as usize) else {
                return false;
            };
            let mut slots = bucket.tagged(place.tag);
            while let Some(slot) = slots.first() {
                if bucket.record(slot) == Some(record) {
                    bucket.set_tag(slot, 0);
                    return true;
                }
                slots = slots.rest();
            }
        }
        false
    }

    fn empty_in(&self, bucket: u32) -> Option<(&Bucket, usize)> {
        let bucket = self.buckets.get(bucket as usize)?;
        Some((bucket, bucket.empty()?))
    }

    /// Writer: empties a slot in one of the two full buckets.
    fn make_room(
        &self,
        place: &Place,
        search: &mut Search,
        hash: impl Fn(u32) -> u64,
    ) -> Option<(&Bucket, usize)> {
        search.steps.clear();
        search
            .steps
            .extend([place.first, self.second(place)].map(Step::root));
        let mut at = 0;
        while let Some(&step) = search.steps.get(at) {
            let bucket = self.buckets.get(step.bucket as usize)?;
            for slot in 0..SLOTS {
                let other = self.other(step.bucket, bucket.record(slot)?, &hash);
                if let Some(empty) = self.empty_in(other) {
                    return self.shift(search, at, (bucket, slot), empty);
                }
                if search.steps.len() < SEARCHED && !search.leads_through(at, other) {
                    let next = Step {
                        bucket: other,
                        from: at as u32,
                        slot: slot as u32,
                    };
                    search.steps.push(next);
                }
            }
            at += 1;
        }
        None
    }

    /// The other bucket of a record that is in `bucket`.
    fn other(&self, bucket: u32, record: u32, hash: impl Fn(u32) -> u64) -> u32 {
        let place = self.place(hash(record));
        if place.first == bucket {
            self.second(&place)
        } else {
            place.first
        }
    }

    /// Moves what is in `slot`, which stands in the bucket of step `at`, to `empty`, then what leads
    /// to it into its place, and so on back to the root; returns the slot that is empty in the end.
    fn shift<'a>(
        &'a self,
        search: &Search,
        at: usize,
        slot: (&'a Bucket, usize),
        empty: (&'a Bucket, usize),
    ) -> Option<(&'a Bucket, usize)> {
        self.displace(slot, empty);
        let mut empty = slot;
        let mut step = search.steps.get(at)?;
        while let Some(from) = search.steps.get(step.from as usize) {
            let bucket = self.buckets.get(from.bucket as usize)?;
            let slot = (bucket, step.slot as usize);
            self.displace(slot, empty);
            (empty, step) = (slot, from);
        }
        Some(empty)
    }

    fn displace(&self, from: (&Bucket, usize), to: (&Bucket, usize)) {
        if let Some(record) = from.0.record(from.1) {
            to.0.put(to.1, from.0.tag(from.1), record);
        }
        self.changes
            .store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
        from.0.set_tag(from.1, 0);
    }
}

/// A bucket that the search for room has come to.
#[derive(Clone, Copy)]
struct Step {
    bucket: u32,
    /// The step whose bucket holds a record that can come here, [`Step::ROOT`] for none.
    from: u32,
    /// Which slot of that bucket.
    slot: u32,
}

impl Step {
    const ROOT: u32 = u32::MAX;

    fn root(bucket: u32) -> Self {
        Self {
            bucket,
            from: Self::ROOT,
            slot: 0,
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
