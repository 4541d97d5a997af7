//! When packets are due.
//!
//! Packet `n` is due at `start + n * interval`, whatever happened to those before it. A step of the
//! generator sends all that have come due since the last one, which is one at a time at low rates and a
//! few at high ones; there is no timer tick that would bunch them, and time lost to a stall is caught up
//! at once and shows in the latency of the packets that were held back.

/// Fractional bits of an interval, which is a few hundred cycles at most rates.
const FRACTION: u32 = 32;

/// A schedule of packets.
#[derive(Clone, Debug)]
pub struct Pace {
    start: u64,
    /// Cycles between packets, with [`FRACTION`] fractional bits; 0 is as fast as it goes.
    interval: u128,
    /// Packets that were taken from the schedule.
    taken: u64,
    /// Packets of the whole schedule.
    total: u64,
}

impl Pace {
    /// `total` packets at `rate` packets per second from clock `start` on; the clock runs at `hz`.
    /// Without a rate they are due whenever there is room.
    pub fn new(start: u64, hz: u64, rate: Option<f64>, total: u64) -> Self {
        let interval = rate.map_or(0, |rate| {
            (hz as f64 / rate * (1_u64 << FRACTION) as f64) as u128
        });
        Self {
            start,
            interval,
            taken: 0,
            total,
        }
    }

    /// Starts a schedule that was made without a start (one at the end of time); others stay as they are.
    #[inline]
    pub fn start(&mut self, now: u64) {
        if self.start == u64::MAX {
            self.start = now;
        }
    }

    /// How many packets are due at `now` and were not taken, up to `limit`.
    #[inline]
    pub fn due(&self, now: u64, limit: usize) -> usize {
        let left = self.total - self.taken;
        let due = match u128::from(now.saturating_sub(self.start)) << FRACTION {
            _ if now < self.start => 0,
            _ if self.interval == 0 => left,
            // The packet of time zero is due at once.
            passed => {
                let due = passed / self.interval + 1;
                u64::try_from(due)
                    .unwrap_or(u64::MAX)
                    .min(self.total)
                    .saturating_sub(self.taken)
            }
        };
        usize::try_from(due.min(left)).map_or(limit, |due| due.min(limit))
    }

    /// Takes the next packet; returns when it is due. Without a rate that is `now`.
    #[inline]
    pub fn take(&mut self, now: u64) -> u64 {
        let due = match self.interval {
            0 => now,
            interval => self
                .start
                .wrapping_add(((interval * u128::from(self.taken)) >> FRACTION) as u64),
        };
        self.taken += 1;
        due
    }

    /// Packets that were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether all packets were taken.
    pub fn is_over(&self) -> bool {
        self.taken >= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_due_one_by_one_and_at_their_own_time() {
        let mut pace = Pace::new(1_000, 1_000_000, Some(25_000.0), 5);
        assert_eq!(pace.due(999, 32), 0);
        assert_eq!(pace.due(1_000, 32), 1);
        assert_eq!(pace.take(1_000), 1_000);
        assert_eq!(pace.due(1_039, 32), 0);
        assert_eq!(pace.due(1_040, 32), 1);
        // A late step changes nothing about when the packets were due.
        let due: Vec<u64> = (0..3).map(|_| pace.take(9_999)).collect();
        assert_eq!(due, [1_040, 1_080, 1_120]);
    }

    #[test]
    fn a_stall_is_caught_up_but_never_beyond_the_end() {
        let mut pace = Pace::new(0, 1_000_000, Some(1_000_000.0), 100);
        assert_eq!(pace.due(1_000_000, 32), 32);
        for _ in 0..96 {
            pace.take(1_000_000);
        }
        assert_eq!(pace.due(1_000_000, 32), 4);
        for _ in 0..4 {
            pace.take(1_000_000);
        }
        assert!(pace.is_over());
        assert_eq!(pace.due(u64::MAX, 32), 0);
    }

    #[test]
    fn without_a_rate_there_is_always_one_due_until_the_end() {
        let mut pace = Pace::new(0, 1_000, None, 40);
        assert_eq!(pace.due(0, 32), 32);
        assert_eq!(pace.take(77), 77);
        assert_eq!(pace.due(77, 64), 39);
    }

    #[test]
    fn long_runs_do_not_drift() {
        let mut pace = Pace::new(0, 2_445_000_000, Some(3_333_333.0), u64::MAX);
        let mut last = 0;
        for _ in 0..3_333_334 {
            last = pace.take(0);
        }
        assert!(last.abs_diff(2_445_000_000) < 2, "{last}");
    }
}
