//! Metrics in the OpenMetrics text, which Prometheus reads.
//!
//! Every family is declared once, with its labels and its help: those of the gateway here, verdicts
//! and counters where they are counted. The text and docs/metrics.md both derive from [`declared`].

use crate::counters::Counters;
use crate::rpc::SocketCounters;
use dataplane::verdict::{Born, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{text, DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use roles::counters::Counter as _;
use std::collections::HashMap;
use std::fmt;

/// What every name begins with.
const PREFIX: &str = "anchorage";

/// Whether a metric only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Since the start; its samples end in `_total`.
    Counter,
    /// Now.
    Gauge,
}

impl Kind {
    /// Its name in the text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric: samples of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its name, prefix included, without `_total`.
    pub name: String,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means, one sentence.
    pub help: String,
}

macro_rules! families {
    ($($variant:ident = $name:literal $kind:ident [$($label:literal),*] $text:literal;)*) => {
        /// A family of the gateway's own.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Family {
            $(#[doc = $text] $variant,)*
        }

        impl Family {
            /// All of them, in order.
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn declared(self) -> Declared {
                match self {
                    $(Self::$variant => Declared {
                        name: format!("{PREFIX}_{}", $name),
                        kind: Kind::$kind,
                        labels: &[$($label),*],
                        help: $text.to_owned(),
                    },)*
                }
            }
        }
    };
}

families! {
    Gateway = "gateway" Gauge ["name", "role", "version", "dpdk"] "Always 1: what this gateway is.";
    Uptime = "uptime_seconds" Gauge [] "Seconds since the gateway started.";
    Draining = "draining" Gauge [] "1 while the gateway is going down and only forwards.";
    Sessions = "sessions" Gauge [] "Hosts in the binding cache, or visitors.";
    Subscribers = "subscribers" Gauge [] "Clients that have subscribed to notices.";
    TableUsed = "table_used" Gauge ["table"] "Entries in use.";
    TableCapacity = "table_capacity" Gauge ["table"] "Entries that fit.";
    Answered = "answer_seconds" Gauge ["quantile"] "Control-thread time from an update taken from its ring to its acknowledgement put into one.";
    Restarts = "restarts" Gauge [] "Starts of the gateway before this one, as its store has counted them.";
    StoreRecords = "store_records" Gauge [] "Records that the store keeps: bindings, or visitors that are bound.";
    StoreBytes = "store_bytes" Gauge [] "Octets of the store's file.";
    StoreRestored = "store_restored" Gauge [] "Records that were there when the gateway started.";
    StoreCommits = "store_commits" Counter [] "Commits of the store.";
    StoreChanges = "store_changes" Counter [] "Changes that the store has committed.";
    StoreWaiting = "store_waiting" Gauge [] "Changes that wait for a commit of the store.";
    StoreHeld = "store_held" Gauge [] "Messages that wait to be sent until what they say is kept.";
    StoreLastCommit = "store_last_commit_seconds" Gauge [] "Seconds that the last commit of the store took.";
    StoreLongestCommit = "store_longest_commit_seconds" Gauge [] "Seconds that the longest commit of the store took.";
    StoreFailures = "store_failures" Counter [] "Commits of the store that failed, each try.";
    StoreFailing = "store_failing" Gauge [] "1 while the store cannot commit, and nothing is acknowledged for that.";
    Received = "received" Counter ["worker"] "Packets taken from ports.";
    Born = "born" Counter ["worker", "reason"] "Packets that came into being here.";
    Verdicts = "verdicts" Counter ["worker", "verdict", "reason"] "Packets by what became of them: received and born together are the sum of all.";
    Polls = "worker_polls" Counter ["worker"] "Times that the worker asked its ports for packets.";
    EmptyPolls = "worker_empty_polls" Counter ["worker"] "Polls that found nothing.";
    Packets = "worker_packets" Counter ["worker"] "Packets that polls found, those of control included.";
    Busy = "worker_busy_seconds" Counter ["worker"] "Seconds spent in polls that found something.";
    Sleeps = "worker_sleeps" Counter ["worker"] "Times that the worker went to sleep.";
    Slept = "worker_slept_seconds" Counter ["worker"] "Seconds that the worker meant to sleep.";
    Held = "worker_held" Gauge ["worker"] "Packets that wait for a neighbour.";
    Stalled = "worker_stalled" Gauge ["worker"] "1 while the worker stands still.";
    Vectors = "worker_vectors" Counter ["worker", "most"] "Polls that found something, by the most packets that they found.";
    LinkUp = "port_link_up" Gauge ["port"] "1 while the port's link is up.";
    RxPackets = "port_rx_packets" Counter ["port"] "Packets received.";
    RxBytes = "port_rx_bytes" Counter ["port"] "Octets received.";
    RxMissed = "port_rx_missed" Counter ["port"] "Packets that came while no buffer or descriptor was free.";
    RxErrors = "port_rx_errors" Counter ["port"] "Packets that came broken.";
    TxPackets = "port_tx_packets" Counter ["port"] "Packets sent.";
    TxBytes = "port_tx_bytes" Counter ["port"] "Octets sent.";
    TxErrors = "port_tx_errors" Counter ["port"] "Packets that could not be sent.";
}

/// The family of one of the counters that control, a role or the socket declares.
fn counter(group: &str, name: &str, help: &str) -> Declared {
    Declared {
        name: format!("{PREFIX}_{group}_{name}"),
        kind: Kind::Counter,
        labels: &[],
        help: match help.ends_with('.') {
            true => help.to_owned(),
            false => format!("{help}."),
        },
    }
}

/// All metrics that a gateway of any role has, and the values of the labels `reason`.
#[must_use]
pub fn declared() -> Vec<Declared> {
    let mut all: Vec<_> = Family::ALL.iter().map(|family| family.declared()).collect();
    let own = Counters::default().snapshot();
    all.extend(
        own.iter()
            .map(|(name, _, help)| counter("signalling", name, help)),
    );
    let lma = roles::lma::LmaCounter::ALL.iter();
    all.extend(lma.map(|it| counter("lma", it.name(), it.description())));
    let mag = roles::mag::MagCounter::ALL.iter();
    all.extend(mag.map(|it| counter("mag", it.name(), it.description())));
    let maar = roles::maar::MaarCounter::ALL.iter();
    all.extend(maar.map(|it| counter("maar", it.name(), it.description())));
    let cmd = roles::cmd::CmdCounter::ALL.iter();
    all.extend(cmd.map(|it| counter("cmd", it.name(), it.description())));
    let socket = SocketCounters::default().counters();
    all.extend(
        socket
            .iter()
            .map(|it| counter("socket", &it.name, &it.description)),
    );
    all
}

/// The values that `reason` has beside each value of `verdict`, with what they mean; and those of
/// `born`.
pub fn reasons() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let verdicts = Verdict::all().map(|it| (it.kind(), it.reason(), it.describe()));
    let births = Born::ALL.iter();
    verdicts.chain(births.map(|it| ("born", it.reason(), it.describe())))
}

