//! `anchor-perf latency`: latency at parts of the no-loss rate.
//!
//! A machine that others use too may be slower now than when the rate was found. Where a part of it is
//! not sent in time or not without loss, queues grow and their length is measured in the gateway's place: then
//! the rate is lowered and all parts are measured again.

use super::ndr::{find, holds, one, SearchArguments};
use super::{Subject, SubjectArguments};
use crate::bench::rate::{in_words, Rate};
use crate::bench::report::Outcome;
use anyhow::{ensure, Result};
use clap::Args;
use serde::Serialize;

/// How often the rate is lowered at the most, and to what share of itself.
const LOWERED: u32 = 8;
const LOWER: f64 = 0.85;

/// What is measured.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The gateway.
    #[command(flatten)]
    subject: SubjectArguments,
    /// The search of the no-loss rate.
    #[command(flatten)]
    search: SearchArguments,
    /// The no-loss rate, if it is known: it is not searched then.
    #[arg(long, value_name = "RATE")]
    ndr: Option<Rate>,
    /// Loads in percent of that rate.
    #[arg(long, value_delimiter = ',', default_values_t = [10.0, 50.0, 90.0])]
    loads: Vec<f64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    /// The no-loss rate, in packets per second: the one that the loads are parts of.
    ndr_pps: f64,
    /// How often it was lowered, because a part of it did not come through whole.
    lowered: u32,
    /// Hosts.
    hosts: u64,
    /// Mean length of a frame as sent, in octets.
    mean_frame: f64,
    /// Each load.
    points: Vec<Point>,
}

/// One load.
#[derive(Debug, Serialize)]
struct Point {
    /// Percent of the no-loss rate.
    percent: f64,
    /// Whether all of it was sent in time and came back, but for what may be lost.
    holds: bool,
    /// What came of it.
    outcome: Outcome,
}

/// Measures.
///
/// # Errors
/// When the gateway fails, has no no-loss rate, or sends what it should not.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        !arguments.loads.is_empty() && arguments.loads.iter().all(|it| *it > 0.0 && *it <= 1000.0),
        "--loads are percentages above 0"
    );
    let mut subject = Subject::prepare(&arguments.subject)?;
    let report = measure(&mut subject, arguments);
    let ended = subject.end();
    let report = report?;
    ended?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    let lowered = match report.lowered {
        0 => String::new(),
        times => format!(", lowered {times} times"),
    };
    println!(
        "no-loss rate {} packets/s{lowered}",
        in_words(report.ndr_pps)
    );
    for point in &report.points {
        let missed = if point.holds {
            ""
        } else {
            ", which did not hold"
        };
        println!("\n{} %{missed}\n{}", point.percent, point.outcome);
    }
    Ok(())
}

fn measure(subject: &mut Subject, arguments: &Arguments) -> Result<Report> {
    let mut ndr = match arguments.ndr {
        Some(Rate(Some(rate))) => rate,
        _ => find(subject, &arguments.search)?.ndr_pps,
    };
    ensure!(
        ndr > 0.0,
        "no rate passes without loss: there is nothing to take parts of"
    );
    let mut lowered = 0;
    let points = loop {
        let points = points(subject, arguments, ndr)?;
        // A load beyond the rate is not expected to hold.
        let hold = |point: &Point| point.holds || point.percent > 100.0;
        if points.iter().all(hold) || lowered == LOWERED {
            break points;
        }
        lowered += 1;
        ndr *= LOWER;
    };
    Ok(Report {
        ndr_pps: ndr,
        lowered,
        hosts: subject.plan.given().hosts,
        mean_frame: subject.plan.mean_frame(),
        points,
    })
}

/// Each load once, the highest first, which is the first not to hold; told in the order that was asked for.
fn points(subject: &mut Subject, arguments: &Arguments, ndr: f64) -> Result<Vec<Point>> {
    let mut loads: Vec<(usize, f64)> = arguments.loads.iter().copied().enumerate().collect();
    loads.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut points = Vec::new();
    for (place, percent) in loads {
        let rate = ndr * percent / 100.0;
        let title = format!("{percent} %");
        let outcome = one(subject, Some(rate), subject.seconds, &title)?;
        let point = Point {
            percent,
            holds: holds(&outcome, rate, subject.seconds, &arguments.search),
            outcome,
        };
        points.push((place, point));
    }
    points.sort_by_key(|(place, _)| *place);
    Ok(points.into_iter().map(|(_, point)| point).collect())
}
