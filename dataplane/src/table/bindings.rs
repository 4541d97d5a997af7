//! The part of the binding table that workers read.

use super::forwarding::{self, Word};
use super::hash::Seed;
use super::index::{Asked, Index, Place};
use super::keys::{Cut, Family, Key, Probe};
use super::lengths::Lengths;
use crate::key::{BindingId, BindingKey, Forwarding};
use crate::mem::{self, Populate, Slab, Storage};
use crate::sync::{AtomicU64, Ordering};
use arrayvec::ArrayVec;
use std::fmt;

/// The most probes that are looked up in one go; a longer slice is taken in pieces.
pub const BATCH: usize = 64;

/// The longest binding that covers an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which binding: its counters stand at this index.
    pub id: BindingId,
    word: Word,
}

impl Found {
    /// What it makes of the packet, as it was at one instant.
    #[inline(always)]
    pub fn forwarding(self) -> Forwarding {
        self.word.forwarding()
    }

    /// The same as it stands in the table: what is equal means the same.
    #[inline(always)]
    pub(crate) fn word(self) -> Word {
        self.word
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut found = f.debug_struct("Found");
        found.field("id", &self.id);
        found.field("forwarding", &self.forwarding()).finish()
    }
}

/// No record.
const NONE: u32 = u32::MAX;

/// A binding. Its key is written while no worker can reach it.
#[derive(Default)]
#[cfg_attr(not(loom), repr(align(32)))]
pub(super) struct Entry {
    high: AtomicU64,
    low: AtomicU64,
    meta: AtomicU64,
    pub(super) forwarding: AtomicU64,
}

// SAFETY: it consists of atomic integers, so all zero octets are its default and it has no drop.
unsafe impl mem::Zeroed for Entry {}

impl Entry {
    pub(super) fn fill(&self, key: Key, forwarding: Forwarding) {
        self.high.store(key.high, Ordering::Relaxed);
        self.low.store(key.low, Ordering::Relaxed);
        self.meta.store(key.meta, Ordering::Relaxed);
        self.forward(forwarding);
    }

