//! How long the control thread takes from a Proxy Binding Update to its acknowledgement.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told apart; longer ones count as this.
const LONGEST: Duration = Duration::from_secs(60);

/// A distribution of times.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

/// What is shown of a [`Latency`], in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many times were taken.
    pub count: u64,
    /// Half of them were at most this.
    pub p50_us: f64,
    /// 99 of 100 were at most this.
    pub p99_us: f64,
    /// 999 of 1000 were at most this.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Default for Latency {
    /// An empty distribution of three significant digits.
    fn default() -> Self {
        let longest = LONGEST.as_nanos() as u64;
        Self(Histogram::new_with_max(longest, 3).expect("bounds that hdrhistogram accepts"))
    }
}

impl Latency {
    /// Takes one time.
    pub fn observe(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// What was taken so far.
    pub fn summary(&self) -> Summary {
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let at = |quantile| match self.0.len() {
            0 => 0.0,
            _ => micros(self.0.value_at_quantile(quantile)),
        };
        Summary {
            count: self.0.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_taken() {
        let mut latency = Latency::default();
        assert_eq!(latency.summary(), Summary::default());
        for micros in 1..=1_000 {
            latency.observe(Duration::from_micros(micros));
        }
        latency.observe(Duration::from_secs(3_600));
        let summary = latency.summary();
        assert_eq!(summary.count, 1_001);
        assert!((summary.p50_us - 501.0).abs() < 1.0, "{summary:?}");
        assert!((summary.p99_us - 991.0).abs() < 2.0, "{summary:?}");
        assert!(summary.max_us <= 60_100_000.0, "{summary:?}");
    }
}
