//! The plots of a report: one line for each run.

use super::figures::Sample;
use super::report::{Report, Run};
use crate::page::plots::{Line, Plot, Scale};

/// All plots.
pub fn all(report: &Report) -> Vec<Plot> {
    let plot = |file, title: &str, across, up, points: &dyn Fn(&Run) -> Vec<(f64, f64)>| {
        let lines = report.runs.iter().filter_map(|run| {
            let points = points(run);
            let name = run.name();
            (!points.is_empty()).then_some(Line { name, points })
        });
        Plot {
            file,
            title: title.to_owned(),
            across,
            up,
            scales: (Scale::Linear, Scale::Linear),
            lines: lines.collect(),
        }
    };
    let all = [
        plot(
            "domain-latency",
            "Interruption of sessions by a handover",
            "percent of the handovers",
            "milliseconds at most",
            &|run| run.sessions_distribution.clone(),
        ),
        plot(
            "domain-messages",
            "Signalling of a handover",
            "previous anchors of the host",
            "messages",
            &|run| anchors(run, |with| with.messages),
        ),
        plot(
            "domain-anchors",
            "Interruption of sessions by a handover",
            "previous anchors of the host",
            "milliseconds, median",
            &|run| anchors(run, |with| with.sessions_p50_ms),
        ),
        plot(
            "domain-tunnels",
            "Tunnels of an access gateway",
            "minutes",
            "tunnels, on the average",
            &|run| {
                let points = run.samples.iter();
                points.map(|it| (it.minute as f64, it.mean)).collect()
            },
        ),
        plot(
            "domain-centre",
            "Load on the central node",
            "minutes",
            "messages per second, received and sent",
            &|run| {
                let pairs = run.samples.iter().zip(run.samples.iter().skip(1));
                let rate = |(before, after): (&Sample, &Sample)| {
                    let seconds = (after.minute - before.minute) as f64 * 60.0;
                    let messages = after.centre_messages - before.centre_messages;
                    (after.minute as f64, messages as f64 / seconds)
                };
                pairs.map(rate).collect()
            },
        ),
        plot(
            "domain-tunnelled",
            "Traffic through a tunnel",
            "minutes",
            "percent of all traffic so far",
            &|run| {
                let points = run.samples.iter();
                let share = |it: &Sample| (it.minute as f64, it.tunnelled_share * 100.0);
                points.map(share).collect()
            },
        ),
    ];
    let drawn = all.into_iter().filter(|plot| !plot.lines.is_empty());
    drawn.collect()
}

fn anchors(run: &Run, figure: impl Fn(&super::report::WithAnchors) -> f64) -> Vec<(f64, f64)> {
    // A handful of handovers have no average.
    let enough = run.by_anchors.iter().filter(|with| with.handovers >= 20);
    enough
        .map(|with| (with.anchors as f64, figure(with)))
        .collect()
}
