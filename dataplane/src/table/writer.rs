//! The part of the binding table that only its writer sees: which entries are free, which wait for
//! the workers, and what is in use.

use super::bindings::{Bindings, Entry, Key};
use super::hash::Seed;
use super::index::{Index, Search};
use super::Full;
use crate::indices::Indices;
use crate::key::{BindingId, BindingKey, Forwarding};
use crate::mem::{self, Storage};
use crate::qsbr::Qsbr;
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
    /// Bindings by prefix length.
    ipv6_lengths: [u32; 129],
    ipv4_lengths: [u32; 33],
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
            ipv6_lengths: [0; 129],
            ipv4_lengths: [0; 33],
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
        let table = Arc::clone(&self.table);
        let place = table.index.place(key.hash(table.index.seed()));
        if let Some((record, entry)) = self.find(&table, &key) {
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
        self.count_length(&key, true);
        let hash = |record: u32| {
            let key = table
                .entries
                .get(record as usize)
                .map(Entry::key)
                .unwrap_or_default();
            key.hash(table.index.seed())
        };
        if table
            .index
            .insert(&place, record, &mut self.search, hash)
            .is_err()
        {
            // No worker has seen it, so it needs no waiting.
            self.count_length(&key, false);
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
        let table = Arc::clone(&self.table);
        let place = table.index.place(key.hash(table.index.seed()));
        let (record, _) = self.find(&table, &key)?;
        table.index.remove(&place, record);
        self.count_length(&key, false);
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

    /// The binding of exactly this key.
    pub fn get(&self, key: &BindingKey) -> Option<(BindingId, Forwarding)> {
        let (record, entry) = self.find(&self.table, &Key::from(*key))?;
        Some((BindingId(record), entry.forwarding()))
    }

    /// The binding at an index, if one is there.
    pub fn at(&self, id: BindingId) -> Option<(BindingKey, Forwarding)> {
        let word = self.in_use.get(id.0 as usize / 64)?;
        let entry = self.table.entries.get(id.0 as usize)?;
        (word & 1 << (id.0 % 64) != 0).then(|| (entry.key().into(), entry.forwarding()))
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

    fn find<'a>(&self, table: &'a Bindings, key: &Key) -> Option<(u32, &'a Entry)> {
        let place = table.index.place(key.hash(table.index.seed()));
        let entry = |record: u32| table.entries.get(record as usize);
        let record = table.index.find(&place, |record| {
            entry(record).is_some_and(|e| e.key() == *key)
        })?;
        Some((record, entry(record)?))
    }

    fn mark(&mut self, record: u32, in_use: bool) {
        if let Some(word) = self.in_use.get_mut(record as usize / 64) {
            let bit = 1 << (record % 64);
            *word = if in_use { *word | bit } else { *word & !bit };
        }
    }

    /// Counts a binding in or out, and publishes its length before the first and after the last.
    fn count_length(&mut self, key: &Key, enters: bool) {
        let at = key.length() as usize;
        let count = if key.is_ipv4() {
            self.ipv4_lengths.get_mut(at)
        } else {
            self.ipv6_lengths.get_mut(at)
        };
        let Some(count) = count else { return };
        if enters {
            *count += 1;
            if *count == 1 {
                self.table.lengths.set(key.is_ipv4(), key.length());
            }
        } else {
            *count -= 1;
            if *count == 0 {
                self.table.lengths.clear(key.is_ipv4(), key.length());
            }
        }
    }
}
