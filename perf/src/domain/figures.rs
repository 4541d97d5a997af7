//! What a run counts and measures.

use hdrhistogram::Histogram;
use serde::Serialize;
use wire::mh::{Message, Status};

/// The longest time that is told from longer ones.
const HOUR_US: u64 = 3_600_000_000;

/// Handovers with more previous anchors are counted with the last.
pub const MOST_ANCHORS: usize = 10;

/// A distribution of times up to an hour, with three digits.
pub struct Times(Histogram<u64>);

/// Some points of a distribution of times, in milliseconds.
#[derive(Clone, Debug, Default, Serialize, PartialEq)]
pub struct Quantiles {
    /// How many times there are.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// What 90 % do not exceed.
    pub p90: f64,
    /// What 99 % do not exceed.
    pub p99: f64,
    /// What 99.9 % do not exceed.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are not too many"))
    }
}

impl Times {
    /// Enters a time in microseconds.
    pub fn enter(&mut self, us: u64) {
        // It grows as it must, and is bounded by the hour.
        let _ = self.0.record(us.min(HOUR_US));
    }

    /// Enters all times of another distribution.
    fn add(&mut self, other: &Self) {
        // It grows as it must.
        let _ = self.0.add(&other.0);
    }

    /// A point of it, in milliseconds.
    pub fn quantile(&self, part: f64) -> f64 {
        self.0.value_at_quantile(part) as f64 / 1e3
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Its points.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count(),
            mean: round(self.0.mean() / 1e3),
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: self.0.max() as f64 / 1e3,
        }
    }
}

/// Three digits behind the point.
pub fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// A share, to a millionth; none of nothing.
pub fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 1e6).round() / 1e6
    } else {
        0.0
    }
}

/// Messages by kind.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Kinds {
    /// Proxy Binding Updates.
    pub updates: u64,
    /// Proxy Binding Acknowledgements.
    pub acknowledgements: u64,
    /// Acknowledgements, among these, that refuse an update for its timestamp: 156.
    pub clock_refusals: u64,
    /// Binding Revocation Indications and Acknowledgements.
    pub revocations: u64,
    /// What gateways and the DHCPv6 server tell each other.
    pub leases: u64,
    /// All others.
    pub others: u64,
}

impl Kinds {
    /// Counts a message.
    pub fn count(&mut self, message: &Message) {
        if let Message::BindingAcknowledgement(answer) = message {
            self.clock_refusals += u64::from(answer.status == Status::TIMESTAMP_MISMATCH);
        }
        *match message {
            Message::BindingUpdate(_) => &mut self.updates,
            Message::BindingAcknowledgement(_) => &mut self.acknowledgements,
            Message::RevocationIndication(_) | Message::RevocationAcknowledgement(_) => {
                &mut self.revocations
            }
            _ => &mut self.others,
        } += 1;
    }
}

/// The tables at one time.
#[derive(Clone, Copy, Debug, Serialize, PartialEq)]
pub struct Sample {
    /// When, in minutes.
    pub minute: u64,
    /// Tunnels of a gateway, on the average; the central node left out.
    pub mean: f64,
    /// Half of the gateways have no more.
    pub p50: usize,
    /// 99 % of the gateways have no more.
    pub p99: usize,
    /// The most that one has.
    pub max: usize,
    /// Tunnels of the central node.
    pub centre: usize,
    /// Prefixes in the tables for every host in the domain.
    pub prefixes_per_host: f64,
    /// Messages that the central node has received and sent so far.
    pub centre_messages: u64,
    /// Of all traffic so far, what went through a tunnel.
    pub tunnelled_share: f64,
}

/// Handovers by the number of other gateways that anchored the host.
#[derive(Default)]
pub struct ByAnchors {
    /// Handovers that settled.
    pub handovers: u64,
    /// Messages about them until they had.
    pub messages: u64,
    /// Until every session was through again.
    pub sessions: Times,
}

/// Load on the central node.
#[derive(Default)]
pub struct Centre {
    /// Messages that came.
    pub received: u64,
    /// Messages that it sent.
    pub sent: u64,
    /// Messages in the second that is being counted, received and sent.
    second: (u64, u64),
    /// The most in a second, once all hosts have come.
    pub peak: u64,
    /// How long messages waited for the one before them to be done with, in microseconds.
    pub waited: Times,
}

impl Centre {
    /// Counts a message in the second of `now`.
    pub fn count(&mut self, now: u64) {
        let second = now / 1_000_000;
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        self.peak = self.peak.max(self.second.1);
    }
}

