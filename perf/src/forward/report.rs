//! What a run found, for programs and for people.

use super::lane::{Outcome, Round};
use super::{median, Plan};
use dataplane::worker::Stage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Least, middle and greatest of the rounds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(mut rounds: Vec<f64>) -> Self {
        let median = round(median(&mut rounds));
        // Sorted by now; a loss may well be below 0, all of them.
        let at = |place: Option<&f64>| round(place.copied().unwrap_or(0.0));
        Self {
            min: at(rounds.first()),
            median,
            max: at(rounds.last()),
        }
    }
}

/// Cycles of a round for each packet that is not forged.
#[derive(Clone, Copy)]
struct Cycles {
    /// In the ports.
    io: f64,
    /// In these and in the gateway.
    whole: f64,
}

/// What a flood of forged signalling costs: each round with it beside the one without it before it, ports
/// included.
#[derive(Clone, Copy, Debug, Serialize)]
struct Forged {
    /// Share of all packets.
    share: f64,
    /// Cycles that one of them takes.
    cycles: Spread,
    /// Of these the ports': to receive it and to give it back.
    io_cycles: Spread,
    /// How much less is forwarded in a given time than without it, in percent.
    loss_percent: Spread,
    /// The same if nothing but the ports took any time for them: what no gateway can better.
    loss_to_ports_percent: Spread,
    /// How much less than with as many plain packets in its place, which are forwarded; below 0: more.
    loss_to_plain_percent: Spread,
}

impl Forged {
    fn of(plan: &Plan, plain: &[Cycles], flooded: &[Cycles]) -> Option<Self> {
        let (each, share) = (plan.forged_each(), 1.0 + plan.forged_each());
        let spread = |of: &dyn Fn(Cycles, Cycles) -> f64| {
            let rounds = plain.iter().zip(flooded);
            Spread::of(
                rounds
                    .map(|(plain, flooded)| of(*plain, *flooded))
                    .collect(),
            )
        };
        let loss = |without: f64, with: f64| 100.0 * (1.0 - without / with);
        (!flooded.is_empty()).then(|| Self {
            share: plan.forged,
            cycles: spread(&|plain, flooded| (flooded.whole - plain.whole) / each),
            io_cycles: spread(&|plain, flooded| (flooded.io - plain.io) / each),
            loss_percent: spread(&|plain, flooded| loss(plain.whole, flooded.whole)),
            loss_to_ports_percent: spread(&|plain, flooded| {
                loss(plain.whole, plain.whole + flooded.io - plain.io)
            }),
            loss_to_plain_percent: spread(&|plain, flooded| {
                loss(plain.whole * share, flooded.whole)
            }),
        })
    }
}

