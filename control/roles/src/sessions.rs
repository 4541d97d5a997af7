//! Mobility sessions by number (RFC 5213 section 5.1): what every binding cache has, whatever its entries
//! hold and by whatever else they are found.

use std::collections::BTreeMap;

/// The sessions of a binding cache. No number is used twice.
#[derive(Clone, Debug)]
pub(crate) struct Sessions<E> {
    /// In boxes: half of the places of a tree's nodes are empty.
    entries: BTreeMap<u64, Box<E>>,
    last: u64,
}

impl<E> Default for Sessions<E> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<E> Sessions<E> {
    /// A number that no session has had.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a session, or puts it in the place of the one that has its number; whether it is a new one.
    pub(crate) fn insert(&mut self, number: u64, entry: E) -> bool {
        self.last = self.last.max(number);
        self.entries.insert(number, Box::new(entry)).is_none()
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<E> {
        self.entries.remove(&number).map(|entry| *entry)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&E> {
        self.entries.get(&number).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut E> {
        self.entries.get_mut(&number).map(Box::as_mut)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// By their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.values().map(Box::as_ref)
    }
}
