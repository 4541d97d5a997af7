//! What has changed between two samples, per second.

use super::Sample;
use control::rpc::types::{Port, Worker};
use serde::Serialize;

/// A port's rates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PortRates {
    /// Its name.
    pub name: String,
    /// Whether its link is up.
    pub link_up: bool,
    /// Packets received per second.
    pub rx_packets: f64,
    /// Bits received per second.
    pub rx_bits: f64,
    /// Packets sent per second.
    pub tx_packets: f64,
    /// Bits sent per second.
    pub tx_bits: f64,
    /// Packets missed or broken per second.
    pub bad: f64,
}

/// A worker's rates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WorkerRates {
    /// Its number.
    pub index: usize,
    /// Its core.
    pub core: usize,
    /// Packets per second.
    pub packets: f64,
    /// Packets per poll that found any.
    pub vector: f64,
    /// Polls per second.
    pub polls: f64,
    /// Share of polls that found nothing.
    pub idle: f64,
    /// Share of time spent in polls that found something.
    pub busy: f64,
    /// Cycles per packet, while there were any.
    pub cycles_per_packet: Option<f64>,
    /// Times per second that it went to sleep.
    pub sleeps: f64,
    /// Packets that wait for a neighbour now.
    pub held: u64,
    /// Whether it runs.
    pub state: String,
}

/// A verdict's rate, all workers together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VerdictRate {
    /// Kind and reason.
    pub name: String,
    /// Packets since the start.
    pub packets: u64,
    /// Packets per second.
    pub rate: f64,
    /// What it means.
    pub meaning: String,
}

/// All rates.
#[derive(Clone, PartialEq, Debug)]
pub struct Rates {
    /// Seconds between the samples.
    pub seconds: f64,
    /// Of the ports.
    pub ports: Vec<PortRates>,
    /// Of the workers.
    pub workers: Vec<WorkerRates>,
    /// Of the verdicts that were ever counted, those with the highest rate first.
    pub verdicts: Vec<VerdictRate>,
}

fn ratio(part: f64, whole: f64) -> f64 {
    match whole > 0.0 {
        true => part / whole,
        false => 0.0,
    }
}

impl Rates {
    /// The rates between two samples; zeros when they are the same.
    pub fn between(before: &Sample, after: &Sample) -> Self {
        let seconds = after.taken.duration_since(before.taken).as_secs_f64();
        // A gateway that was started anew counts from zero.
        let rate = |before: u64, after: u64| ratio(after.saturating_sub(before) as f64, seconds);
        let ports = after.ports.iter().map(|now| {
            let then = before.ports.iter().find(|it| it.name == now.name);
            port(then.unwrap_or(now), now, rate)
        });
        let workers = after.workers.iter().map(|now| {
            let then = before.workers.iter().find(|it| it.index == now.index);
            worker(then.unwrap_or(now), now, seconds)
        });
        let then = verdicts(before);
        let verdicts = verdicts(after).into_iter().map(|(name, packets, meaning)| {
            let earlier = then.iter().find(|(known, ..)| *known == name);
            VerdictRate {
                rate: rate(earlier.map_or(packets, |(_, packets, _)| *packets), packets),
                name,
                packets,
                meaning,
            }
        });
        let mut verdicts: Vec<_> = verdicts.filter(|it| it.packets > 0).collect();
        verdicts.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(b.packets.cmp(&a.packets)));
        Self {
            seconds,
            ports: ports.collect(),
            workers: workers.collect(),
            verdicts,
        }
    }
}

fn port(then: &Port, now: &Port, rate: impl Fn(u64, u64) -> f64) -> PortRates {
    let bad = |port: &Port| {
        let errors = port.rx_errors.saturating_add(port.tx_errors);
        port.rx_missed.saturating_add(errors)
    };
    PortRates {
        name: now.name.clone(),
        link_up: now.link_up,
        rx_packets: rate(then.rx_packets, now.rx_packets),
        rx_bits: rate(then.rx_bytes, now.rx_bytes) * 8.0,
        tx_packets: rate(then.tx_packets, now.tx_packets),
        tx_bits: rate(then.tx_bytes, now.tx_bytes) * 8.0,
        bad: rate(bad(then), bad(now)),
    }
}

/// What a worker did between two samples that are `seconds` apart.
pub fn worker(then: &Worker, now: &Worker, seconds: f64) -> WorkerRates {
    let more = |before: u64, after: u64| after.saturating_sub(before) as f64;
    let packets = more(then.packets, now.packets);
    let polls = more(then.polls, now.polls);
    let empty = more(then.empty_polls, now.empty_polls);
    let busy = (now.busy_secs - then.busy_secs).max(0.0);
    // The gateway knows the rate of its clock; what it makes of it over all time gives it away.
    let hertz = now
        .cycles_per_packet
        .map(|cycles| ratio(cycles * now.packets as f64, now.busy_secs));
    WorkerRates {
        index: now.index,
        core: now.core,
        packets: ratio(packets, seconds),
        vector: ratio(packets, polls - empty),
        polls: ratio(polls, seconds),
        idle: ratio(empty, polls),
        busy: ratio(busy, seconds).min(1.0),
        cycles_per_packet: hertz
            .filter(|_| packets > 0.0)
            .map(|hertz| busy * hertz / packets),
        sleeps: ratio(more(then.sleeps, now.sleeps), seconds),
        held: now.held,
        state: crate::show::state(now),
    }
}

/// The verdicts of all workers together: name, packets, meaning.
fn verdicts(sample: &Sample) -> Vec<(String, u64, String)> {
    let mut sums: Vec<(String, u64, String)> = Vec::new();
    let groups = sample.counters.groups.iter();
    for counter in groups
        .filter(|group| group.name == "verdicts")
        .flat_map(|group| &group.counters)
        .filter(|counter| counter.name != "received" && !counter.name.starts_with("born_"))
    {
        match sums.iter_mut().find(|(name, ..)| *name == counter.name) {
            Some((_, sum, _)) => *sum += counter.value,
            None => {
                let (name, meaning) = (counter.name.clone(), counter.description.clone());
                sums.push((name, counter.value, meaning));
            }
        }
    }
    sums
}
