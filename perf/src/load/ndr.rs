//! `anchor-perf ndr`: the no-loss rate.

use super::search::highest;
use super::{Subject, SubjectArguments};
use crate::bench::rate::{in_words, Rate};
use crate::bench::report::Outcome;
use crate::bench::trial::Trial;
use anyhow::{bail, ensure, Result};
use clap::Args;
use serde::Serialize;

/// Seconds of traffic that fills neighbour caches before anything counts, and its rate.
const WARM_UP: f64 = 0.5;
const WARM_UP_RATE: f64 = 2_000.0;

/// Share of a schedule that may go unsent before the generator, and not the gateway, is the limit.
const UNSENT: f64 = 0.001;

/// How the rate is searched.
#[derive(Args, Debug)]
pub struct SearchArguments {
    /// Share of packets that may be lost, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    loss: f64,
    /// How fine the rate is searched, in percent of the upper end.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    resolution: f64,
    /// Trials at each rate, all of which must pass.
    #[arg(long, default_value_t = 1)]
    trials: u32,
    /// Upper end of the search [default: what the generator reaches].
    #[arg(long, value_name = "RATE")]
    max_rate: Option<Rate>,
}

/// What is searched.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The gateway.
    #[command(flatten)]
    subject: SubjectArguments,
    /// The search.
    #[command(flatten)]
    search: SearchArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Highest rate that passed, in packets per second.
    pub ndr_pps: f64,
    /// The same in gigabits per second of frames.
    pub ndr_gbps: f64,
    /// Upper end of the search.
    pub upper_pps: f64,
    /// Hosts.
    pub hosts: u64,
    /// Mean length of a frame as sent, in octets.
    pub mean_frame: f64,
    /// Share that may be lost, in percent.
    pub loss_percent: f64,
    /// Trials at rates that the generator could not reach.
    pub generator_bound: u32,
    /// Every trial.
    pub trials: Vec<Outcome>,
}

/// Searches.
///
/// # Errors
/// When the gateway fails, or sends what it should not.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut subject = Subject::prepare(&arguments.subject)?;
    let report = find(&mut subject, &arguments.search);
    let ended = subject.end();
    let report = report?;
    ended?;
    match arguments.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    Ok(())
}

/// Searches the no-loss rate of a gateway that is ready.
///
/// # Errors
/// When a trial fails, or a packet comes back wrong.
pub fn find(subject: &mut Subject, search: &SearchArguments) -> Result<Report> {
    ensure!(
        search.trials >= 1 && search.resolution > 0.0 && (0.0..100.0).contains(&search.loss),
        "--trials is at least 1, --resolution above 0, --loss from 0 to below 100"
    );
    one(subject, Some(WARM_UP_RATE), WARM_UP, "warming up")?;
    let upper = match search.max_rate {
        Some(Rate(Some(rate))) => rate,
        _ => one(subject, None, subject.seconds.min(1.0), "upper end")?.sent_pps,
    };
    let mut done = Vec::new();
    let mut generator_bound = 0;
    let ndr = highest(upper, search.resolution / 100.0, |rate| {
        for _ in 0..search.trials {
            let title = format!("{:>10}/s", in_words(rate));
            let outcome = one(subject, Some(rate), subject.seconds, &title)?;
            generator_bound += u32::from(is_bound(&outcome, rate, subject.seconds));
            let passed = holds(&outcome, rate, subject.seconds, search);
            done.push(outcome);
            if !passed {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    let mean_frame = subject.plan.mean_frame();
    Ok(Report {
        ndr_pps: ndr,
        ndr_gbps: ndr * mean_frame * 8.0 / 1e9,
        upper_pps: upper,
        hosts: subject.plan.given().hosts,
        mean_frame,
        loss_percent: search.loss,
        generator_bound,
        trials: done,
    })
}

/// Whether the generator, and not the gateway, was the limit of a trial.
fn is_bound(outcome: &Outcome, rate: f64, seconds: f64) -> bool {
    outcome.unsent as f64 > UNSENT * rate * seconds
}

/// Whether a trial's rate holds: what was due was sent, and no more of it lost than may be.
pub fn holds(outcome: &Outcome, rate: f64, seconds: f64, search: &SearchArguments) -> bool {
    !is_bound(outcome, rate, seconds) && outcome.loss_percent <= search.loss
}

/// One trial.
///
/// # Errors
/// When it fails, when a packet comes back wrong, or the user wants to stop.
pub fn one(subject: &mut Subject, rate: Option<f64>, seconds: f64, title: &str) -> Result<Outcome> {
    let outcome = subject.trials.run(&Trial {
        plan: subject.plan.clone(),
        rate,
        seconds,
        verify: subject.verify,
        receive: true,
        title: Some(title.to_owned()),
    })?;
    if subject.trials.stopped() {
        bail!("interrupted");
    }
    let wrong = outcome.wrong();
    ensure!(wrong == 0, "{wrong} packets came back wrong:\n{outcome}");
    Ok(outcome)
}

impl Report {
    fn print(&self) {
        for outcome in &self.trials {
            println!(
                "{:>12}/s  sent {:>10}  lost {:>8}  unsent {:>8}",
                in_words(outcome.offered_pps.unwrap_or(0.0)),
                outcome.sent.packets,
                outcome.lost,
                outcome.unsent
            );
        }
        println!(
            "no-loss rate {} packets/s, {:.3} Gb/s (upper end {}{})",
            in_words(self.ndr_pps),
            self.ndr_gbps,
            in_words(self.upper_pps),
            if self.generator_bound > 0 {
                "; the generator was the limit in some trials"
            } else {
                ""
            }
        );
    }
}
