//! Keeps the books of what comes back.

use super::account::{Accounts, Sums};
use super::plan::Plan;

use super::verify::{Seen, Verdict, Verifier};
use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::Arc;
use wire::ether::MacAddr;

/// Longest latency in cycles that is told apart from longer ones: over a minute.
const LONGEST: u64 = 1 << 38;

/// Books of one run.
pub struct Receiver {
    plan: Arc<Plan>,
    accounts: Accounts,
    latency: Histogram<u64>,
    verifier: Option<Verifier>,
    packets: u64,
    octets: u64,
    first_at: Option<u64>,
    last_at: u64,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Received {
    /// Stamped packets, each arrival of each.
    pub packets: u64,
    /// Octets of their frames.
    pub octets: u64,
    /// By sequence numbers.
    #[serde(flatten)]
    pub sums: Sums,
    /// Packets that must have been sent, by their sequence numbers.
    pub spanned: u64,
    /// Seconds from the first arrival to the last.
    pub seconds: f64,
    /// From the time at which each packet was due, in microseconds.
    pub latency_us: Latency,
    /// What was checked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verdict>,
}

/// A distribution of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Smallest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 90 of 100 are not above.
    pub p90: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// 999 of 1000 are not above.
    pub p999: f64,
    /// 9999 of 10000 are not above.
    pub p9999: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
}

impl Latency {
    /// Of a histogram of cycles, at `hz` cycles per second.
    pub fn of(histogram: &Histogram<u64>, hz: u64) -> Self {
        let us = |cycles: f64| (cycles / hz as f64 * 1e9).round() / 1e3;
        let at = |quantile| us(histogram.value_at_quantile(quantile) as f64);
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            min: us(histogram.min() as f64),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: us(histogram.max() as f64),
            mean: us(histogram.mean()),
        }
    }
}

impl Receiver {
    /// Books of `plan`. With `first`, they begin with that packet number; without, with whatever comes.
    /// With `verify`, every packet is checked and must have lost that many hops.
    ///
    /// # Errors
    /// When there is no memory for the histogram.
    pub fn new(plan: Arc<Plan>, first: Option<u64>, verify: Option<u8>) -> Result<Self> {
        let groups = plan.groups();
        let accounts = match first {
            Some(first) => Accounts::from(groups, first),
            None => Accounts::new(groups),
        };
        Ok(Self {
            verifier: verify.map(|hops| Verifier::new(&plan, hops)),
            plan,
            accounts,
            latency: Histogram::new_with_bounds(1, LONGEST, 3)?,
            packets: 0,
            octets: 0,
            first_at: None,
            last_at: 0,
        })
    }

    /// Enters a frame that came at `now` to the station `own`; false when it is none of ours.
    #[inline]
    pub fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool {
        let Some(seen) = Seen::read(frame) else {
            return false;
        };
        self.packets += 1;
        self.octets += frame.len() as u64;
        self.first_at.get_or_insert(now);
        self.last_at = now;
        self.accounts
            .arrive(seen.group as usize, seen.stamp.sequence);
        self.latency.saturating_record(seen.stamp.age(now).max(1));
        if let Some(verifier) = &mut self.verifier {
            verifier.check(&self.plan, own, &seen, frame);
        }
        true
    }

    /// Different packets so far.
    pub fn unique(&self) -> u64 {
        self.accounts.sums().unique
    }

    /// The books, with a clock of `hz` cycles per second.
    pub fn received(&self, hz: u64) -> Received {
        let span = self.last_at - self.first_at.unwrap_or(self.last_at);
        Received {
            packets: self.packets,
            octets: self.octets,
            sums: self.accounts.sums(),
            spanned: self.accounts.spanned(),
            seconds: span as f64 / hz as f64,
            latency_us: Latency::of(&self.latency, hz),
            verified: self.verifier.as_ref().map(Verifier::verdict),
        }
    }
}
