//! How often something may happen that others cause.

use crate::counters::{Counter, Counters};
use std::time::Duration;

/// A token bucket, kept as the time at which it would be full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    burst: u32,
    interval: Duration,
    full_at: Duration,
}

impl Limit {
    /// `burst` times at once, and once more for every `interval`.
    pub(crate) const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            full_at: Duration::ZERO,
        }
    }

    /// The limit of error answers (RFC 4443 section 2.4 f).
    pub(super) const fn of_answers() -> Self {
        Self::new(50, Duration::from_millis(10))
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let from = self.full_at.max(now);
        if from - now > self.interval * self.burst.saturating_sub(1) {
            return false;
        }
        self.full_at = from + self.interval;
        true
    }
}

/// What goes into the log because of what others do: writing a line may wait for whoever reads the
/// log, and a flood of arrivals must not become a flood of lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    limit: Limit,
    left_out: u64,
}

impl Default for Log {
    /// A busy gateway's log, but not that of one that is flooded.
    fn default() -> Self {
        Self {
            limit: Limit::new(1_000, Duration::from_millis(5)),
            left_out: 0,
        }
    }
}

impl Log {
    /// Whether one more line may be written; if not, it is counted.
    pub(super) fn take(&mut self, now: Duration, counters: &mut Counters) -> bool {
        let may = self.limit.take(now);
        if !may {
            counters.count(Counter::LogLimited);
            self.left_out += 1;
        }
        may
    }

    /// How many lines were left out since the last call.
    pub(super) fn left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_gives_its_burst_and_then_its_rate() {
        let mut limit = Limit::of_answers();
        let start = Duration::from_secs(9);
        let taken = (0..200).filter(|_| limit.take(start)).count();
        assert_eq!(taken, 50);
        let later = start + Duration::from_millis(30);
        assert_eq!((0..200).filter(|_| limit.take(later)).count(), 3);
    }

    #[test]
    fn lines_that_are_left_out_are_counted() {
        let mut counters = Counters::default();
        let mut log = Log::default();
        let now = Duration::from_secs(1);
        let written = (0..1_500).filter(|_| log.take(now, &mut counters)).count();
        assert_eq!(written, 1_000);
        assert_eq!((log.left_out(), log.left_out()), (500, 0));
        assert_eq!(counters.get(Counter::LogLimited), 500);
    }
}
