//! Rate limits: how many errors a worker sends and how many packets it passes to control.
//!
//! A [`Bucket`] is a token bucket kept as one number, the time at which it would be full again
//! (the generic cell rate algorithm). A [`Sources`] is a small fixed table of buckets keyed by
//! source; two sources that share a place take it from one another and start afresh, so what all
//! sources may do together is for a bucket of its own to bound. Time is in nanoseconds from any
//! fixed point.

/// A rate, and how much of it may come at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Packets per second in the long run; none at 0.
    pub per_second: u32,
    /// Packets that may come back to back after a pause, at least 1.
    pub burst: u32,
}

impl Rate {
    /// `per_second` packets per second, `burst` at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// Nanoseconds that one packet takes up.
    const fn interval(self) -> Option<u64> {
        1_000_000_000u64.checked_div(self.per_second as u64)
    }
}

/// A rate in nanoseconds, for whoever has no time to divide.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// What one packet takes up; none at a rate of 0.
    interval: Option<u64>,
    /// How far a bucket may be from being full for one more packet.
    room: u64,
}

impl Pace {
    const fn of(rate: Rate) -> Self {
        let others = if rate.burst == 0 { 0 } else { rate.burst - 1 };
        let interval = rate.interval();
        Self {
            interval,
            room: match interval {
                Some(interval) => interval.saturating_mul(others as u64),
                None => 0,
            },
        }
    }

    /// When a bucket that would be full at `full_at` would be full again if one more token were taken at
    /// `now` after `taken` others, if there is one.
    #[inline(always)]
    fn after(self, full_at: u64, taken: u32, now: u64) -> Option<u64> {
        let interval = self.interval?;
        let others = interval.saturating_mul(u64::from(taken));
        let from = now.max(full_at).saturating_add(others);
        (from - now <= self.room).then(|| from.saturating_add(interval))
    }

    fn take(self, full_at: &mut u64, now: u64) -> bool {
        match self.after(*full_at, 0, now) {
            Some(after) => {
                *full_at = after;
                true
            }
            None => false,
        }
    }
}

/// One token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pace: Pace,
    full_at: u64,
}

impl Bucket {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self {
            pace: Pace::of(rate),
            full_at: 0,
        }
    }

    /// Takes one token at `now`, if there is one.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        self.pace.take(&mut self.full_at, now)
    }

    /// Whether there would be a token at `now` after `taken` others.
    #[inline]
    pub(crate) fn has(&self, taken: u32, now: u64) -> bool {
        self.pace.after(self.full_at, taken, now).is_some()
    }
}

/// Places of a [`Sources`] table.
const PLACES: usize = 256;

/// Token buckets by source.
#[derive(Debug)]
pub(crate) struct Sources {
    pace: Pace,
    places: Box<[Place; PLACES]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: u128,
    full_at: u64,
}

impl Sources {
    pub(crate) fn new(rate: Rate) -> Self {
        let empty = Place { key: 0, full_at: 0 };
        Self {
            pace: Pace::of(rate),
            places: Box::new([empty; PLACES]),
        }
    }

    /// The place of a source.
    fn place(key: u128) -> usize {
        let folded = (key ^ (key >> 64)) as u64;
        (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    /// Whether source `key` would have a token at `now`.
    pub(crate) fn has(&self, key: u128, now: u64) -> bool {
        let place = self.places.get(Self::place(key));
        let place = place.filter(|place| place.key == key);
        let full_at = place.map_or(0, |place| place.full_at);
        self.pace.after(full_at, 0, now).is_some()
    }

    /// Takes one token of source `key` at `now`, if there is one.
    pub(crate) fn take(&mut self, key: u128, now: u64) -> bool {
        let Some(place) = self.places.get_mut(Self::place(key)) else {
            return false;
        };
        if place.key != key {
            *place = Place { key, full_at: 0 };
        }
        self.pace.take(&mut place.full_at, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(bucket: &mut Bucket, now: u64, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = Bucket::new(Rate::new(10, 4));
        assert_eq!(taken(&mut bucket, 5 * SECOND, 20), 4);
        assert_eq!(taken(&mut bucket, 5 * SECOND + SECOND / 10, 20), 1);
        assert_eq!(taken(&mut bucket, 6 * SECOND, 20), 4);
        assert_eq!(taken(&mut bucket, 60 * SECOND, 20), 4);
    }

    #[test]
    fn a_bucket_has_what_it_gives() {
        let now = 5 * SECOND;
        let mut bucket = Bucket::new(Rate::new(10, 4));
        for left in (0..=4u32).rev() {
            let had = (0..9).filter(|&taken| bucket.has(taken, now)).count();
            assert_eq!(had, left as usize);
            assert_eq!(bucket.take(now), left > 0);
        }
        let mut sources = Sources::new(Rate::new(1, 2));
        let mut had_and_took = || (sources.has(7, now), sources.take(7, now));
        let steps = [(); 3].map(|()| had_and_took());
        assert_eq!(steps, [(true, true), (true, true), (false, false)]);
        assert!(sources.has(8, now));
        assert!(!Bucket::new(Rate::new(0, 9)).has(0, now));
    }

    #[test]
    fn extreme_rates_are_none_and_all() {
        assert_eq!(taken(&mut Bucket::new(Rate::new(0, 9)), SECOND, 5), 0);
        assert_eq!(taken(&mut Bucket::new(Rate::new(u32::MAX, 1)), 0, 500), 500);
        let mut bucket = Bucket::new(Rate::new(1, u32::MAX));
        assert_eq!(taken(&mut bucket, u64::MAX - 1, 5), 5);
    }

    #[test]
    fn sources_do_not_take_from_one_another() {
        let mut sources = Sources::new(Rate::new(1, 2));
        let count = |sources: &mut Sources, key| (0..9).filter(|_| sources.take(key, 1)).count();
        assert_eq!(count(&mut sources, 1), 2);
        assert_eq!(count(&mut sources, 1), 0);
        assert_eq!(count(&mut sources, 2), 2);
        assert_eq!(count(&mut sources, u128::MAX / 3), 2);
    }
}
