//! From a hash to the index of a record: buckets of one cache line (see `bucket`), two for
//! every key.
//!
//! A key lives in one of two buckets. When both are full, the writer looks breadth-first for a short
//! chain of records that can each go to their other bucket, and walks it from its far end: a record
//! is copied to its new slot first, then `changes` is bumped, then the old slot is cleared.
//!
//! A reader that looks into the new bucket before the copy and into the old one after the clearing
//! misses a key that is there. It cannot miss it unnoticed: who sees the cleared slot sees the bump
//! too, and who had seen the bump before would have seen the copy. So a miss counts only when
//! `changes` is the same before and after.
//!
//! Who looks for a key that nobody has, as for most correspondents, mostly ends in one bucket: `away`
//! is counted up before a key comes to its second bucket and down after it has left that, so where it
//! is 0 there is nothing to look for. A key that came back meanwhile bumped `changes` before.

use super::bucket::{Bucket, LOW, SLOTS, TAG};
use super::hash::Seed;
use crate::mem::{self, Populate, Slab, Storage};
use crate::sync::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;

/// Buckets that the search for room looks at before it gives up. Far more than a table at its
/// capacity needs.
const SEARCHED: usize = 1 << 12;

/// Where a key may live: its hash.
///
/// ```text
///   63              44 43      32 31               0
///   | second bucket    |   tag    | first bucket    |     buckets from the upper bits of their half
/// ```
#[derive(Clone, Copy, Default)]
pub struct Place(u64);

impl Place {
    /// Of the hash of a key.
    #[inline(always)]
    pub fn of(hash: u64) -> Self {
        Self(hash)
    }

    /// The tag, which is not 0.
    #[inline(always)]
    fn tag(self) -> u64 {
        (self.0 >> 32 & TAG).max(1)
    }

    /// The tag, in every lane.
    #[inline(always)]
    fn tags(self) -> u64 {
        self.tag() * LOW
    }
}

/// A place whose first bucket has been asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    bucket: &'a Bucket,
    /// What is compared with its tags.
    tags: u64,
    place: Place,
}

impl Asked<'_> {
    /// A record in the first bucket whose tag fits: most likely the one, if it is there at all. With
    /// none in either bucket, the key is absent if [`Index::changes`] was the same before and after.
    #[inline(always)]
    pub fn candidate(&self) -> Option<u32> {
        self.bucket.candidate(self.tags)
    }

    /// Whether it may be in the second bucket, if it is not in the first. If not, that counts like a
    /// look into it.
    #[inline(always)]
    pub fn may_be_away(&self) -> bool {
        self.bucket.away() > 0
    }
}

/// The buckets of an index, as a loop over many places uses them.
#[derive(Clone, Copy)]
pub struct Buckets<'a> {
    all: &'a [Bucket],
    none: &'a Bucket,
}

impl<'a> Buckets<'a> {
    /// The first bucket.
    #[inline(always)]
    fn first(self, place: Place) -> u32 {
        (((place.0 & 0xffff_ffff) * self.all.len() as u64) >> 32) as u32
    }

    /// The second bucket, another than the first. Few keys are there, so it is found out late.
    #[inline(always)]
    fn second(self, place: Place) -> u32 {
        let second = (((place.0 >> 32) * (self.all.len() as u64 - 1)) >> 32) as u32;
        second + u32::from(second >= self.first(place))
    }

    /// Asks for the first bucket, where most keys are.
    #[inline(always)]
    pub fn ask(self, place: Place) -> Asked<'a> {
        let bucket = self.all.get(self.first(place) as usize);
        let bucket = bucket.unwrap_or(self.none);
        mem::prefetch(bucket);
        Asked {
            bucket,
            tags: place.tags(),
            place,
        }
    }

    /// [`Asked::candidate`] at once.
    #[inline(always)]
    pub fn look(self, place: Place) -> Option<u32> {
        let bucket = self.all.get(self.first(place) as usize)?;
        bucket.candidate(place.tags())
    }

    /// Hints that the second bucket will be read soon.
    #[inline(always)]
    pub fn prefetch_second(self, asked: &Asked<'_>) {
        if let Some(bucket) = self.all.get(self.second(asked.place) as usize) {
            mem::prefetch(bucket);
        }
    }

    /// [`Asked::candidate`] of the second bucket.
    #[inline(always)]
    pub fn second_candidate(self, asked: &Asked<'_>) -> Option<u32> {
        let bucket = self.all.get(self.second(asked.place) as usize)?;
        bucket.candidate(asked.tags)
    }
}

