//! How long a handover takes and how many messages it costs, by the mode of the database, or without one, and by
//! the number of anchors that a host has. Where its anchors are found by its leases, the host's client begins anew on
//! each link, and what it takes to start and to ask is in the time.
//!
//! A host walks as far as it has so many anchors behind it, and begins a TCP session at each, then goes between
//! those gateways. Somebody sends to the address that it began with, every millisecond. What is taken is the time from
//! the first frame of the host on its new link until the first packet for the old address reaches it there, both as
//! tcpdump saw them at the host: without the time that the host needs to notice that it has moved. Messages are those
//! with a Mobility Header that crossed the core from when the host was plugged in until a second and a half after it was served.

use super::leases::{self, DHCPV6};
use super::{Bed, Layout, ALONE, MN_MAC, MODES, MOST_MAARS};
use crate::dhcp::{Client, Server};
use crate::gateway::Programs;
use crate::judge::read;
use crate::measure::Spread;
use crate::ping::{now_us, Pinger};
use anyhow::{ensure, Context, Result};
use serde::Serialize;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Numbers of anchors that are measured.
pub const ANCHORS: [usize; 4] = [1, 2, 5, 10];

/// Between packets for the address that the host began with.
const PROBE: Duration = Duration::from_millis(1);

/// Between packets of the host.
const SPEAK: Duration = Duration::from_millis(5);

/// All ways that are measured: the modes of the database, and without one: by queries to the host, and by its leases.
pub const WAYS: [&str; 5] = [MODES[0], MODES[1], MODES[2], ALONE, DHCPV6];

/// Between handovers: a gateway is told of one host no more than three times a second (MAX_UPDATE_RATE, RFC 6275
/// section 12), and what waits for that is no part of what is measured. A serving MAAR that an anchor has answered in
/// the database's place asks that for its lifetime within this time.
const STAY: Duration = Duration::from_millis(1500);

/// What the way without a database is called in a table.
const CALLED: &str = "niq";

/// Longest time that anything takes.
const LIMIT: Duration = Duration::from_secs(40);

/// Handovers of a host with so many previous anchors.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// The mode of the database, or `niq`, or `dhcpv6`.
    pub mode: String,
    /// Anchors other than the gateway that the host came to.
    pub anchors: usize,
    /// How many handovers.
    pub handovers: usize,
    /// Milliseconds from the host's first frame to the first packet of an old session.
    pub ms: Spread,
    /// Messages of one handover.
    pub messages: Spread,
    /// Messages that the figures of RFC 8885 have, or, without a database, an update and its answer for each anchor.
    pub drawn: usize,
}

/// Messages of a handover with so many previous anchors by the figures of a mode.
fn drawn(mode: &str, anchors: usize) -> usize {
    match mode {
        "relay" | "proxy" => 2 + 2 * anchors,
        "locator" => 1 + 3 * anchors,
        _ => 2 * anchors,
    }
}

/// What was measured, as a table of Markdown.
#[derive(Clone, Debug, Serialize)]
pub struct Latencies(pub Vec<Latency>);

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| mode | previous anchors | handovers | min (ms) | median (ms) | max (ms) | messages: min | median | max | by the figures |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for it in &self.0 {
            writeln!(
                f,
                "| {} | {} | {} | {} | {:.0} | {:.0} | {:.0} | {} |",
                it.mode,
                it.anchors,
                it.handovers,
                it.ms,
                it.messages.min,
                it.messages.median,
                it.messages.max,
                it.drawn
            )?;
        }
        Ok(())
    }
}

/// A handover that was made: how many anchors the host had, when it was plugged in, and when it was all over.
struct Made {
    anchors: usize,
    at_us: u64,
    until_us: u64,
}

/// Frames of the host, frames for the address that it began with, and messages on the core, by their times in seconds
/// since 1970.
struct Seen {
    from_host: Vec<f64>,
    for_session: Vec<f64>,
    messages: Vec<f64>,
}

