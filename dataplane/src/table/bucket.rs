//! A bucket of the index: one cache line of slots, and what is done with it alone.
//!
//! ```text
//!   bucket (64 octets)  | even tags 8 | odd tags 8 | record 0 | record 1 | ... | record 9 | - 8 |
//!   tags                away 4 | slot 8 | slot 6 | slot 4 | slot 2 | slot 0   (- 4 and 9, 7, 5, 3, 1)
//!   tag                 12 bits of the hash, 0 when the slot is empty
//!   away                how many keys stand in their second bucket whose first this is; 15: many
//!   record              32 bits
//! ```
//!
//! A whole word of tags is compared at once, and what is equal of both laid into one: the bit of slot
//! `s` is `6 s + 5`. The writer fills in a slot's record before its tag, so who sees the tag sees the
//! record, or a later one: whoever uses it compares the whole key.

use crate::mem;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::num::NonZeroU64;

/// Slots of a bucket. Few under loom, which tries every order of every access.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 10 };

/// Words of tags: slot `s` is lane `s / 2` of word `s % 2`. Lanes beyond the slots stay empty.
const TAG_WORDS: usize = 2;

/// Bits of a tag.
const TAG_BITS: usize = 12;

/// All bits of a tag.
pub(super) const TAG: u64 = (1 << TAG_BITS) - 1;

/// The lowest bit of every lane.
pub(super) const LOW: u64 = 0x0001_0010_0100_1001;

/// All but the highest bit of every lane.
const LOWER: u64 = LOW * (TAG >> 1);

/// The highest bit of every lane.
const HIGHEST: u64 = LOW << (TAG_BITS - 1);

/// The lowest bit of `away`, which stands above the even slots' tags.
const AWAY: u64 = 1 << 60;

/// `away` when it is too high to be counted: it stays so.
const MANY: u64 = 15;

/// Where the bits of even slots stand between those of odd ones: half a lane lower.
const EVEN: usize = TAG_BITS / 2;

/// One cache line of slots.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(64)))]
pub(super) struct Bucket {
    tags: [AtomicU64; TAG_WORDS],
    records: [AtomicU32; SLOTS],
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Bucket {}

/// Slots of one bucket, as bits.
#[derive(Clone, Copy)]
pub(super) struct Slots(u64);

impl Slots {
    /// The first of them.
    #[inline(always)]
    pub(super) fn first(self) -> Option<usize> {
        let bit = NonZeroU64::new(self.0)?.trailing_zeros() as usize;
        // A sixth of `6 s + 5` is `s`. For every bit of a word this stays below 10, which the
        // compiler sees, so that records are read unchecked.
        Some((bit * 10) >> 6)
    }

    /// Without the first of them.
    pub(super) fn rest(self) -> Self {
        Self(self.0 & self.0.wrapping_sub(1))
    }
}

impl Bucket {
    /// The slots with this tag, which stands in every lane; with 0 those that are empty, and lanes
    /// that are no slots.
    #[inline(always)]
    pub(super) fn tagged(&self, wanted: u64) -> Slots {
        let [even, odd] = self.tags.each_ref().map(|word| {
            let differs = word.load(Ordering::Acquire) ^ wanted;
            // The highest bit of a lane stays clear when nothing in the lane differs.
            (((differs & LOWER) + LOWER) | differs) & HIGHEST
        });
        Slots((even >> EVEN | odd) ^ (HIGHEST >> EVEN | HIGHEST))
    }

    /// What stands in a slot.
    #[inline(always)]
    pub(super) fn record(&self, slot: usize) -> Option<u32> {
        Some(self.records.get(slot)?.load(Ordering::Acquire))
    }

    /// A record whose tag fits.
    #[inline(always)]
    pub(super) fn candidate(&self, tags: u64) -> Option<u32> {
        self.record(self.tagged(tags).first()?)
    }

    /// The record for which `is` holds, among those whose tag fits.
    pub(super) fn find(&self, tags: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut slots = self.tagged(tags);
        while let Some(slot) = slots.first() {
            if let Some(record) = self.record(slot).filter(|record| is(*record)) {
                return Some(record);
            }
            slots = slots.rest();
        }
        None
    }

    /// How many keys are in their second bucket whose first this is.
    #[inline(always)]
    pub(super) fn away(&self) -> u64 {
        let [even, _] = &self.tags;
        even.load(Ordering::Acquire) / AWAY
    }

    /// Writer: another such key is about to come to its second bucket.
    pub(super) fn sends(&self) {
        let [even, _] = &self.tags;
        let word = even.load(Ordering::Relaxed);
        if word / AWAY < MANY {
            even.store(word + AWAY, Ordering::Release);
        }
    }

    /// Writer: such a key has left its second bucket.
    pub(super) fn has_back(&self) {
        let [even, _] = &self.tags;
        let word = even.load(Ordering::Relaxed);
        if word / AWAY < MANY {
            even.store(word.saturating_sub(AWAY), Ordering::Release);
        }
    }

    /// Writer: a slot with nothing in it.
    pub(super) fn empty(&self) -> Option<usize> {
        let mut slots = self.tagged(0);
        // Only under loom there are more lanes than slots.
        while slots.first().is_some_and(|slot| slot >= SLOTS) {
            slots = slots.rest();
        }
        slots.first()
    }

    /// Writer: the tag of a slot.
    pub(super) fn tag(&self, slot: usize) -> u64 {
        let word = self.tags.get(slot % TAG_WORDS);
        word.map_or(0, |word| {
            word.load(Ordering::Relaxed) >> (slot / TAG_WORDS * TAG_BITS) & TAG
        })
    }

    /// Writer: sets the tag of a slot.
    pub(super) fn set_tag(&self, slot: usize, tag: u64) {
        let shift = slot / TAG_WORDS * TAG_BITS;
        if let Some(word) = self.tags.get(slot % TAG_WORDS) {
            let others = word.load(Ordering::Relaxed) & !(TAG << shift);
            word.store(others | tag << shift, Ordering::Release);
        }
    }

    /// Writer: fills in an empty slot.
    pub(super) fn put(&self, slot: usize, tag: u64, record: u32) {
        if let Some(word) = self.records.get(slot) {
            word.store(record, Ordering::Release);
        }
        self.set_tag(slot, tag);
    }
}
