//! The plots of a report: one line for each run.

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
            scale: Scale::Linear,
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
