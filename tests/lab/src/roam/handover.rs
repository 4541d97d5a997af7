//! How long a handover takes, by the mode of the database and by the number of anchors that a host has.
//!
//! A host walks as far as it has so many anchors behind it, then between those gateways. Somebody sends to the
//! address that it began with, every millisecond. What is taken is the time from the first frame of the
//! host on its new link until the first packet for the old address reaches it there, both as tcpdump saw them
//! at the host: without the time that the host needs to notice that it has moved.

use super::{Bed, Layout, MN_MAC, MOST_MAARS};
use crate::gateway::Programs;
use crate::judge::read;
use crate::measure::Spread;
use crate::ping::{now_us, Pinger};
use anyhow::{ensure, Context, Result};
use serde::Serialize;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

/// Numbers of anchors that are measured.
pub const ANCHORS: [usize; 4] = [1, 2, 5, 10];

/// Between packets for the address that the host began with.
const PROBE: Duration = Duration::from_millis(1);

/// Between packets of the host.
const SPEAK: Duration = Duration::from_millis(5);

/// Between handovers: a gateway is told of one host no more than three times a second (MAX_UPDATE_RATE, RFC 6275
/// section 12), and what waits for that is no part of what is measured.
const STAY: Duration = Duration::from_secs(1);

/// Longest time that anything takes.
const LIMIT: Duration = Duration::from_secs(40);

/// Handovers of a host with so many previous anchors.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// The mode of the database.
    pub mode: String,
    /// Anchors other than the gateway that the host came to.
    pub anchors: usize,
    /// How many handovers.
    pub handovers: usize,
    /// Milliseconds from the host's first frame to the first packet of an old session.
    pub ms: Spread,
}

/// What was measured, as a table of Markdown.
#[derive(Clone, Debug, Serialize)]
pub struct Latencies(pub Vec<Latency>);

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| mode | previous anchors | handovers | min (ms) | median (ms) | max (ms) |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for it in &self.0 {
            writeln!(
                f,
                "| {} | {} | {} | {} |",
                it.mode, it.anchors, it.handovers, it.ms
            )?;
        }
        Ok(())
    }
}

/// A handover that was made: how many anchors the host had, and when it was plugged in.
struct Made {
    anchors: usize,
    at_us: u64,
}

/// Frames of the host, and frames for the address that it began with, by their times in seconds since 1970.
struct Seen {
    from_host: Vec<f64>,
    for_session: Vec<f64>,
}

impl Seen {
    fn read(capture: &Path, session: Ipv6Addr) -> Result<Self> {
        let times = |filter: &str| -> Result<Vec<f64>> {
            let frames = read(capture, filter, &["frame.time_epoch"])?;
            let fields = frames.iter().filter_map(|frame| frame.first());
            fields
                .map(|field| field.parse().context("a time"))
                .collect()
        };
        Ok(Self {
            from_host: times(&format!("eth.src == {MN_MAC}"))?,
            for_session: times(&format!("eth.src != {MN_MAC} && ipv6.dst == {session}"))?,
        })
    }

    /// Milliseconds that the handover took which began then.
    fn taken(&self, at_us: u64) -> Result<f64> {
        let at = at_us as f64 / 1e6;
        let after = |times: &[f64], at: f64| times.iter().copied().find(|time| *time >= at);
        let spoke = after(&self.from_host, at).context("the host says nothing after a handover")?;
        let through = after(&self.for_session, spoke).context("nothing came after a handover")?;
        Ok((through - spoke) * 1e3)
    }
}

/// Makes `handovers` of each kind, in each of `modes`; `anchors` lists how many previous anchors the host has, rising.
///
/// # Errors
/// When a bed cannot be laid, a host is not served, or a handover cannot be found in the capture.
pub fn measure(
    programs: &Programs,
    conf: &Path,
    modes: &[&str],
    anchors: &[usize],
    handovers: usize,
    tell: &mut dyn FnMut(&str),
) -> Result<Latencies> {
    let most = anchors.iter().copied().max().unwrap_or(0);
    ensure!(
        (1..MOST_MAARS).contains(&most) && anchors.iter().all(|it| *it > 0),
        "a host has 1 to {} previous anchors",
        MOST_MAARS - 1
    );
    let mut all = Vec::new();
    for &mode in modes {
        let layout = Layout {
            maars: most + 1,
            ..Layout::of_the_draft(mode)
        };
        let bed = Bed::lay(programs, conf, layout, |_, _| {})?;
        let measured = roam(&bed, mode, anchors, most, handovers);
        for latency in measured.map_err(|error| error.context(bed.troubles()))? {
            tell(&format!(
                "{mode}, {} anchors, {} handovers: {} ms",
                latency.anchors, latency.handovers, latency.ms
            ));
            all.push(latency);
        }
        bed.stop_well()?;
    }
    Ok(Latencies(all))
}

fn roam(
    bed: &Bed,
    mode: &str,
    anchors: &[usize],
    most: usize,
    handovers: usize,
) -> Result<Vec<Latency>> {
    let log = bed.run.directory().join("hosts.log");
    bed.go(0, 0)?;
    let session = bed.host().wait_for_address(LIMIT)?;
    let capture = bed.capture_host("host.pcap")?;
    let speaks = Pinger::start(&bed.programs, bed.host(), super::CN, SPEAK, &log)?;
    let probes = Pinger::start(&bed.programs, bed.correspondent(), session, PROBE, &log)?;
    probes.wait_through(0, LIMIT)?;
    let mut made = Vec::new();
    for reached in 1..=most {
        bed.go(reached, reached)?;
        if !anchors.contains(&reached) {
            continue;
        }
        for round in 0..handovers {
            // Never to the gateway that anchors the session: there it needs no tunnel.
            let to = 1 + round % reached;
            if reached == 1 {
                std::thread::sleep(STAY);
                bed.go(0, reached)?;
                probes.wait_through(now_us(), LIMIT)?;
            }
            std::thread::sleep(STAY);
            let began = bed.plug(to)?;
            let at_us = now_us().saturating_sub(began.elapsed().as_micros() as u64);
            bed.settle(to, reached, began)?;
            probes.wait_through(now_us(), LIMIT)?;
            made.push(Made {
                anchors: reached,
                at_us,
            });
        }
    }
    probes.stop()?;
    speaks.stop()?;
    let seen = Seen::read(&capture.stop()?, session)?;
    let rows = anchors.iter().map(|anchors| {
        let these = made.iter().filter(|it| it.anchors == *anchors);
        let taken = these
            .map(|it| seen.taken(it.at_us))
            .collect::<Result<Vec<_>>>()?;
        Ok(Latency {
            mode: mode.to_owned(),
            anchors: *anchors,
            handovers: taken.len(),
            ms: Spread::of(taken.into_iter()),
        })
    });
    rows.collect()
}
