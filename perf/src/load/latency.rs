//! `anchor-perf latency`: latency at parts of the no-loss rate.

use super::ndr::{find, one, SearchArguments};
use super::{Subject, SubjectArguments};
use crate::bench::rate::{in_words, Rate};
use crate::bench::report::Outcome;
use anyhow::{ensure, Result};
use clap::Args;
use serde::Serialize;

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
    /// The no-loss rate, in packets per second.
    ndr_pps: f64,
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
    println!("no-loss rate {} packets/s", in_words(report.ndr_pps));
    for point in &report.points {
        println!("\n{} %\n{}", point.percent, point.outcome);
    }
    Ok(())
}

fn measure(subject: &mut Subject, arguments: &Arguments) -> Result<Report> {
    let ndr = match arguments.ndr {
        Some(Rate(Some(rate))) => rate,
        _ => find(subject, &arguments.search)?.ndr_pps,
    };
    ensure!(
        ndr > 0.0,
        "no rate passes without loss: there is nothing to take parts of"
    );
    let mut points = Vec::new();
    for &percent in &arguments.loads {
        let title = format!("{percent} %");
        let outcome = one(
            subject,
            Some(ndr * percent / 100.0),
            subject.seconds,
            &title,
        )?;
        points.push(Point { percent, outcome });
    }
    Ok(Report {
        ndr_pps: ndr,
        hosts: subject.plan.given().hosts,
        mean_frame: subject.plan.mean_frame(),
        points,
    })
}
