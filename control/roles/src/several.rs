//! Several values under one key, most often one.

use crate::keyed::Keyed;
use std::hash::Hash;

/// A map from a key to the values that it has, in the order in which they came. A key with one value
/// takes no more than the value.
#[derive(Clone, Debug)]
pub(crate) struct Several<K, V> {
    values: Keyed<K, Few<V>>,
}

#[derive(Clone, Debug)]
struct Few<V> {
    first: V,
    others: Vec<V>,
}

impl<K, V> Default for Several<K, V> {
    fn default() -> Self {
        Self {
            values: Keyed::default(),
        }
    }
}

impl<K: Eq + Hash, V: Copy + PartialEq> Several<K, V> {
    /// Adds a value behind the others of its key; one that is there already stays where it is.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.values.get_mut(&key) {
            None => {
                let others = Vec::new();
                let first = value;
                self.values.add(key, Few { first, others });
            }
            Some(few) if few.first != value && !few.others.contains(&value) => {
                few.others.push(value);
            }
            Some(_) => {}
        }
    }

    /// Takes a value from its key.
    pub(crate) fn remove(&mut self, key: &K, value: V) {
        let Some(few) = self.values.get_mut(key) else {
            return;
        };
        if few.first != value {
            return few.others.retain(|other| *other != value);
        }
        if few.others.is_empty() {
            self.values.remove(key);
        } else {
            few.first = few.others.remove(0);
        }
    }

    /// The values of a key.
    pub(crate) fn get(&self, key: &K) -> impl Iterator<Item = V> + '_ {
        let few = self.values.get(key).into_iter();
        few.flat_map(|few| std::iter::once(few.first).chain(few.others.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_values_in_the_order_in_which_they_came() {
        let mut several = Several::default();
        for value in [3, 1, 3, 2] {
            several.insert("a", value);
        }
        several.insert("b", 9);
        assert_eq!(several.get(&"a").collect::<Vec<_>>(), [3, 1, 2]);
        several.remove(&"a", 1);
        several.remove(&"a", 3);
        several.remove(&"a", 7);
        assert_eq!(several.get(&"a").collect::<Vec<_>>(), [2]);
        several.remove(&"a", 2);
        assert_eq!(several.get(&"a").count(), 0);
        assert_eq!(several.values.len(), 1);
    }
}
