//! The figures of docs/measurements.md, measured: the story several times, the time that the LMA's
//! control thread takes for an update, and the time from a gateway's start to its first packet.

use crate::domain::Domain;
use crate::foreign::kernel_tunnel;
use crate::host::INTERFACE;
use crate::ping::{now_us, Pinger};
use crate::story::{self, Report, Setting};
use crate::topology::{Kernel, Plan, Topology, CN, LMA, MAGS};
use anyhow::{ensure, Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Time between the echo requests that wait for a gateway to start.
const PROBE_INTERVAL: Duration = Duration::from_millis(1);

/// Longest wait for a gateway's first packet.
const LIMIT: Duration = Duration::from_secs(30);

/// Smallest, middle and largest of several runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Middle; of an even number, the upper of the two.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of some values; not a number each where there are none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self {
            min: at(0),
            median: at(values.len() / 2),
            max: at(values.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} | {:.1} | {:.1}", self.min, self.median, self.max)
    }
}

/// A figure that was measured once a run.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: String,
    /// Its values.
    #[serde(flatten)]
    pub spread: Spread,
}

/// Everything that was measured. Shown as Markdown.
#[derive(Clone, Debug, Serialize)]
pub struct Measurements {
    /// How often each figure was taken.
    pub runs: usize,
    /// The figures of the story and of the start.
    pub figures: Vec<Figure>,
    /// Updates that the LMA answered.
    pub updates: u64,
    /// Control-thread time per update in microseconds: p50, p99 and p99.9.
    pub update_us: [f64; 3],
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} runs | min | median | max |", self.runs)?;
        writeln!(f, "|---|---|---|---|")?;
        for Figure { name, spread } in &self.figures {
            writeln!(f, "| {name} | {spread} |")?;
        }
        let [p50, p99, p999] = self.update_us;
        writeln!(f, "\n| {} updates | p50 | p99 | p99.9 |", self.updates)?;
        writeln!(f, "|---|---|---|---|")?;
        write!(
            f,
            "| PBU taken to PBA sent, control thread (us) | {p50:.1} | {p99:.1} | {p999:.1} |"
        )
    }
}

/// Measures everything, `runs` times where it is measured by the run, with `updates` Proxy Binding
/// Updates, and tells of its progress.
///
/// # Errors
/// When a run fails, or a session of the story breaks.
pub fn run(
    setting: &Setting,
    runs: usize,
    updates: u32,
    tell: &mut dyn FnMut(&str),
) -> Result<Measurements> {
    let mut reports = Vec::new();
    let mut starts = Vec::new();
    for run in 1..=runs {
        tell(&format!("run {run} of {runs}: the story"));
        let report = story::run(setting, &mut |_| {})?;
        story::require_success(&report)?;
        reports.push(report);
        tell(&format!("run {run} of {runs}: start to first packet"));
        starts.push(start_to_first_packet(setting)?);
    }
    tell(&format!("{updates} Proxy Binding Updates"));
    let signalling = signalling(setting, updates)?;
    let microseconds = |key: &str| signalling[key].as_f64().unwrap_or(f64::NAN);
    Ok(Measurements {
        runs,
        figures: figures(&reports, &starts),
        updates: signalling["count"].as_u64().unwrap_or(0),
        update_us: ["p50_us", "p99_us", "p999_us"].map(microseconds),
    })
}

fn figures(reports: &[Report], starts: &[f64]) -> Vec<Figure> {
    let figure = |name: String, spread| Figure { name, spread };
    let mut figures = Vec::new();
    for (place, order) in ["new gateway first", "old gateway first"]
        .iter()
        .enumerate()
    {
        let moves = || {
            let moves = reports.iter().filter_map(|it| it.handovers.get(place));
            moves.cloned()
        };
        figures.extend([
            figure(
                format!("handover, {order}: packets lost at 100 Hz"),
                Spread::of(moves().map(|it| it.lost as f64)),
            ),
            figure(
                format!("handover, {order}: longest gap (ms)"),
                Spread::of(moves().map(|it| it.longest_gap_ms)),
            ),
            figure(
                format!("handover, {order}: signalling (us)"),
                Spread::of(moves().map(|it| it.signalling_us as f64)),
            ),
        ]);
    }
    figures.push(figure(
        "attach: link up to first echo answered (ms)".into(),
        Spread::of(reports.iter().map(|report| report.attach_ms)),
    ));
    figures.push(figure(
        "gateway: process start to first packet forwarded (ms)".into(),
        Spread::of(starts.iter().copied()),
    ));
    figures
}

