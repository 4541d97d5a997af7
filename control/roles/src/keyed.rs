//! Maps that grow without a pause and lie close together, for what there is a million of.
//!
//! A hash table of everything doubles at once: with a million entries that is a second in which nothing
//! else is done. Here the table is in parts that double one after the other, each in a fraction of a
//! millisecond; and it holds only where the entries are, so that its empty places cost little.
//!
//! ```text
//!   hash ─► part ─► (hash, place) ─► chunk ─► key, value
//!           256 of them                1,024 to a chunk, never moved
//! ```

use hashbrown::{DefaultHashBuilder, Equivalent, HashTable};
use std::hash::{BuildHasher, Hash};

/// Parts of an index that has grown.
const PARTS: usize = 256;

/// Entries from which on an index has parts.
const PARTED_FROM: usize = 4_096;

/// Entries of a chunk.
const CHUNK: usize = 1_024;

/// Finds small values by the hashes of keys that are elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Index<T> {
    hasher: DefaultHashBuilder,
    /// One, or [`PARTS`]. With each value is half of its hash, so that growing looks at no key.
    parts: Vec<HashTable<(u32, T)>>,
    len: usize,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            parts: vec![HashTable::new()],
            len: 0,
        }
    }
}

/// Spreads half of a hash over all bits again.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T: Copy> Index<T> {
    /// What a key is found by.
    pub(crate) fn hash<Q: ?Sized + Hash>(&self, key: &Q) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn part(&self, hash: u32) -> usize {
        // Its other end chooses the place in the part.
        (hash >> 24) as usize % self.parts.len()
    }

    /// The values with this hash, in no order.
    pub(crate) fn all(&self, hash: u32) -> impl Iterator<Item = T> + '_ {
        let part = self.parts.get(self.part(hash)).into_iter();
        let same = part.flat_map(move |part| part.iter_hash(spread(hash)));
        same.filter_map(move |&(its, value)| (its == hash).then_some(value))
    }

    /// The value with this hash that is meant.
    pub(crate) fn find(&self, hash: u32, mut meant: impl FnMut(T) -> bool) -> Option<T> {
        let part = self.parts.get(self.part(hash))?;
        let found = part.find(spread(hash), |&(its, value)| its == hash && meant(value));
        found.map(|&(_, value)| value)
    }

    /// Adds a value.
    pub(crate) fn insert(&mut self, hash: u32, value: T) {
        if self.parts.len() == 1 && self.len >= PARTED_FROM {
            self.split();
        }
        let part = self.part(hash);
        if let Some(part) = self.parts.get_mut(part) {
            part.insert_unique(spread(hash), (hash, value), |&(its, _)| spread(its));
            self.len += 1;
        }
    }

    /// Takes the value out that is meant.
    pub(crate) fn remove(&mut self, hash: u32, mut meant: impl FnMut(T) -> bool) -> Option<T> {
        let part = self.part(hash);
        let part = self.parts.get_mut(part)?;
        let entry = part.find_entry(spread(hash), |&(its, value)| its == hash && meant(value));
        let ((_, value), _) = entry.ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    fn split(&mut self) {
        let whole = std::mem::take(&mut self.parts);
        self.parts.resize_with(PARTS, HashTable::new);
        self.len = 0;
        for (hash, value) in whole.into_iter().flatten() {
            self.insert(hash, value);
        }
    }
}

/// A map whose entries stay where they are, each with a number as long as it is there, and come in the order
/// of these numbers.
#[derive(Clone, Debug)]
pub struct Keyed<K, V> {
    index: Index<u32>,
    chunks: Vec<Vec<Option<(K, V)>>>,
    /// Numbers below the end that nothing has.
    free: Vec<u32>,
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self {
            index: Index::default(),
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<K, V> Keyed<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, number: u32) -> Option<&(K, V)> {
        let number = number as usize;
        self.chunks
            .get(number / CHUNK)?
            .get(number % CHUNK)?
            .as_ref()
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Option<(K, V)>> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    /// The entry with this number.
    pub fn at(&self, number: u32) -> Option<(&K, &V)> {
        self.slot(number).map(|(key, value)| (key, value))
    }

    /// The value with this number.
    pub fn at_mut(&mut self, number: u32) -> Option<&mut V> {
        self.slot_mut(number)?.as_mut().map(|(_, value)| value)
    }

    /// All entries, by number.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let slots = self.chunks.iter().flatten().flatten();
        slots.map(|(key, value)| (key, value))
    }
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    /// The number of a key's entry.
    pub fn number<Q: ?Sized + Hash + Equivalent<K>>(&self, key: &Q) -> Option<u32> {
        let is = |number| {
            self.slot(number)
                .is_some_and(|(its, _)| key.equivalent(its))
        };
        self.index.find(self.index.hash(key), is)
    }