impl Seen {
    fn read(capture: &Path, session: Ipv6Addr, signalling: &Path) -> Result<Self> {
        let times = |capture: &Path, filter: &str| -> Result<Vec<f64>> {
            let frames = read(capture, filter, &["frame.time_epoch"])?;
            let fields = frames.iter().filter_map(|frame| frame.first());
            fields
                .map(|field| field.parse().context("a time"))
                .collect()
        };
        Ok(Self {
            from_host: times(capture, &format!("eth.src == {MN_MAC}"))?,
            for_session: times(
                capture,
                &format!("eth.src != {MN_MAC} && ipv6.dst == {session}"),
            )?,
            messages: times(signalling, "")?,
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

    /// Messages of a handover.
    fn messages(&self, handover: &Made) -> usize {
        let [from, until] = [handover.at_us, handover.until_us].map(|us| us as f64 / 1e6);
        let its = self
            .messages
            .iter()
            .filter(|at| (from..until).contains(*at));
        its.count()
    }
}

/// Makes `handovers` of each kind, in each of `modes`, which are of [`WAYS`]; `anchors` lists how many previous anchors the host has, rising.
///
/// # Errors
/// When a bed cannot be laid, a host is not served, a session does not live, or a handover cannot be found in the capture.
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
        let (bed, server) = lay(programs, conf, mode, most + 1)?;
        let mut walker = Walker {
            bed: &bed,
            leased: server.is_some(),
            client: None,
        };
        let mode = if mode == ALONE { CALLED } else { mode };
        let measured = roam(&mut walker, mode, anchors, most, handovers);
        for latency in measured.map_err(|error| error.context(bed.troubles()))? {
            tell(&format!(
                "{mode}, {} anchors, {} handovers: {} ms, {:.0} messages",
                latency.anchors, latency.handovers, latency.ms, latency.messages.median
            ));
            all.push(latency);
        }
        drop(walker);
        bed.stop_well()?;
        drop(server);
    }
    Ok(Latencies(all))
}

/// The bed of a way, with the server of its leases if it has one.
fn lay(programs: &Programs, conf: &Path, way: &str, maars: usize) -> Result<(Bed, Option<Server>)> {
    if way == DHCPV6 {
        let (bed, place) = leases::lay(programs, conf, maars, true)?;
        let server = leases::serve(&bed, maars, &place)?;
        return Ok((bed, Some(server)));
    }
    let layout = Layout {
        maars,
        ..Layout::of_the_draft(way)
    };
    let mut bed = Bed::lay(programs, conf, layout, |_, _| {})?;
    if way == ALONE {
        bed.answer_queries()?;
    }
    Ok((bed, None))
}

/// The host with what runs on it.
struct Walker<'a> {
    bed: &'a Bed,
    /// Whether it has its addresses from a server.
    leased: bool,
    /// Its client on the link that it is on.
    client: Option<Client>,
}

impl Walker<'_> {
    /// Plugs the host in at a MAAR, where its client, if it has one, begins anew; when it was plugged in.
    fn plug(&mut self, index: usize) -> Result<Instant> {
        drop(self.client.take());
        let began = self.bed.plug(index)?;
        if self.leased {
            self.client = Some(leases::begin(self.bed)?);
        }
        Ok(began)
    }

    /// The same, and waits until it is served there and so many prefixes of others are led to it.
    fn go(&mut self, index: usize, earlier: usize) -> Result<()> {
        let began = self.plug(index)?;
        self.bed.settle(index, earlier, began).map(drop)
    }
}

fn roam(
    walker: &mut Walker<'_>,
    mode: &str,
    anchors: &[usize],
    most: usize,
    handovers: usize,
) -> Result<Vec<Latency>> {
    let bed = walker.bed;
    let log = bed.run.directory().join("hosts.log");
    walker.go(0, 0)?;
    let session = bed.host().wait_for_address(LIMIT)?;
    let capture = bed.capture_host("host.pcap")?;
    let signalling = bed.capture_signalling("signalling.pcap")?;
    let speaks = Pinger::start(&bed.programs, bed.host(), super::CN, SPEAK, &log)?;
    let probes = Pinger::start(&bed.programs, bed.correspondent(), session, PROBE, &log)?;
    probes.wait_through(0, LIMIT)?;
    let mut sessions = vec![bed.begin()?];
    let mut made = Vec::new();
    for reached in 1..=most {
        walker.go(reached, reached)?;
        sessions.push(bed.begin()?);
        if !anchors.contains(&reached) {
            continue;
        }
        std::thread::sleep(STAY);
        for round in 0..handovers {
            // Never to the gateway that anchors the first session: there it needs no tunnel.
            let to = 1 + round % reached;
            if reached == 1 {
                walker.go(0, reached)?;
                probes.wait_through(now_us(), LIMIT)?;
                std::thread::sleep(STAY);
            }
            let began = walker.plug(to)?;
            let at_us = now_us().saturating_sub(began.elapsed().as_micros() as u64);
            bed.settle(to, reached, began)?;
            probes.wait_through(now_us(), LIMIT)?;
            std::thread::sleep(STAY);
            made.push(Made {
                anchors: reached,
                at_us,
                until_us: now_us(),
            });
        }
    }
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(outcome.intact, "{outcome:?}");
    }
    probes.stop()?;
    speaks.stop()?;
    let seen = Seen::read(&capture.stop()?, session, &signalling.stop()?)?;
    let rows = anchors.iter().map(|anchors| {
        let these = made.iter().filter(|it| it.anchors == *anchors);
        let taken = these
            .map(|it| seen.taken(it.at_us))
            .collect::<Result<Vec<_>>>()?;
        let these = made.iter().filter(|it| it.anchors == *anchors);
        let messages = these.map(|it| seen.messages(it) as f64);
        Ok(Latency {
            mode: mode.to_owned(),
            anchors: *anchors,
            handovers: taken.len(),
            ms: Spread::of(taken.into_iter()),
            messages: Spread::of(messages),
            drawn: drawn(mode, *anchors),
        })
    });
    rows.collect()
}
