//! The hash of table keys: two folded 64 x 64 bit multiplications under a secret seed, so that
//! nobody outside can choose prefixes that fall into one bucket.

use std::hash::{BuildHasher, RandomState};

/// The secret that keys are hashed under.
#[derive(Clone, Copy)]
pub struct Seed([u64; 3]);

impl Seed {
    /// From a number: the same number gives the same hashes.
    pub fn new(number: u64) -> Self {
        let mut state = number;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        }))
    }

    /// From the system's random numbers.
    pub fn random() -> Self {
        Self::new(RandomState::new().hash_one(0u64))
    }

    /// Hash of three words.
    #[inline(always)]
    pub fn hash(&self, a: u64, b: u64, c: u64) -> u64 {
        let [s, t, u] = self.0;
        fold(fold(a ^ s, b ^ t) ^ c, u)
    }
}

/// The product of two words, its halves laid over each other.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Seed;

    #[test]
    fn keys_that_differ_in_one_bit_spread_over_all_bits() {
        let seed = Seed::new(1);
        for bit in 0..64 {
            for (a, b, c) in [(1u64 << bit, 0, 0), (0, 1 << bit, 0), (0, 0, 1 << bit)] {
                let differing = (seed.hash(a, b, c) ^ seed.hash(0, 0, 0)).count_ones();
                assert!(
                    (8..=56).contains(&differing),
                    "bit {bit}: {differing} bits differ"
                );
            }
        }
    }

    #[test]
    fn a_seed_is_its_number_and_random_ones_differ() {
        assert_eq!(Seed::new(5).hash(1, 2, 3), Seed::new(5).hash(1, 2, 3));
        assert_ne!(Seed::new(5).hash(1, 2, 3), Seed::new(6).hash(1, 2, 3));
        assert_ne!(Seed::random().hash(1, 2, 3), Seed::random().hash(1, 2, 3));
    }
}
