//! What becomes of a packet, decided by seed, direction and its number alone.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// How a direction of the wire treats its packets.
#[derive(Clone, Copy, Debug)]
pub struct Impairment {
    /// Delay of every packet.
    pub delay: Duration,
    /// Upper end of a further, evenly drawn delay.
    pub jitter: Duration,
    /// Share of packets lost.
    pub loss: f64,
    /// Share of packets held back.
    pub reorder: f64,
    /// How long those are held back.
    pub reorder_by: Duration,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Capacity in bits per second; 0 is without limit.
    pub bits_per_second: f64,
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// It never arrives.
    pub lost: bool,
    /// It arrives twice.
    pub doubled: bool,
    /// It may be overtaken.
    pub held_back: bool,
    /// Time on the way, without what the rate adds.
    pub delay: Duration,
}

/// Draws fates, one after the other. The same number of lots is drawn for every packet, so that the
/// fate of packet n does not depend on which impairments are switched on.
pub struct Lots {
    random: StdRng,
    impairment: Impairment,
}

impl Lots {
    /// Lots of one direction.
    pub fn new(impairment: Impairment, seed: u64, direction: u64) -> Self {
        // Any odd constant keeps the streams of the two directions apart.
        let seed = seed ^ direction.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            random: StdRng::seed_from_u64(seed),
            impairment,
        }
    }

    /// The fate of the next packet.
    pub fn draw(&mut self) -> Fate {
        let mut lot = || self.random.random::<f64>();
        let [lost, doubled, held_back, jitter] = [lot(), lot(), lot(), lot()];
        let of = &self.impairment;
        let held_back = held_back < of.reorder;
        let mut delay = of.delay + of.jitter.mul_f64(jitter);
        if held_back {
            delay += of.reorder_by;
        }
        Fate {
            lost: lost < of.loss,
            doubled: doubled < of.duplicate,
            held_back,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Impairment = Impairment {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(2),
        loss: 0.1,
        reorder: 0.05,
        reorder_by: Duration::from_millis(5),
        duplicate: 0.02,
        bits_per_second: 0.0,
    };

    fn fates(impairment: Impairment, seed: u64, direction: u64) -> Vec<Fate> {
        let mut lots = Lots::new(impairment, seed, direction);
        (0..10_000).map(|_| lots.draw()).collect()
    }

    #[test]
    fn a_seed_fixes_every_fate() {
        assert_eq!(fates(BAD, 7, 0), fates(BAD, 7, 0));
        assert_ne!(fates(BAD, 7, 0), fates(BAD, 8, 0));
        assert_ne!(fates(BAD, 7, 0), fates(BAD, 7, 1));
    }

    #[test]
    fn the_lots_of_loss_do_not_depend_on_other_impairments() {
        let only_loss = Impairment {
            jitter: Duration::ZERO,
            reorder: 0.0,
            duplicate: 0.0,
            ..BAD
        };
        let lost = |fates: Vec<Fate>| fates.iter().map(|fate| fate.lost).collect::<Vec<_>>();
        assert_eq!(lost(fates(BAD, 3, 1)), lost(fates(only_loss, 3, 1)));
    }

    #[test]
    fn shares_and_delays_are_as_asked() {
        let fates = fates(BAD, 1, 0);
        let lost = fates.iter().filter(|fate| fate.lost).count();
        assert!((900..1100).contains(&lost), "{lost} of 10000 lost at 0.1");
        for fate in fates {
            let least = BAD.delay
                + if fate.held_back {
                    BAD.reorder_by
                } else {
                    Duration::ZERO
                };
            assert!(fate.delay >= least && fate.delay <= least + BAD.jitter);
        }
    }
}
