//! When a host hears Router Advertisements (RFC 4861 section 6.2).
//!
//! One goes out when there is news: the host has come, or what it is served with has changed. A frame may be
//! lost, and a host that has not heard of its new router begins sessions from the wrong address, so news
//! is told three times before the long pause.
//!
//! ```text
//!   news      1 s     4 s             interval            interval
//!   ├─ sent ──┼─ sent ┼────── sent ───┼────────── sent ───┼──────── ...
//! ```

use crate::backoff::fraction;
use rand::rngs::StdRng;
use serde::Serialize;
use std::time::Duration;

/// Router Advertisements to hosts (RFC 4861 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Advertising {
    /// Longest time between unsolicited advertisements; they go out after three quarters of it to
    /// all of it. Zero: none.
    pub interval: Duration,
    /// Shortest time between two advertisements to one host, but for the first repetitions of news.
    pub min_interval: Duration,
    /// Router lifetime.
    pub router_lifetime: Duration,
    /// Valid lifetime of the prefixes.
    pub valid: Duration,
    /// Preferred lifetime of the prefixes.
    pub preferred: Duration,
    /// MTU option: what fits through the tunnel (RFC 5213 section 6.9.2). `None`: no option.
    pub mtu: Option<u32>,
}

impl Default for Advertising {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            min_interval: Duration::from_millis(500),
            router_lifetime: Duration::from_secs(1800),
            valid: Duration::from_secs(2_592_000),
            preferred: Duration::from_secs(604_800),
            mtu: None,
        }
    }
}

/// Pauses before news is told again. MAX_INITIAL_RTR_ADVERTISEMENTS is 3, and none is longer than
/// MAX_INITIAL_RTR_ADVERT_INTERVAL.
const REPETITIONS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// What a host has been told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    last: Option<Duration>,
    /// Times that the same was told.
    times: usize,
}

impl Told {
    /// Whether anything has been told.
    pub(crate) fn is_any(&self) -> bool {
        self.last.is_some()
    }

    /// What is told next is news.
    pub(crate) fn is_news(&mut self) {
        self.times = 0;
    }

    /// An advertisement goes out at `now`. Returns when the next one is due, if one is.
    pub(crate) fn tell(
        &mut self,
        now: Duration,
        advertising: &Advertising,
        rng: &mut StdRng,
    ) -> Option<Duration> {
        self.last = Some(now);
        let interval = advertising.interval;
        let pause = REPETITIONS.get(self.times).copied();
        self.times += 1;
        let pause = pause.unwrap_or_else(|| interval - fraction(rng, interval / 4));
        (!interval.is_zero()).then(|| pause.min(interval))
    }

    /// An advertisement goes out at `now` that ends the service.
    pub(crate) fn withdraw(&mut self, now: Duration) {
        self.last = Some(now);
    }

    /// When a solicitation is to be answered that comes at `now`.
    pub(crate) fn answer_at(&self, now: Duration, advertising: &Advertising) -> Duration {
        let earliest = self.last.map(|last| last + advertising.min_interval);
        earliest.map_or(now, |earliest| earliest.max(now))
    }
}