/// A network whose first MAG is a router of the kernel's own, on the core beside the LMA.
fn beside_the_lma() -> Result<Topology> {
    let network = Topology::lay(Plan {
        mags: [Kernel::Router, Kernel::Silent],
        ..Plan::default()
    })?;
    let mag = &network.mags[0];
    mag.ip(&format!("addr add {}/64 dev core0 nodad\n", MAGS[0]))?;
    Ok(network)
}

/// Milliseconds from the start of an LMA's process until it has forwarded an echo request and its
/// answer. The hosts on both sides know its link-layer addresses, so that nothing is measured but the
/// gateway.
fn start_to_first_packet(setting: &Setting) -> Result<f64> {
    let network = beside_the_lma()?;
    let gateway = |interface: &str| -> Result<String> {
        let name = network.lma.name();
        let words = ["ip", "-n", name, "-j", "link", "show", "dev", interface];
        let shown: Value = serde_json::from_str(&crate::command::run(&words)?)?;
        let mac = shown[0]["address"].as_str().map(str::to_owned);
        mac.context("an interface without a link-layer address")
    };
    let (inside, outside) = (gateway("core0")?, gateway("inet0")?);
    network.mags[0].ip(&format!(
        "neigh replace {LMA} lladdr {inside} dev core0 nud permanent\n\
         route add 2001:db8:100::/64 via {LMA} dev core0\n"
    ))?;
    network.cn.namespace.ip(&format!(
        "neigh replace 2001:db8:100::1 lladdr {outside} dev {INTERFACE} nud permanent\n"
    ))?;
    let log = network.run.directory().join("hosts.log");
    let pinger = Pinger::start(
        &setting.programs,
        &network.cn,
        MAGS[0],
        PROBE_INTERVAL,
        &log,
    )?;
    let start = now_us();
    let mut domain = Domain::start(network, &setting.programs, &setting.conf, |_, _| {})?;
    let first = pinger.wait_through(start, LIMIT)?;
    pinger.stop()?;
    domain.stop_well()?;
    let back = first.back_us.context("an answer without a time")?;
    Ok((back - start) as f64 / 1e3)
}

/// Has a MAG that is not ours register `updates` hosts, one after another, and returns what the LMA says
/// of its signalling.
fn signalling(setting: &Setting, updates: u32) -> Result<Value> {
    let network = beside_the_lma()?;
    kernel_tunnel(
        &network.mags[0],
        "core0",
        MAGS[0],
        LMA,
        &format!("{CN}/128"),
    )?;
    let mut domain = Domain::start(network, &setting.programs, &setting.conf, |name, it| {
        if name == "lma" {
            it.policy().insert("serve_unlisted".into(), true.into());
        }
    })?;
    let program = setting.programs.demo.to_str();
    let program = program.context("a path that is not text")?;
    let (from, lma, count) = (MAGS[0].to_string(), LMA.to_string(), updates.to_string());
    let words = [
        program, "storm", "--from", &from, "--lma", &lma, "--hosts", &count,
    ];
    domain.network.mags[0].run(&words)?;
    let mut status = domain.gateway("lma")?.call("status", Value::Null)?;
    domain.stop_well()?;
    let signalling = status["signalling"].take();
    ensure!(
        signalling["count"].as_u64() >= Some(updates.into()),
        "the LMA answered fewer updates than were sent: {signalling}"
    );
    Ok(signalling)
}
