//! What a trial gave, for people and for programs.

use super::rate::in_words;
use super::trial::Trial;
use crate::traffic::receiver::Received;
use crate::traffic::sender::Sent;
use serde::Serialize;
use std::fmt;

/// Outcome of a trial.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Cycles of the time stamp counter per second.
    pub tsc_hz: u64,
    /// Packets per second that were asked for; none: as fast as it goes.
    pub offered_pps: Option<f64>,
    /// Seconds of sending.
    pub seconds: f64,
    /// Packets per second that were sent.
    pub sent_pps: f64,
    /// Gigabits per second that were sent, as octets of frames.
    pub sent_gbps: f64,
    /// What was sent.
    pub sent: Sent,
    /// Packets of the schedule that were not sent in time: the generator or its port was too slow.
    pub unsent: u64,
    /// What came back; absent when nothing was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Received>,
    /// Packets that were sent and never came.
    pub lost: u64,
    /// The same as a share of those sent, in percent.
    pub loss_percent: f64,
}

impl Outcome {
    /// Closes the books.
    pub fn new(
        trial: &Trial,
        sent: Sent,
        unsent: u64,
        seconds: f64,
        received: Option<Received>,
    ) -> Self {
        let lost = received
            .as_ref()
            .map_or(0, |it| sent.packets.saturating_sub(it.sums.unique));
        let per_second = |number: u64| number as f64 / seconds.max(1e-9);
        Self {
            tsc_hz: dpdk::hz(),
            offered_pps: trial.rate,
            seconds,
            sent_pps: per_second(sent.packets),
            sent_gbps: per_second(sent.octets) * 8.0 / 1e9,
            sent,
            unsent,
            received,
            lost,
            loss_percent: lost as f64 / sent.packets.max(1) as f64 * 100.0,
        }
    }

    /// Packets that were not what the gateway should have sent.
    pub fn wrong(&self) -> u64 {
        let verified = self.received.as_ref().and_then(|it| it.verified.as_ref());
        verified.map_or(0, |it| it.total_wrong())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "sent        {} in {:.3} s, {} packets/s, {:.3} Gb/s",
            self.sent.packets,
            self.seconds,
            in_words(self.sent_pps),
            self.sent_gbps
        )?;
        if self.unsent > 0 {
            writeln!(
                f,
                "not sent    {} in time: generator or port too slow (port full {} times)",
                self.unsent, self.sent.port_full
            )?;
        }
        let Some(received) = &self.received else {
            return Ok(());
        };
        writeln!(f, "lost        {} ({:.4} %)", self.lost, self.loss_percent)?;
        write!(f, "{received}")
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = &self.sums;
        writeln!(f, "received    {} different packets", sums.unique)?;
        writeln!(
            f,
            "reordered   {} (by {} at most)   duplicated {}   stale {}",
            sums.reordered, sums.reordered_by_at_most, sums.duplicated, sums.stale
        )?;
        let it = &self.latency_us;
        writeln!(
            f,
            "latency us  min {:.1}  p50 {:.1}  p90 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
            it.min, it.p50, it.p90, it.p99, it.p999, it.max
        )?;
        let Some(verified) = &self.verified else {
            return Ok(());
        };
        writeln!(
            f,
            "verified    {} packets, {} wrong",
            verified.checked,
            verified.total_wrong()
        )?;
        for (wrong, count) in &verified.wrong {
            writeln!(f, "  {wrong:?} {count}")?;
        }
        match &verified.example {
            Some(example) => writeln!(f, "  {example}"),
            None => Ok(()),
        }
    }
}
