//! Draws that depend on the seed and on what they are for, and on nothing that was drawn before.
//!
//! Two runs with the same seed draw the same walk for every host, whatever the anchors do meanwhile:
//! so the modes of a domain are compared on the same day.

use rand::RngCore;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Draw {
    /// A host's stay: how long, and where it goes then.
    Stay = 1,
    /// The sessions that begin in a stay.
    Sessions,
    /// How a host comes up on a link, and how its departure is noticed.
    Link,
    /// What becomes of a message.
    Message,
    /// The delay between two gateways.
    Distance,
    /// The trouble of the run.
    Trouble,
    /// A role's own seed.
    Role,
    /// Whether a host hears a question.
    Question,
}

/// A stream of draws (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Lots(u64);

/// The golden ratio, in 64 bits.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Lots {
    /// The stream for the `number`-th such draw of `whom`.
    pub const fn of(seed: u64, what: Draw, whom: u64, number: u64) -> Self {
        let state = mix(seed.wrapping_add(GAMMA.wrapping_mul(what as u64)));
        let state = mix(state ^ whom.wrapping_mul(GAMMA));
        Self(mix(state ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// An even draw from 0 up to 1, 1 left out.
    pub fn even(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A draw below `most`, or 0.
    pub fn below(&mut self, most: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(most)) >> 64) as u64
    }

    /// Whether something of this likelihood happens.
    pub fn happens(&mut self, likelihood: f64) -> bool {
        self.even() < likelihood
    }

    /// An exponential draw of this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.even()).ln()
    }
}

impl RngCore for Lots {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_again_and_apart_from_each_other() {
        let draw = |what, whom, number| Lots::of(7, what, whom, number).next_u64();
        assert_eq!(draw(Draw::Stay, 1, 2), draw(Draw::Stay, 1, 2));
        let all = [
            draw(Draw::Stay, 1, 2),
            draw(Draw::Stay, 2, 1),
            draw(Draw::Link, 1, 2),
            draw(Draw::Stay, 0, 0),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn draws_have_the_means_that_they_are_to_have() {
        let mut lots = Lots::of(1, Draw::Sessions, 0, 0);
        let count = 100_000;
        let mean = |total: f64| total / f64::from(count);
        let even = mean((0..count).map(|_| lots.even()).sum());
        let exponential = mean((0..count).map(|_| lots.exponential(5.0)).sum());
        let below = mean((0..count).map(|_| lots.below(11) as f64).sum());
        assert!((even - 0.5).abs() < 0.01, "{even}");
        assert!((exponential - 5.0).abs() < 0.1, "{exponential}");
        assert!((below - 5.0).abs() < 0.05, "{below}");
    }
}
