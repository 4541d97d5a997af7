//! What the runs found, for programs and for people.

use super::figures::{round, share, Figures, Kinds, Quantiles, Sample};
use super::Scenario;
use serde::Serialize;
use std::fmt;

/// All runs.
#[derive(Serialize)]
pub struct Report {
    /// In the order of seeds, and of modes for each.
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Serialize)]
pub struct Run {
    /// What was run.
    pub scenario: Scenario,
    attachments: u64,
    handovers: u64,
    /// Hosts that moved on before they had settled.
    cut_short: u64,
    departures: u64,
    pub messages: Kinds,
    /// Messages about a host that is new to the domain, on the average.
    messages_per_attachment: f64,
    /// Messages about a handover until it has settled, on the average.
    pub messages_per_handover: f64,
    /// Refreshes, and what follows departures.
    upkeep_messages: u64,
    lost_messages: u64,
    /// Handovers by the number of other gateways that anchored the host.
    pub by_anchors: Vec<WithAnchors>,
    /// First frame to an address, of hosts that are new to the domain.
    first_address_ms: Quantiles,
    /// First frame to an address, of hosts that moved.
    address_ms: Quantiles,
    /// First frame to the first packet of the last session that the move interrupted.
    pub sessions_ms: Quantiles,
    /// Parts of all handovers, in percent, and the time within which their sessions were through.
    pub sessions_distribution: Vec<(f64, f64)>,
    sessions_begun: u64,
    /// Sessions whose prefix was taken away while they went on.
    sessions_broken: u64,
    /// Prefixes that a gateway served when nobody anchored them any more.
    orphans: u64,
    /// Of all traffic, what went through a tunnel.
    pub tunnelled_share: f64,
    /// One-way delay that tunnels add, over all traffic.
    detour_ms: f64,
    centre: CentreLoad,
    /// The tables, minute by minute.
    pub samples: Vec<Sample>,
    inspections: u64,
    crashes: u64,
    events: u64,
    /// How long the run took on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_s: Option<f64>,
}

/// Handovers with a number of previous anchors.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WithAnchors {
    /// Other gateways that anchored the host.
    pub anchors: usize,
    /// Handovers that settled.
    pub handovers: u64,
    /// Messages about one, on the average.
    pub messages: f64,
    /// Median until every session was through again.
    pub sessions_p50_ms: f64,
    /// What 99 % did not exceed.
    pub sessions_p99_ms: f64,
}

/// Load on the central node.
#[derive(Clone, Debug, Serialize)]
struct CentreLoad {
    received: u64,
    sent: u64,
    /// Received and sent in a second of the whole run, on the average.
    per_s: f64,
    /// Received and sent in the fullest second.
    peak_per_s: u64,
    /// Of the time, what it was busy.
    busy_share: f64,
    /// How long a message waited for those before it.
    waited_ms: Quantiles,
}