    /// Release: a worker that sees the word sees the tunnel and adjacency that it names.
    pub(super) fn forward(&self, forwarding: Forwarding) {
        self.forwarding
            .store(forwarding::pack(forwarding), Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn forwarding(&self) -> Option<Word> {
        Word::read(self.forwarding.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn key(&self) -> Key {
        Key {
            high: self.high.load(Ordering::Relaxed),
            low: self.low.load(Ordering::Relaxed),
            meta: self.meta.load(Ordering::Relaxed),
        }
    }
}

/// The table, as workers see it.
pub struct Bindings {
    pub(super) index: Index,
    pub(super) entries: Slab<Entry>,
    pub(super) lengths: Lengths,
}

impl Bindings {
    pub(super) fn new(
        buckets: usize,
        entries: usize,
        seed: Seed,
        storage: Storage,
    ) -> Result<Self, mem::Error> {
        Ok(Self {
            index: Index::new(buckets, seed, storage)?,
            entries: Slab::new(entries, storage, Populate::OnWrite)?,
            lengths: Lengths::default(),
        })
    }

    /// Number of entries, spare ones included: every [`BindingId`] is below it.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How much memory the index and the entries take, and where.
    pub(crate) fn extents(&self) -> [mem::Extent; 2] {
        [self.index.extent(), self.entries.extent()]
    }

    /// How often records were displaced so far, to make room for others.
    pub fn displacements(&self) -> u64 {
        self.index.changes()
    }

    /// Finds for every probe the longest binding that covers it. `family` is that of all of them, none where
    /// they are of both. `reached` is called with the index
    /// of an entry when it is likely to be found, early enough to prefetch what goes with it, and
    /// `leads` with what the binding makes of the packet, once it is known.
    ///
    /// `found` is overwritten as far as `probes` goes; of slices of different length, the shorter
    /// counts. The caller is online (see [`crate::qsbr`]) and uses what it found only until it is
    /// quiescent.
    ///
    /// Returns whether all addresses are of one site (have the upper 64 bits of IPv6 in common, or all of IPv4)
    /// and the same was found for all; it may be so also where it returns that it is not.
    #[inline(always)]
    pub(crate) fn lookup_with(
        &self,
        family: Option<Family>,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        let mut alike = probes.len() <= BATCH;
        for (probes, found) in probes.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            alike &= self.lookup_batch(family, probes, found, reached, leads);
        }
        alike
    }

    /// [`crate::tables::Reader::lookup`] of a table that stands alone: nothing is prefetched with the
    /// entries.
    pub fn lookup(&self, probes: &[Probe], found: &mut [Option<Found>]) {
        self.lookup_with(Family::of_all(probes), probes, found, |_| (), |_| ());
    }

    #[inline(always)]
    fn lookup_batch(
        &self,
        family: Option<Family>,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        let Some(family) = family else {
            self.lookup_mixed(probes, found, reached, leads);
            return false;
        };
        // One family, as bursts are: all are looked up as they stand.
        let mut lengths = self.lengths.in_use(family);
        let Some(longest) = lengths.next() else {
            found.iter_mut().for_each(|found| *found = None);
            return false;
        };
        let cut = Cut::to(longest);
        if let Some(answer) = self.lookup_same(cut, lengths.clone(), probes, reached, leads) {
            found
                .iter_mut()
                .zip(probes)
                .for_each(|(found, _)| *found = answer);
            return cut.has_site(family);
        }
        if !self.lookup_length(longest, probes, found, reached, leads) {
            self.lookup_rest(lengths, u64::MAX, probes, found, reached, leads);
        }
        false
    }

    /// Probes of both families.
    #[cold]
    #[inline(never)]
    fn lookup_mixed(
        &self,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) {
        found.iter_mut().for_each(|found| *found = None);
        for family in [Family::V6, Family::V4] {
            let of_family = probes.iter().map(|probe| probe.is(family));
            let bits = (0..).zip(of_family).map(|(at, is)| u64::from(is) << at);
            let lengths = self.lengths.in_use(family);
            let wanted = bits.fold(0, |all, bit| all | bit);
            self.lookup_rest(lengths, wanted, probes, found, reached, leads);
        }
    }

    /// Looks for the longest binding of these lengths for the probes whose bit is set in `wanted` and
    /// for which nothing has been found.
    #[inline(never)]
    fn lookup_rest(
        &self,
        lengths: impl Iterator<Item = u32>,
        wanted: u64,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) {
        for length in lengths {
            // There are no more of them than places, BATCH.
            let mut rest = ArrayVec::<Probe, BATCH>::new();
            let mut places = ArrayVec::<&mut Option<Found>, BATCH>::new();
            for (at, (probe, found)) in probes.iter().zip(found.iter_mut()).enumerate() {
                if found.is_none() && wanted >> at & 1 == 1 {
                    rest.push(*probe);
                    places.push(found);
                }
            }
            if rest.is_empty() {
                return;
            }
            let mut answers = [None; BATCH];
            self.lookup_length(length, &rest, &mut answers, reached, leads);
            for (place, answer) in places.into_iter().zip(answers) {
                *place = answer;
            }
        }
    }

    /// Looks for bindings of one length; returns whether every probe has one.
    ///
    /// In passes, so that the cache misses of all probes overlap: hash all and ask for their first
    /// buckets; scan these and ask for the entries, or for the second buckets, which few are in; scan
    /// those; compare. What a pass leaves to the next is as little as can be: a key is made again
    /// from its probe with less work than it takes to keep it.
    #[inline(always)]
    fn lookup_length(
        &self,
        length: u32,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        let cut = Cut::to(length);
        match probes {
            [first, second, ..] if cut.key(first).is(&cut.key(second)) => {
                self.lookup_runs(cut, probes, found, reached, leads)
            }
            _ => self.lookup_cut(cut, probes, found, reached, leads),
        }
    }

    /// The same where neighbours ask for the same key, as packets of one flow do: once for each run of them.
    #[inline(never)]
    fn lookup_runs(
        &self,
        cut: Cut,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        // There are no more runs than probes, of which there are no more than BATCH.
        let mut firsts = ArrayVec::<Probe, BATCH>::new();
        let mut lengths = ArrayVec::<u8, BATCH>::new();
        let mut left = probes;
        while let [first, others @ ..] = left {
            let key = cut.key(first);
            let same = others.iter().position(|other| !cut.key(other).is(&key));
            let same = same.unwrap_or(others.len());
            let _ = firsts.try_push(*first);
            let _ = lengths.try_push(same as u8 + 1);
            left = others.get(same..).unwrap_or_default();
        }
        let mut answers = [None; BATCH];
        let all = self.lookup_cut(cut, &firsts, &mut answers, reached, leads);
        let mut places = found;
        for (answer, length) in answers.iter().zip(lengths) {
            let Some((run, behind)) = places.split_at_mut_checked(length.into()) else {
                break;
            };
            run.fill(*answer);
            places = behind;
        }
        all
    }

    /// What all probes find where they ask for the same key, as in a burst of one flow: what is the same in the
    /// longest length is so in the others. None where they do not.
    #[inline(always)]
    fn lookup_same(
        &self,
        cut: Cut,
        shorter: impl Iterator<Item = u32>,
        probes: &[Probe],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> Option<Option<Found>> {
        let [first, .., last] = probes else {
            return None;
        };
        if cut.differ(first, last) != 0 {
            return None;
        }
        // Without a branch for each: whether it is so shows at the end.
        let differs = probes.iter().fold(0, |all, it| all | cut.differ(first, it));
        if differs != 0 {
            return None;
        }
        let longest = self.get_key(&cut.key(first));
        let found = longest.or_else(|| self.find_of(shorter, first));
        if let Some(found) = found {
            reached(found.id.0);
            leads(found.word);
        }
        Some(found)
    }

    /// The same for probes of which none is taken to share a key with its neighbour.
    #[inline(always)]
    fn lookup_cut(
        &self,
        cut: Cut,
        probes: &[Probe],
        found: &mut [Option<Found>],
        reached: impl Fn(u32) + Copy,
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        let mut all_asked = [self.index.nothing(); BATCH];
        self.ask(cut, probes, &mut all_asked);
        let mut candidates = [NONE; BATCH];
        let steady = self.scan(
            all_asked.get(..probes.len()).unwrap_or_default(),
            &mut candidates,
            reached,
        );
        self.compare(cut, probes, &candidates, steady, found, leads)
    }

    /// First pass. The passes are functions of their own, for one loop has use for all registers.
    #[inline(never)]
    fn ask<'a>(&'a self, cut: Cut, probes: &[Probe], all_asked: &mut [Asked<'a>; BATCH]) {
        let (buckets, seed) = (self.index.buckets(), *self.index.seed());
        for (asked, probe) in all_asked.iter_mut().zip(probes) {
            *asked = buckets.ask(Place::of(cut.key(probe).hash(&seed)));
        }
    }

    /// Second pass. Returns whether nothing was displaced meanwhile.
    #[inline(never)]
    fn scan(
        &self,
        all_asked: &[Asked<'_>],
        candidates: &mut [u32; BATCH],
        reached: impl Fn(u32) + Copy,
    ) -> bool {
        let changes = self.index.changes();
        let (buckets, fetch) = (self.index.buckets(), self.entries.prefetcher());
        let reach = |record| {
            fetch(record);
            reached(record);
        };
        let mut second = 0u64;
        for (at, (candidate, asked)) in candidates.iter_mut().zip(all_asked).enumerate() {
            match asked.candidate() {
                Some(record) => {
                    *candidate = record;
                    reach(record);
                }
                None if asked.may_be_away() => {
                    buckets.prefetch_second(asked);
                    second |= 1 << at;
                }
                None => {}
            }
        }
        while second != 0 {
            let at = second.trailing_zeros() as usize;
            second &= second - 1;
            if let (Some(candidate), Some(asked)) = (candidates.get_mut(at), all_asked.get(at)) {
                if let Some(record) = buckets.second_candidate(asked) {
                    *candidate = record;
                    reach(record);
                }
            }
        }
        self.index.changes() == changes
    }

    /// Third pass. Returns whether every probe has a binding of this length.
    #[inline(never)]
    fn compare(
        &self,
        cut: Cut,
        probes: &[Probe],
        candidates: &[u32; BATCH],
        steady: bool,
        found: &mut [Option<Found>],
        leads: impl Fn(Word) + Copy,
    ) -> bool {
        let entries = &*self.entries;
        let mut all = true;
        for ((found, probe), candidate) in found.iter_mut().zip(probes).zip(candidates) {
            if let Some(entry) = entries.get(*candidate as usize) {
                if entry.key().is(&cut.key(probe)) {
                    if let Some(word) = entry.forwarding() {
                        leads(word);
                        let id = BindingId(*candidate);
                        *found = Some(Found { id, word });
                        continue;
                    }
                }
            }
            *found = match *candidate {
                NONE if steady => None,
                _ => self.get_key(&cut.key(probe)),
            };
            all &= found.is_some();
        }
        all
    }

    /// Where a key may stand.
    #[inline(always)]
    pub(super) fn place(&self, key: &Key) -> Place {
        Place::of(key.hash(self.index.seed()))
    }

    /// The thorough way: for the rare tag that fits by chance, for a miss during a displacement, and for one
    /// key alone.
    #[inline(never)]
    fn get_key(&self, key: &Key) -> Option<Found> {
        let is = |record: u32| {
            self.entries
                .get(record as usize)
                .is_some_and(|e| e.key() == *key)
        };
        let record = self.index.find(self.place(key), is)?;
        let word = self.entries.get(record as usize)?.forwarding()?;
        Some(Found {
            id: BindingId(record),
            word,
        })
    }

    /// The longest binding that covers one address.
    pub fn covering(&self, probe: &Probe) -> Option<Found> {
        self.find_of(self.lengths.in_use(probe.family()), probe)
    }

    /// That of these lengths, longest first.
    fn find_of(&self, mut lengths: impl Iterator<Item = u32>, probe: &Probe) -> Option<Found> {
        lengths.find_map(|length| self.get_key(&Cut::to(length).key(probe)))
    }

    /// The binding of exactly this key.
    pub fn get(&self, key: BindingKey) -> Option<Found> {
        self.get_key(&Key::from(key))
    }
}