/// All that is counted.
#[derive(Default)]
pub struct Figures {
    /// Hosts that came to the domain.
    pub attachments: u64,
    /// Hosts that went from one gateway to another.
    pub handovers: u64,
    /// Handovers of hosts that moved on before they had settled.
    pub cut_short: u64,
    /// Hosts that left the domain.
    pub departures: u64,
    /// Messages by kind.
    pub messages: Kinds,
    /// Messages about hosts that had just come to the domain.
    pub attachment_messages: u64,
    /// Messages about hosts that had settled, or were gone: refreshes and de-registrations.
    pub upkeep_messages: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// Handovers by the number of previous anchors, from none.
    pub by_anchors: Vec<ByAnchors>,
    /// First frame to an address to begin sessions with: of hosts that are new.
    pub first_address: Times,
    /// The same, of hosts that moved.
    pub address: Times,
    /// First frame to the first packet of the last session that was interrupted.
    pub sessions: Times,
    /// Sessions that began.
    pub begun: u64,
    /// Sessions whose prefix was taken away while they went on.
    pub broken: u64,
    /// Prefixes that a gateway served when nobody anchored them any more.
    pub orphans: u64,
    /// How long sessions went on, all together.
    pub traffic_us: u128,
    /// How much of that through a tunnel.
    pub tunnelled_us: u128,
    /// The same, times the one-way delay of the tunnel in microseconds.
    pub detour_us: u128,
    /// Load on the central node.
    pub centre: Centre,
    /// The tables, minute by minute.
    pub samples: Vec<Sample>,
    /// Times that a host was held against the laws.
    pub inspections: u64,
    /// Nodes that crashed.
    pub crashes: u64,
    /// Things that happened.
    pub events: u64,
}

impl Figures {
    /// Nothing counted.
    pub fn new() -> Self {
        Self {
            by_anchors: (0..=MOST_ANCHORS).map(|_| ByAnchors::default()).collect(),
            ..Self::default()
        }
    }

    /// Adds what another part of the domain has counted. The tables are looked at for all parts at once,
    /// and the central node is in one of them.
    pub fn add(&mut self, other: &Self) {
        self.attachments += other.attachments;
        self.handovers += other.handovers;
        self.cut_short += other.cut_short;
        self.departures += other.departures;
        self.messages.updates += other.messages.updates;
        self.messages.acknowledgements += other.messages.acknowledgements;
        self.messages.clock_refusals += other.messages.clock_refusals;
        self.messages.revocations += other.messages.revocations;
        self.messages.leases += other.messages.leases;
        self.messages.others += other.messages.others;
        self.attachment_messages += other.attachment_messages;
        self.upkeep_messages += other.upkeep_messages;
        self.lost += other.lost;
        for (with, other) in self.by_anchors.iter_mut().zip(&other.by_anchors) {
            with.handovers += other.handovers;
            with.messages += other.messages;
            with.sessions.add(&other.sessions);
        }
        self.first_address.add(&other.first_address);
        self.address.add(&other.address);
        self.sessions.add(&other.sessions);
        self.begun += other.begun;
        self.broken += other.broken;
        self.orphans += other.orphans;
        self.traffic_us += other.traffic_us;
        self.tunnelled_us += other.tunnelled_us;
        self.detour_us += other.detour_us;
        self.centre.received += other.centre.received;
        self.centre.sent += other.centre.sent;
        self.centre.peak = self.centre.peak.max(other.centre.peak);
        self.centre.waited.add(&other.centre.waited);
        self.inspections += other.inspections;
        self.crashes += other.crashes;
        self.events += other.events;
    }

    /// The handovers with so many previous anchors.
    pub fn with_anchors(&mut self, anchors: usize) -> &mut ByAnchors {
        &mut self.by_anchors[anchors.min(MOST_ANCHORS)]
    }

    /// Of all traffic, what went through a tunnel.
    pub fn tunnelled_share(&self) -> f64 {
        share(self.tunnelled_us as f64, self.traffic_us as f64)
    }

    /// Counts traffic of sessions, through a tunnel of this delay, if through any.
    pub fn traffic(&mut self, us: u64, tunnel_us: Option<u64>) {
        self.traffic_us += u128::from(us);
        if let Some(delay) = tunnel_us {
            self.tunnelled_us += u128::from(us);
            self.detour_us += u128::from(us) * u128::from(delay);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_fullest_second() {
        let mut centre = Centre::default();
        for now in [0, 999_999, 1_000_000, 1_000_001, 1_500_000, 2_000_000] {
            centre.count(now);
        }
        assert_eq!(centre.peak, 3);
    }

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut times = Times::default();
        (1..=1000).for_each(|ms| times.enter(ms * 1000));
        let all = times.quantiles();
        assert_eq!(all.count, 1000);
        assert!((all.p50 - 500.0).abs() < 1.0, "{all:?}");
        assert!((all.p99 - 990.0).abs() < 1.5, "{all:?}");
    }
}