impl Run {
    /// Puts it together.
    pub fn new(scenario: &Scenario, figures: &Figures, wall_s: Option<f64>) -> Self {
        let ratio = |part: u64, whole: u64| round(share(part as f64, whole as f64));
        let with_anchors = figures.by_anchors.iter().enumerate();
        let by_anchors: Vec<WithAnchors> = with_anchors
            .filter(|(_, with)| with.handovers > 0)
            .map(|(anchors, with)| WithAnchors {
                anchors,
                handovers: with.handovers,
                messages: ratio(with.messages, with.handovers),
                sessions_p50_ms: with.sessions.quantile(0.5),
                sessions_p99_ms: with.sessions.quantile(0.99),
            })
            .collect();
        // Hosts that came back to the one gateway that anchors them count with none.
        let settled = figures.by_anchors.iter().map(|with| with.handovers).sum();
        let about = figures.by_anchors.iter().map(|with| with.messages).sum();
        let seconds = scenario.minutes as f64 * 60.0;
        let centre = &figures.centre;
        let busy = centre.received as f64 * scenario.service_us as f64 / 1e6;
        let parts = (0..100).map(f64::from).chain([99.9, 99.99]);
        let traffic = figures.traffic_us as f64;
        Self {
            scenario: scenario.clone(),
            attachments: figures.attachments,
            handovers: figures.handovers,
            cut_short: figures.cut_short,
            departures: figures.departures,
            messages: figures.messages,
            messages_per_attachment: ratio(figures.attachment_messages, figures.attachments),
            messages_per_handover: ratio(about, settled),
            upkeep_messages: figures.upkeep_messages,
            lost_messages: figures.lost,
            by_anchors,
            first_address_ms: figures.first_address.quantiles(),
            address_ms: figures.address.quantiles(),
            sessions_ms: figures.sessions.quantiles(),
            sessions_distribution: parts
                .map(|part| (part, figures.sessions.quantile(part / 100.0)))
                .collect(),
            sessions_begun: figures.begun,
            sessions_broken: figures.broken,
            orphans: figures.orphans,
            tunnelled_share: figures.tunnelled_share(),
            detour_ms: round(share(figures.detour_us as f64, traffic) / 1e3),
            centre: CentreLoad {
                received: centre.received,
                sent: centre.sent,
                per_s: round((centre.received + centre.sent) as f64 / seconds),
                peak_per_s: centre.peak,
                busy_share: share(busy, seconds),
                waited_ms: centre.waited.quantiles(),
            },
            samples: figures.samples.clone(),
            inspections: figures.inspections,
            crashes: figures.crashes,
            events: figures.events,
            wall_s,
        }
    }

    /// Its mode, and its seed where there are several.
    pub fn name(&self) -> String {
        format!("{}, seed {}", self.scenario.mode, self.scenario.seed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Run { scenario, .. }) = self.runs.first() {
            writeln!(
                f,
                "{} gateways, {} hosts, {} minutes, a stay of {} s{}\n",
                scenario.gateways,
                scenario.hosts,
                scenario.minutes,
                scenario.residence_s,
                if scenario.faults { ", faults" } else { "" }
            )?;
        }
        writeln!(
            f,
            "| run | handovers | messages each | sessions through again, ms: p50 | p99 | tunnelled | detour ms | \
             tunnels of a gateway: mean | max | centre: messages/s | peak | busy |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for run in &self.runs {
            let last = run.samples.last();
            writeln!(
                f,
                "| {} | {} | {:.2} | {:.1} | {:.1} | {:.1} % | {:.2} | {:.1} | {} | {:.0} | {} | {:.1} % |",
                run.name(),
                run.handovers,
                run.messages_per_handover,
                run.sessions_ms.p50,
                run.sessions_ms.p99,
                run.tunnelled_share * 100.0,
                run.detour_ms,
                last.map_or(0.0, |last| last.mean),
                last.map_or(0, |last| last.max),
                run.centre.per_s,
                run.centre.peak_per_s,
                run.centre.busy_share * 100.0,
            )?;
        }
        writeln!(
            f,
            "\n| run | previous anchors | handovers | messages each | sessions through again, ms: p50 | p99 |\n\
             |---|---|---|---|---|---|"
        )?;
        for run in &self.runs {
            for with in &run.by_anchors {
                writeln!(
                    f,
                    "| {} | {} | {} | {:.2} | {:.1} | {:.1} |",
                    run.name(),
                    with.anchors,
                    with.handovers,
                    with.messages,
                    with.sessions_p50_ms,
                    with.sessions_p99_ms,
                )?;
            }
        }
        writeln!(f)?;
        for run in &self.runs {
            write!(
                f,
                "{}: {} hosts held against the laws, {} sessions begun, {} broken, {} prefixes orphaned; {} messages lost, {} crashes, {} answers that minded a clock; {} events",
                run.name(),
                run.inspections,
                run.sessions_begun,
                run.sessions_broken,
                run.orphans,
                run.lost_messages,
                run.crashes,
                run.messages.clock_refusals,
                run.events,
            )?;
            match run.wall_s {
                Some(wall) => writeln!(f, " in {wall:.1} s")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