    /// The value of a key.
    pub fn get<Q: ?Sized + Hash + Equivalent<K>>(&self, key: &Q) -> Option<&V> {
        let (_, value) = self.slot(self.number(key)?)?;
        Some(value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: ?Sized + Hash + Equivalent<K>>(&mut self, key: &Q) -> Option<&mut V> {
        self.at_mut(self.number(key)?)
    }

    /// Whether a key has an entry.
    pub fn contains_key<Q: ?Sized + Hash + Equivalent<K>>(&self, key: &Q) -> bool {
        self.number(key).is_some()
    }

    /// Enters a value in the place of the one that the key had, if any.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(old) = self.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        self.add(key, value);
        None
    }

    /// Enters a key that has no entry; its number.
    pub fn add(&mut self, key: K, value: V) -> u32 {
        let hash = self.index.hash(&key);
        let entry = Some((key, value));
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(slot) = self.slot_mut(number) {
                    *slot = entry;
                }
                number
            }
            None => {
                if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                    // The first one grows, for most maps are small.
                    let room = if self.chunks.is_empty() { 0 } else { CHUNK };
                    self.chunks.push(Vec::with_capacity(room));
                }
                let before = (self.chunks.len().saturating_sub(1)) * CHUNK;
                let within = self.chunks.last_mut().map_or(0, |chunk| {
                    chunk.push(entry);
                    chunk.len() - 1
                });
                let Ok(number) = u32::try_from(before + within) else {
                    unreachable!("four thousand million entries do not fit into memory");
                };
                number
            }
        };
        self.index.insert(hash, number);
        number
    }

    /// Takes a key's entry out.
    pub fn remove<Q: ?Sized + Hash + Equivalent<K>>(&mut self, key: &Q) -> Option<V> {
        let number = self.number(key)?;
        let hash = self.index.hash(key);
        self.index.remove(hash, |its| its == number)?;
        let (_, value) = self.slot_mut(number)?.take()?;
        self.free.push(number);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_map_in_parts_finds_what_it_found_in_one() {
        let mut keyed = Keyed::default();
        for key in 0..20_000_u32 {
            assert_eq!(keyed.insert(key, key + 1), None);
        }
        assert_eq!(keyed.index.parts.len(), PARTS);
        let largest = keyed.index.parts.iter().map(HashTable::len).max();
        assert!(largest.is_some_and(|largest| largest < 200), "{largest:?}");
        for key in 0..20_000 {
            assert_eq!(keyed.get(&key), Some(&(key + 1)));
        }
        assert!(keyed.iter().map(|(key, _)| *key).eq(0..20_000));
        for key in 0..20_000 {
            assert_eq!(keyed.remove(&key), Some(key + 1));
        }
        assert!(keyed.is_empty());
        // What follows takes the places that are free.
        assert!((keyed.add(7, 7) as usize) < 20_000);
        assert_eq!(keyed.chunks.len(), 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn agrees_with_a_sorted_map(
            steps in prop::collection::vec((0u8..5, 0u16..60, 0u32..1_000), 1..300),
        ) {
            let mut keyed = Keyed::default();
            let mut model = BTreeMap::new();
            for (what, key, value) in steps {
                match what {
                    0 | 1 => prop_assert_eq!(keyed.insert(key, value), model.insert(key, value)),
                    2 => prop_assert_eq!(keyed.remove(&key), model.remove(&key)),
                    3 => prop_assert_eq!(keyed.get(&key), model.get(&key)),
                    _ => {
                        let number = keyed.number(&key);
                        prop_assert_eq!(number.and_then(|it| keyed.at(it)), model.get_key_value(&key));
                    }
                }
                prop_assert_eq!(keyed.len(), model.len());
            }
            let mut all: Vec<_> = keyed.iter().map(|(key, value)| (*key, *value)).collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(model.iter().map(|(key, value)| (*key, *value))));
        }
    }
}
