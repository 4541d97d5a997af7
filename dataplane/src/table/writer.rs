//! The part of the binding table that only its writer sees: which entries are free, which wait for
//! the workers, and what is in use.

use super::bindings::{Bindings, Entry, BATCH};
use super::hash::Seed;
use super::index::{Index, Place, Search};
use super::keys::Key;
use super::lengths::LengthCounts;
use super::Full;
use crate::indices::Indices;
use crate::key::{BindingId, BindingKey, Forwarding};
use crate::mem::{self, Storage};
use crate::qsbr::Qsbr;
use arrayvec::ArrayVec;
use std::sync::Arc;

/// How often an epoch is begun while there are only removals and no call to
/// [`BindingsWriter::reclaim`].
const REMOVALS_PER_EPOCH: usize = 64;

/// How large the parts of a binding table are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Bindings that it may hold.
    pub capacity: usize,
    /// Entries beyond that, for those that were removed and still wait for the workers.
    pub spare: usize,
    /// Buckets of the index.
    pub buckets: usize,
}

impl Sizes {
    /// For this many bindings, all of which fit.
    pub fn for_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            spare: (capacity / 8).clamp(64, 1 << 18),
            buckets: Index::buckets_for(capacity),
        }
    }
}

/// The one writer of a binding table.
pub struct BindingsWriter {
    table: Arc<Bindings>,
    qsbr: Arc<Qsbr>,
    capacity: usize,
    live: usize,
    /// One bit per entry: it holds a binding.
    in_use: Vec<u64>,
    indices: Indices,
    removals: usize,
    lengths: LengthCounts,
    search: Search,
}

impl BindingsWriter {
    /// An empty table and its writer.
    pub fn new(
        sizes: Sizes,
        seed: Seed,
        storage: Storage,
        qsbr: Arc<Qsbr>,
    ) -> Result<Self, mem::Error> {
        let entries = sizes.capacity + sizes.spare;
        Ok(Self {
            table: Arc::new(Bindings::new(sizes.buckets, entries, seed, storage)?),
            indices: Indices::new(entries, Arc::clone(&qsbr)),
            qsbr,
            capacity: sizes.capacity,
            live: 0,
            in_use: vec![0; entries.div_ceil(64)],
            removals: 0,
            lengths: LengthCounts::default(),
            search: Search::default(),
        })
    }

    /// The table as workers see it.
    pub fn table(&self) -> &Arc<Bindings> {
        &self.table
    }

    /// Bindings that it holds.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Bindings that it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes a binding, or moves the one that has this key: packets see what was before or
    /// `forwarding`, nothing between.
    ///
    /// `prepare` is called with the index of a new binding's entry, before any worker can see it.
    pub fn bind(
        &mut self,
        key: BindingKey,
        forwarding: Forwarding,
        prepare: impl FnOnce(u32),
    ) -> Result<BindingId, Full> {
        let key = Key::from(key);
        let table = &*self.table;
        let place = table.place(&key);
        if let Some((record, entry)) = find(table, place, &key) {
            entry.forward(forwarding);
            return Ok(BindingId(record));
        }
        if self.live >= self.capacity {
            return Err(Full::Capacity);
        }
        let record = self.indices.take()?;
        let Some(entry) = table.entries.get(record as usize) else {
            return Err(Full::Capacity);
        };
        prepare(record);
        entry.fill(key, forwarding);
        self.lengths.enter(&table.lengths, &key);
        let hash = |record: u32| {
            let entry = table.entries.get(record as usize);
            let key = entry.map(Entry::key).unwrap_or_default();
            key.hash(table.index.seed())
        };
        let inserted = table.index.insert(place, record, &mut self.search, hash);
        if inserted.is_err() {
            // No worker has seen it, so it needs no waiting.
            self.lengths.leave(&table.lengths, &key);
            self.indices.give_back(record);
            return Err(Full::Capacity);
        }
        self.mark(record, true);
        self.live += 1;
        Ok(BindingId(record))
    }

    /// Takes a binding out; its entry keeps its index until the workers are done with it.
    pub fn unbind(&mut self, key: &BindingKey) -> Option<BindingId> {
        let key = Key::from(*key);
        let table = &*self.table;
        let place = table.place(&key);
        let (record, _) = find(table, place, &key)?;
        table.index.remove(place, record);
        self.lengths.leave(&table.lengths, &key);
        self.mark(record, false);
        self.live -= 1;
        self.indices.retire(record);
        self.removals += 1;
        if self.removals >= REMOVALS_PER_EPOCH {
            self.removals = 0;
            self.qsbr.advance();
        }
        Some(BindingId(record))
    }

    /// Hints that these keys will be bound or unbound next, so that their cache misses overlap. A
    /// few dozen at a time are best: more than the first-level cache has lines for is no use.
    pub fn prefetch(&self, keys: &[BindingKey]) {
        let table = &*self.table;
        let (buckets, fetch) = (table.index.buckets(), table.entries.prefetcher());
        for keys in keys.chunks(BATCH) {
            let mut all_asked = ArrayVec::<_, BATCH>::new();
            for key in keys {
                // There are no more keys than places.
                all_asked.push(buckets.ask(table.place(&Key::from(*key))));
            }
            for asked in &all_asked {
                match asked.candidate() {
                    Some(record) => fetch(record),
                    None => buckets.prefetch_second(asked),
                }
            }
        }
    }

    /// The binding of exactly this key.
    pub fn get(&self, key: &BindingKey) -> Option<(BindingId, Forwarding)> {
        let key = Key::from(*key);
        let (record, entry) = find(&self.table, self.table.place(&key), &key)?;
        Some((BindingId(record), entry.forwarding()?.forwarding()))
    }

    /// The binding at an index, if one is there.
    pub fn at(&self, id: BindingId) -> Option<(BindingKey, Forwarding)> {
        let word = self.in_use.get(id.0 as usize / 64)?;
        let entry = self.table.entries.get(id.0 as usize)?;
        let forwarding = entry.forwarding()?.forwarding();
        (word & 1 << (id.0 % 64) != 0).then(|| (entry.key().into(), forwarding))
    }

    /// Indices below this may hold a binding, the others never did.
    pub fn touched(&self) -> usize {
        self.indices.touched()
    }

    /// Frees the entries that every worker is done with; returns how many still wait. The caller has
    /// called [`Qsbr::advance`].
    pub fn reclaim(&mut self) -> usize {
        self.indices.reclaim()
    }

    /// The worker that holds back the oldest removed entry.
    pub fn held_by(&self) -> Option<usize> {
        self.indices.held_by()
    }

    fn mark(&mut self, record: u32, in_use: bool) {
        if let Some(word) = self.in_use.get_mut(record as usize / 64) {
            let bit = 1 << (record % 64);
            *word = if in_use { *word | bit } else { *word & !bit };
        }
    }
}

/// The entry of a key.
fn find<'a>(table: &'a Bindings, place: Place, key: &Key) -> Option<(u32, &'a Entry)> {
    let entry = |record: u32| table.entries.get(record as usize);
    let is = |record| entry(record).is_some_and(|entry| entry.key() == *key);
    let record = table.index.find(place, is)?;
    Some((record, entry(record)?))
}
