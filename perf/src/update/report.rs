//! What a run found, for programs and for people.

use super::writer::Busy;
use super::{Arguments, Outcome, Round};
use serde::Serialize;
use std::fmt;

/// Least, middle and greatest of the rounds.
#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |at: usize| figures.get(at).map_or(0.0, |f| (f * 100.0).round() / 100.0);
        Self {
            min: at(0),
            median: at(figures.len() / 2),
            max: at(figures.len().saturating_sub(1)),
        }
    }
}

/// One run. Where a figure stands alone it is the median of the rounds.
#[derive(Serialize)]
pub struct Report {
    bindings: u32,
    workers: u16,
    /// Of a hundred updates so many make or remove a binding.
    churn_percent: u8,
    /// Updates announced to the table at a time.
    batch: u16,
    /// Updates per second that were wanted, none for as many as can be.
    rate: Option<u64>,
    updates_per_s: f64,
    /// What forwarding lost of its rate while the writer ran.
    forwarding_loss_percent: f64,
    /// Packets that ended in a drop, of all.
    packets_lost: u64,
    packets: u64,
    /// Packets whose every octet was checked.
    verified: u64,
    /// Updates in all.
    updates: u64,
    updates_by_round: Spread,
    loss_by_round: Spread,
    /// Cycles per packet, ports included, while the writer waits.
    quiet_cycles: Spread,
    /// The same while it runs.
    busy_cycles: Spread,
}

impl Report {
    /// Puts it together.
    pub fn new(arguments: &Arguments, outcomes: &[Outcome], times: &[Busy], lost: u64) -> Self {
        let rounds = || outcomes.iter().flat_map(|outcome| &outcome.rounds);
        let of = |figure: fn(&Round) -> f64| Spread::of(rounds().map(figure));
        let loss = of(|round| (1.0 - round.quiet / round.busy) * 100.0);
        let timed = times.iter().filter(|busy| busy.updates > 0);
        let updates = Spread::of(timed.map(|busy| busy.updates as f64 / busy.time.as_secs_f64()));
        Self {
            bindings: arguments.bindings,
            workers: arguments.workers,
            churn_percent: arguments.churn,
            batch: arguments.batch,
            rate: arguments.rate,
            updates_per_s: updates.median.round(),
            forwarding_loss_percent: loss.median,
            packets_lost: lost,
            packets: outcomes.iter().map(|outcome| outcome.packets).sum(),
            verified: outcomes.iter().map(|outcome| outcome.verified).sum(),
            updates: times.iter().map(|busy| busy.updates).sum(),
            updates_by_round: updates,
            loss_by_round: loss,
            quiet_cycles: of(|round| round.quiet),
            busy_cycles: of(|round| round.busy),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millions = |updates: f64| updates / 1e6;
        writeln!(
            f,
            "{} bindings, {} workers, {}% of updates make or remove a binding, {} announced at a time",
            self.bindings, self.workers, self.churn_percent, self.batch
        )?;
        writeln!(
            f,
            "updates per second    {:.2} / {:.2} / {:.2} M (min / median / max of the rounds)",
            millions(self.updates_by_round.min),
            millions(self.updates_by_round.median),
            millions(self.updates_by_round.max)
        )?;
        let lines = [
            ("cycles, writer waits", &self.quiet_cycles),
            ("cycles, writer runs", &self.busy_cycles),
            ("loss in percent", &self.loss_by_round),
        ];
        for (name, spread) in lines {
            let Spread { min, median, max } = spread;
            writeln!(f, "{name:<21} {min:.1} / {median:.1} / {max:.1}")?;
        }
        writeln!(
            f,
            "{} packets, {} of them lost; {} checked octet by octet",
            self.packets, self.packets_lost, self.verified
        )
    }
}