/// A value, as it is shown.
#[derive(Clone, Copy, Debug)]
enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

type Labels = Vec<(&'static str, String)>;

/// All samples at one moment.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    own: HashMap<&'static str, Vec<(Labels, Value)>>,
    counters: Vec<(Declared, u64)>,
}

impl Exposition {
    /// Adds a sample with the values of its family's labels, in their order.
    #[allow(private_bounds)]
    pub(crate) fn put(&mut self, family: Family, labels: &[&str], value: impl Into<Value>) {
        let names = family.declared().labels;
        let values = labels.iter().map(|value| (*value).to_owned());
        let labels = names.iter().copied().zip(values).collect();
        let samples = self.own.entry(family.name()).or_default();
        samples.push((labels, value.into()));
    }

    /// Adds a counter of `group`.
    pub(crate) fn count(&mut self, group: &str, name: &str, help: &str, value: u64) {
        self.counters.push((counter(group, name, help), value));
    }

    /// The text.
    pub(crate) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Text takes everything.
        let _ = text::encode(&mut text, &registry);
        text
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for family in Family::ALL {
            let Some(samples) = self.own.get(family.name()) else {
                continue;
            };
            put(encoder, &family.declared(), samples)?;
        }
        for (declared, value) in &self.counters {
            put(encoder, declared, &[(Labels::new(), Value::Whole(*value))])?;
        }
        Ok(())
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    declared: &Declared,
    samples: &[(Labels, Value)],
) -> fmt::Result {
    let Declared { name, help, .. } = declared;
    let kind = match declared.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
    };
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        let sample = metric.encode_family(labels)?;
        match (declared.kind, *value) {
            (Kind::Counter, Value::Whole(value)) => ConstCounter::new(value).encode(sample)?,
            (Kind::Counter, Value::Real(value)) => ConstCounter::new(value).encode(sample)?,
            // Far from where a double loses whole numbers.
            (Kind::Gauge, Value::Whole(value)) => ConstGauge::new(value as f64).encode(sample)?,
            (Kind::Gauge, Value::Real(value)) => ConstGauge::new(value).encode(sample)?,
        }
    }
    Ok(())
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Self::encode(self, &mut encoder)
    }
}