/// Both buckets of a key are full, and no record near them can make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// The buckets. Any number of readers; the functions that change it are for its one writer.
pub struct Index {
    buckets: Slab<Bucket>,
    /// One with nothing in it.
    none: Bucket,
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
            none: Bucket::default(),
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

    /// The buckets, for a loop that looks into many.
    #[inline(always)]
    pub fn buckets(&self) -> Buckets<'_> {
        Buckets {
            all: &self.buckets,
            none: &self.none,
        }
    }

    /// Nothing asked for: what fills an array before anything is.
    #[inline(always)]
    pub fn nothing(&self) -> Asked<'_> {
        Asked {
            bucket: &self.none,
            tags: LOW,
            place: Place::default(),
        }
    }

    fn first(&self, place: Place) -> u32 {
        self.buckets().first(place)
    }

    fn second(&self, place: Place) -> u32 {
        self.buckets().second(place)
    }

    /// How often records were displaced so far.
    #[inline(always)]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The record for which `is` holds, among those whose tag fits. Never misses one that is there
    /// throughout the call.
    pub fn find(&self, place: Place, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        loop {
            let before = self.changes();
            let first = self.buckets.get(self.first(place) as usize)?;
            if let Some(record) = first.find(place.tags(), &mut is) {
                return Some(record);
            }
            if first.away() > 0 {
                let second = self.buckets.get(self.second(place) as usize)?;
                if let Some(record) = second.find(place.tags(), &mut is) {
                    return Some(record);
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
        place: Place,
        record: u32,
        search: &mut Search,
        hash: impl Fn(u32) -> u64,
    ) -> Result<(), NoRoom> {
        let (bucket, slot) = [self.first(place), self.second(place)]
            .into_iter()
            .find_map(|bucket| self.empty_in(bucket))
            .or_else(|| self.make_room(place, search, &hash))
            .ok_or(NoRoom)?;
        if let Some(first) = self.first_unless(place, bucket) {
            first.sends();
        }
        bucket.put(slot, place.tag(), record);
        Ok(())
    }

    /// Writer: the first bucket of a place, unless it is this one.
    fn first_unless(&self, place: Place, bucket: &Bucket) -> Option<&Bucket> {
        let first = self.buckets.get(self.first(place) as usize)?;
        (!std::ptr::eq(first, bucket)).then_some(first)
    }

    /// Writer: takes out `record`; returns whether it was in it.
    pub(crate) fn remove(&self, place: Place, record: u32) -> bool {
        for bucket in [self.first(place), self.second(place)] {
            let Some(bucket) = self.buckets.get(bucket as usize) else {
                return false;
            };
            let mut slots = bucket.tagged(place.tags());
            while let Some(slot) = slots.first() {
                if bucket.record(slot) == Some(record) {
                    bucket.set_tag(slot, 0);
                    if let Some(first) = self.first_unless(place, bucket) {
                        first.has_back();
                    }
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
        place: Place,
        search: &mut Search,
        hash: impl Fn(u32) -> u64,
    ) -> Option<(&Bucket, usize)> {
        search.steps.clear();
        search
            .steps
            .extend([self.first(place), self.second(place)].map(Step::root));
        let mut at = 0;
        while let Some(&step) = search.steps.get(at) {
            let bucket = self.buckets.get(step.bucket as usize)?;
            for slot in 0..SLOTS {
                let other = self.other(step.bucket, bucket.record(slot)?, &hash);
                if let Some(empty) = self.empty_in(other) {
                    return self.shift(search, at, (bucket, slot), empty, hash);
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
        let place = Place::of(hash(record));
        match self.first(place) {
            first if first == bucket => self.second(place),
            first => first,
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
        hash: impl Fn(u32) -> u64,
    ) -> Option<(&'a Bucket, usize)> {
        self.displace(slot, empty, &hash);
        let mut empty = slot;
        let mut step = search.steps.get(at)?;
        while let Some(from) = search.steps.get(step.from as usize) {
            let bucket = self.buckets.get(from.bucket as usize)?;
            let slot = (bucket, step.slot as usize);
            self.displace(slot, empty, &hash);
            (empty, step) = (slot, from);
        }
        Some(empty)
    }

    fn displace(&self, from: (&Bucket, usize), to: (&Bucket, usize), hash: impl Fn(u32) -> u64) {
        let Some(record) = from.0.record(from.1) else {
            return;
        };
        let place = Place::of(hash(record));
        let first = self.first_unless(place, from.0);
        if first.is_none() {
            from.0.sends();
        }
        to.0.put(to.1, from.0.tag(from.1), record);
        self.changes
            .store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
        from.0.set_tag(from.1, 0);
        if let Some(first) = first {
            first.has_back();
        }
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
