//! What hosts talk: sessions that begin at random and are of heavy-tailed length.
//!
//! A session stays with the address that it began with. While its host is with the gateway that anchors
//! that address it takes no tunnel; when the host has moved on it does, until it ends. Sessions are
//! drawn when a stay is over, all at once: what happened between two moves needs no events of its own.

use super::lots::Lots;
use rand::distr::Distribution;
use rand_distr::{Pareto, Poisson};

/// The longest session, in seconds.
const LONGEST_S: f64 = 6.0 * 3600.0;

/// How hosts talk.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Sessions that a host begins in an hour, on the average.
    pub per_hour: f64,
    /// The shortest session, in seconds.
    pub shortest_s: f64,
    /// Exponent of the Pareto distribution of their lengths: above 1; the smaller, the heavier the tail.
    pub exponent: f64,
}

/// The sessions that began in a stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Begun {
    /// How many.
    pub count: u64,
    /// How long they lasted within the stay, in microseconds, all together.
    pub within_us: u64,
    /// When those end that outlast it, in microseconds.
    pub outlasting: Vec<u64>,
}

impl Habits {
    /// Draws the sessions of a stay, in microseconds from and to.
    pub fn draw(&self, from: u64, to: u64, lots: &mut Lots) -> Begun {
        let mut begun = Begun::default();
        let stay = to.saturating_sub(from);
        let mean = self.per_hour * stay as f64 / 3.6e9;
        let (Ok(number), Ok(length)) = (
            Poisson::new(mean),
            Pareto::new(self.shortest_s, self.exponent),
        ) else {
            // No stay, or nobody talks.
            return begun;
        };
        begun.count = number.sample(lots) as u64;
        for _ in 0..begun.count {
            let start = from + lots.below(stay);
            let end = start + (length.sample(lots).min(LONGEST_S) * 1e6) as u64;
            begun.within_us += end.min(to) - start;
            if end > to {
                begun.outlasting.push(end);
            }
        }
        begun
    }
}

/// How long sessions that end at these times last from `from` to `to`, all together.
pub fn overlap(ends: &[u64], from: u64, to: u64) -> u64 {
    let each = ends.iter().map(|end| end.min(&to).saturating_sub(from));
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::super::lots::Draw;
    use super::*;

    const HABITS: Habits = Habits {
        per_hour: 120.0,
        shortest_s: 20.0,
        exponent: 1.5,
    };

    #[test]
    fn sessions_have_the_rate_and_the_length_that_they_are_to_have() {
        let hour = 3_600_000_000;
        let (mut count, mut total, mut outlasting) = (0, 0, 0);
        for number in 0..400 {
            let begun = HABITS.draw(hour, 2 * hour, &mut Lots::of(1, Draw::Sessions, 0, number));
            assert!(begun.outlasting.iter().all(|end| *end > 2 * hour));
            count += begun.count;
            let behind: u64 = begun.outlasting.iter().map(|end| end - 2 * hour).sum();
            total += begun.within_us + behind;
            outlasting += begun.outlasting.len();
        }
        let mean_s = total as f64 / count as f64 / 1e6;
        assert!((47_000..49_000).contains(&count), "{count}");
        assert!((50.0..65.0).contains(&mean_s), "{mean_s}");
        assert!(outlasting > 400, "{outlasting}");
    }

    #[test]
    fn only_what_lies_within_is_counted() {
        assert_eq!(overlap(&[5, 15, 40], 10, 30), 5 + 20);
        assert_eq!(overlap(&[], 10, 30), 0);
        let none = HABITS.draw(7, 7, &mut Lots::of(1, Draw::Sessions, 0, 0));
        assert_eq!(none, Begun::default());
    }
}
