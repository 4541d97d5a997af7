//! Retransmission: exponential back-off with jitter, and the limit on how often one host's binding
//! may be updated (RFC 6275 section 11.8, RFC 5213 section 6.9.4).

use rand::rngs::StdRng;
use rand::Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// The delay before the next transmission, doubled with each one up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        Self {
            next: initial.min(max),
            max,
        }
    }

    /// The delay until the next transmission: the period plus up to an eighth of it, so that hosts
    /// that attached together do not stay in step.
    pub(crate) fn step(&mut self, rng: &mut StdRng) -> Duration {
        let period = self.next;
        self.next = period.saturating_mul(2).min(self.max);
        period + fraction(rng, period / 8)
    }

    /// Goes to the slowest rate at once.
    pub(crate) fn slow_down(&mut self) {
        self.next = self.max;
    }
}

/// A random part of `span`.
pub(crate) fn fraction(rng: &mut StdRng, span: Duration) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.random_range(0..=nanos))
}

/// At most so many sendings in any second (MAX_UPDATE_RATE). RFC 6275 limits the messages to one
/// peer because a mobile node has few; a gateway registers many hosts with one anchor, so the limit
/// is kept for each host.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimit {
    recent: VecDeque<Duration>,
}

impl RateLimit {
    const PERIOD: Duration = Duration::from_secs(1);

    /// Takes one of `rate` sendings per second, or tells how long to wait for it.
    pub(crate) fn take(&mut self, now: Duration, rate: u32) -> Result<(), Duration> {
        match self.wait(now, rate) {
            Some(after) => Err(after),
            None => {
                self.note(now);
                Ok(())
            }
        }
    }

    /// How long to wait for one of `rate` sendings per second; none: it may go now.
    pub(crate) fn wait(&mut self, now: Duration, rate: u32) -> Option<Duration> {
        while let Some(&oldest) = self.recent.front() {
            if oldest + Self::PERIOD > now {
                break;
            }
            self.recent.pop_front();
        }
        let full = self.recent.len() >= rate.max(1) as usize;
        let oldest = self.recent.front().filter(|_| full)?;
        Some(*oldest + Self::PERIOD - now)
    }

    /// One goes now.
    pub(crate) fn note(&mut self, now: Duration) {
        self.recent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn doubles_up_to_the_limit_with_bounded_jitter() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        for period in [1, 2, 4, 8, 8] {
            let period = Duration::from_secs(period);
            let delay = backoff.step(&mut rng);
            assert!(delay >= period && delay <= period + period / 8, "{delay:?}");
        }
    }

    #[test]
    fn slowing_down_goes_to_the_limit() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        backoff.slow_down();
        assert!(backoff.step(&mut rng) >= Duration::from_secs(8));
    }

    #[test]
    fn rate_is_kept_over_any_second() {
        let mut limit = RateLimit::default();
        let ms = Duration::from_millis;
        for at in [0, 100, 900] {
            assert_eq!(limit.take(ms(at), 3), Ok(()));
        }
        assert_eq!(limit.take(ms(950), 3), Err(ms(50)));
        assert_eq!(limit.take(ms(1000), 3), Ok(()));
        assert_eq!(limit.take(ms(1000), 3), Err(ms(100)));
    }
}