/// To a tenth: there is no more to these figures.
fn round(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// One run. All cycles are per packet and of the time stamp counter; where a figure stands alone it is
/// the median of the rounds.
#[derive(Serialize)]
pub struct Report {
    path: &'static str,
    bindings: u32,
    tunnels: u32,
    flows: &'static str,
    /// Octets of the bare frame.
    frame: usize,
    workers: usize,
    burst: usize,
    /// Packets of all timed rounds and workers.
    packets: u64,
    /// Of all workers together, ports included, while they had packets.
    mpps: f64,
    /// In the gateway's own code.
    cycles_per_packet: f64,
    /// In the ports.
    io_cycles_per_packet: f64,
    /// By stage; the meter itself costs a little.
    stages: BTreeMap<&'static str, f64>,
    /// Packets whose every octet was checked.
    verified: u64,
    /// Changes of bindings per second that were asked for.
    writer_rate: f64,
    /// Changes of bindings per second that were made: less where the writer has no core to itself.
    writer_reached: f64,
    /// `cycles_per_packet` over the rounds.
    cycles: Spread,
    /// `io_cycles_per_packet` over the rounds.
    io_cycles: Spread,
    /// What forged signalling costs, where there was any.
    #[serde(skip_serializing_if = "Option::is_none")]
    forged: Option<Forged>,
    /// Cycles per second.
    tsc_hz: u64,
    /// Whether packets lay in 2 MB pages.
    hugepages: bool,
    #[serde(skip)]
    by_stage: Vec<(&'static str, f64)>,
}

impl Report {
    /// Of what all workers measured; a round's figure is the mean of the workers'.
    pub fn new(plan: &Plan, outcomes: &[Outcome], reached: f64, hugepages: bool) -> Self {
        let plain: Vec<Vec<&Round>> = by_round(outcomes, |outcome| &outcome.plain);
        let metered: Vec<Vec<&Round>> = by_round(outcomes, |outcome| &outcome.metered);
        let mean = |rounds: &[&Round], figure: &dyn Fn(&Round) -> f64| {
            rounds.iter().map(|round| figure(round)).sum::<f64>() / rounds.len() as f64
        };
        let over = |rounds: &[Vec<&Round>], figure: &dyn Fn(&Round) -> f64| {
            Spread::of(rounds.iter().map(|one| mean(one, figure)).collect())
        };
        let all = |rounds: &[Vec<&Round>]| -> Vec<Cycles> {
            let cycles = |one: &Vec<&Round>| Cycles {
                io: mean(one, &|round| round.io),
                whole: mean(one, &|round| round.gateway + round.io),
            };
            rounds.iter().map(cycles).collect()
        };
        let flooded = by_round(outcomes, |outcome| &outcome.forged);
        let forged = Forged::of(plan, &all(&plain), &all(&flooded));
        let cycles = over(&plain, &|round| round.gateway);
        let io_cycles = over(&plain, &|round| round.io);
        let by_stage: Vec<_> = (Stage::ALL.iter().enumerate())
            .map(|(at, stage)| {
                let of = |round: &Round| round.stages.map_or(0.0, |stages| stages[at]);
                (stage.name(), over(&metered, &of).median)
            })
            .collect();
        let tsc_hz = dpdk::hz();
        let mpps = over(&plain, &|round| {
            round.packets as f64 * tsc_hz as f64 / round.cycles as f64 / 1e6
        });
        Self {
            path: plan.path.name(),
            bindings: plan.entries,
            tunnels: plan.tunnels,
            flows: plan.flows.name(),
            frame: plan.frame,
            workers: plan.workers,
            burst: plan.burst,
            packets: plain.iter().flatten().map(|round| round.packets).sum(),
            mpps: round(mpps.median * plan.workers as f64),
            cycles_per_packet: cycles.median,
            io_cycles_per_packet: io_cycles.median,
            stages: by_stage.iter().copied().collect(),
            verified: outcomes.iter().map(|outcome| outcome.verified).sum(),
            writer_rate: plan.writer,
            writer_reached: reached.round(),
            cycles,
            io_cycles,
            forged,
            tsc_hz,
            hugepages,
            by_stage,
        }
    }
}

/// The rounds of all workers that ran at the same time.
fn by_round(outcomes: &[Outcome], of: impl Fn(&Outcome) -> &Vec<Round>) -> Vec<Vec<&Round>> {
    let rounds = outcomes.iter().map(|one| of(one).len()).min().unwrap_or(0);
    (0..rounds)
        .map(|at| outcomes.iter().map(|one| &of(one)[at]).collect())
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} entries, {} tunnels, {} flows, {}-octet frames, bursts of {}, {} worker{}",
            self.path,
            self.bindings,
            self.tunnels,
            self.flows,
            self.frame,
            self.burst,
            self.workers,
            if self.workers == 1 { "" } else { "s" },
        )?;
        writeln!(
            f,
            "\n{:<24}{:>10}{:>10}{:>10}",
            "cycles per packet", "min", "median", "max"
        )?;
        for (name, spread) in [("gateway", self.cycles), ("ports", self.io_cycles)] {
            writeln!(
                f,
                "  {name:<22}{:>10.1}{:>10.1}{:>10.1}",
                spread.min, spread.median, spread.max
            )?;
        }
        writeln!(f, "of the gateway")?;
        for (name, cycles) in &self.by_stage {
            writeln!(f, "  {name:<32}{cycles:>10.1}")?;
        }
        writeln!(
            f,
            "\n{:.1} Mpps at {:.3} GHz; {} packets timed, {} checked octet by octet",
            self.mpps,
            self.tsc_hz as f64 / 1e9,
            self.packets,
            self.verified
        )?;
        if let Some(forged) = &self.forged {
            writeln!(
                f,
                "{:.0} % forged signalling: {:.1} cycles each ({:.1} to {:.1}), {:.1} of them in the ports; {:.1} % less is forwarded than without ({:.1} % if the ports alone took time), {:.1} % less than with plain packets instead",
                forged.share * 100.0,
                forged.cycles.median,
                forged.cycles.min,
                forged.cycles.max,
                forged.io_cycles.median,
                forged.loss_percent.median,
                forged.loss_to_ports_percent.median,
                forged.loss_to_plain_percent.median
            )?;
        }
        if self.writer_rate > 0.0 {
            writeln!(f, "{:.0} changes per second meanwhile", self.writer_reached)?;
        }
        Ok(())
    }
}
