//! Which prefix lengths occur, so that a lookup tries no other.

use super::keys::{Family, Key};
use crate::sync::{AtomicU64, Ordering};

/// The lengths, as bits. One is there before its first binding and until after its last.
#[derive(Default)]
pub(super) struct Lengths {
    /// 0 to 63, 64 to 127, 128.
    ipv6: [AtomicU64; 3],
    ipv4: AtomicU64,
}

impl Lengths {
    fn word(&self, family: Family, length: u32) -> &AtomicU64 {
        let [short, middle, full] = &self.ipv6;
        match (family, length) {
            (Family::V4, _) => &self.ipv4,
            (Family::V6, 0..64) => short,
            (Family::V6, 64..128) => middle,
            (Family::V6, _) => full,
        }
    }

    /// Writer: says that `length` occurs.
    pub(super) fn set(&self, family: Family, length: u32) {
        let word = self.word(family, length);
        word.store(
            word.load(Ordering::Relaxed) | 1 << (length % 64),
            Ordering::Release,
        );
    }

    /// Writer: says that `length` occurs no more.
    pub(super) fn clear(&self, family: Family, length: u32) {
        let word = self.word(family, length);
        word.store(
            word.load(Ordering::Relaxed) & !(1 << (length % 64)),
            Ordering::Release,
        );
    }

    /// Those of a family that are in use, longest first.
    #[inline(always)]
    pub(super) fn in_use(&self, family: Family) -> impl Iterator<Item = u32> + Clone {
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        let mut words = match family {
            Family::V4 => [load(&self.ipv4), 0, 0],
            Family::V6 => self.ipv6.each_ref().map(load),
        };
        std::iter::from_fn(move || {
            let (at, word) = words
                .iter_mut()
                .enumerate()
                .rev()
                .find(|(_, word)| **word != 0)?;
            let bit = 63 - word.leading_zeros();
            *word &= !(1 << bit);
            Some(at as u32 * 64 + bit)
        })
    }
}

/// How many bindings there are of each prefix length.
pub(super) struct LengthCounts {
    ipv6: [u32; 129],
    ipv4: [u32; 33],
}

impl Default for LengthCounts {
    fn default() -> Self {
        Self {
            ipv6: [0; 129],
            ipv4: [0; 33],
        }
    }
}

impl LengthCounts {
    fn of(&mut self, key: &Key) -> Option<&mut u32> {
        let at = key.length() as usize;
        match key.family() {
            Family::V4 => self.ipv4.get_mut(at),
            Family::V6 => self.ipv6.get_mut(at),
        }
    }

    /// Counts a binding in, and publishes its length when it is the first.
    pub(super) fn enter(&mut self, published: &Lengths, key: &Key) {
        let Some(count) = self.of(key) else { return };
        *count += 1;
        if *count == 1 {
            published.set(key.family(), key.length());
        }
    }

    /// Counts a binding out, and takes its length back when it was the last.
    pub(super) fn leave(&mut self, published: &Lengths, key: &Key) {
        let Some(count) = self.of(key) else { return };
        *count -= 1;
        if *count == 0 {
            published.clear(key.family(), key.length());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_longest_first_and_by_family() {
        let lengths = Lengths::default();
        for length in [0, 63, 64, 127, 128] {
            lengths.set(Family::V6, length);
        }
        for length in [0, 24, 32] {
            lengths.set(Family::V4, length);
        }
        lengths.clear(Family::V6, 127);
        assert_eq!(
            lengths.in_use(Family::V6).collect::<Vec<_>>(),
            [128, 64, 63, 0]
        );
        assert_eq!(lengths.in_use(Family::V4).collect::<Vec<_>>(), [32, 24, 0]);
    }
}
