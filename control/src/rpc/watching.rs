//! Watching packets: what `trace` and `capture` take, and what comes of them.

use super::declare::objects;
use super::error::{code, RpcError};
use super::types::Traffic;

/// The most packets that one trace shows.
pub const LONGEST_TRACE: u64 = 10_000;

/// The most frames that a capture keeps in memory.
pub const LARGEST_RING: usize = 100_000;

/// The most octets of a frame that a capture keeps.
pub const LARGEST_SNAP: usize = 9_216;

/// The most bindings that `talkers` answers with.
pub const MOST_TALKERS: usize = 256;

objects! {
    /// Parameters of `trace`. Packets that meet every condition given are shown; a packet is judged
    /// by its addresses as it came.
    #[derive(Default)]
    pub struct TraceParams {
        /// How many packets, 1 to 10000; 10 when absent.
        pub packets: Option<u64>,
        /// Received on this port or, when it was made here, sent on it; by its name or its twin's.
        pub port: Option<String>,
        /// An address or prefix that source or destination of any of its IP headers has.
        pub address: Option<String>,
        /// An address or prefix that source or destination of its outermost IP header has.
        pub outer: Option<String>,
        /// An address or prefix that source or destination of an IP header inside another has.
        pub inner: Option<String>,
        /// The protocol in any of its IP headers: a number, or `tcp`, `udp`, `icmp`, `icmpv6`,
        /// `ipv4`, `ipv6`, `esp`, `ah`, `mobility`.
        pub protocol: Option<String>,
        /// What became of it: a kind such as `drop`, a reason such as `tunnel_unknown`, or both as
        /// `drop_tunnel_unknown`.
        pub verdict: Option<String>,
        /// The worker that had it; all when absent.
        pub worker: Option<usize>,
    }

    /// Parameters of `capture`: a filter as that of `trace`, and how much is kept.
    #[derive(Default)]
    pub struct CaptureParams {
        /// Packets after which it ends; when absent it goes on until it is stopped.
        pub packets: Option<u64>,
        /// Frames that are kept in memory, the last ones, and sent when it is stopped, 1 to 100000;
        /// when absent, every frame is sent at once.
        pub ring: Option<usize>,
        /// Octets of every frame that are kept, 1 to 9216; all when absent.
        pub snap: Option<usize>,
        /// As in `trace`.
        pub port: Option<String>,
        /// As in `trace`.
        pub address: Option<String>,
        /// As in `trace`.
        pub outer: Option<String>,
        /// As in `trace`.
        pub inner: Option<String>,
        /// As in `trace`.
        pub protocol: Option<String>,
        /// As in `trace`.
        pub verdict: Option<String>,
        /// As in `trace`.
        pub worker: Option<usize>,
    }

    /// Parameters of `stop`.
    #[derive(Copy)]
    pub struct StopParams {
        /// The session, as `trace` or `capture` has answered it.
        pub session: u64,
    }

    /// Parameters of `talkers`.
    #[derive(Copy, Default)]
    pub struct TalkersParams {
        /// How many bindings, 1 to 256; 20 when absent.
        pub limit: Option<usize>,
    }

    /// That packets will come on this connection.
    #[derive(Copy)]
    pub struct Watching {
        /// The session: `stop` takes it, and every notification names it.
        pub session: u64,
        /// Workers that take part.
        pub workers: usize,
    }

    /// That a session has been stopped.
    #[derive(Copy)]
    pub struct Stopped {
        /// The session.
        pub session: u64,
    }

    /// A packet and what each stage decided about it.
    pub struct Traced {
        /// The session.
        pub session: u64,
        /// The worker that had it.
        pub worker: usize,
        /// Which packet of this worker in this session, from 1.
        pub number: u64,
        /// When the pass began that it was in, in seconds since 1970.
        pub time: f64,
        /// The port that received it; absent when it was made here.
        pub port: Option<String>,
        /// Why it came into being here; absent when it was received.
        pub born: Option<String>,
        /// Octets that it had.
        pub length: usize,
        /// What the stages decided, in their order.
        pub steps: Vec<Step>,
        /// The kind of its verdict, such as `forward`.
        pub verdict: String,
        /// The reason of its verdict, such as `encapsulated`.
        pub reason: String,
    }

    /// What one stage decided.
    pub struct Step {
        /// The stage.
        pub stage: String,
        /// What it decided, in words.
        pub text: String,
    }

    /// A frame as it came or as it went.
    pub struct Captured {
        /// The session.
        pub session: u64,
        /// The worker that had it.
        pub worker: usize,
        /// Which packet of this worker in this session, from 1: a packet that was rewritten is two
        /// frames.
        pub number: u64,
        /// When the pass began that it was in, in nanoseconds since 1970.
        pub time_ns: u64,
        /// The port.
        pub port: String,
        /// Whether it was received on the port, and not sent.
        pub received: bool,
        /// Octets that it had.
        pub length: usize,
        /// The octets that were kept, in base64.
        pub data: String,
        /// What became of the packet, as kind and reason: `forward_encapsulated`.
        pub verdict: String,
    }

    /// That a session is over.
    pub struct WatchEnded {
        /// The session.
        pub session: u64,
        /// Packets that were recorded.
        pub packets: u64,
        /// Frames that found no free record because they came faster than they were read.
        pub lost: u64,
        /// Frames that this connection did not take in time, or that the ring had no more room for.
        pub left_out: u64,
        /// Why: `complete` or `stopped`.
        pub why: String,
    }

    /// A binding with its rate.
    pub struct Talker {
        /// Its prefix.
        pub prefix: String,
        /// Bits per second, both ways together, over the last two times that its counters were read.
        pub bits_per_sec: f64,
        /// From the prefix, since the binding was made.
        pub up: Traffic,
        /// To the prefix, since the binding was made.
        pub down: Traffic,
    }

    /// All metrics.
    pub struct Metrics {
        /// The OpenMetrics text, as the management address serves it.
        pub text: String,
    }
}

/// A filter, whichever request it came with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterWords {
    /// Name of a port.
    pub port: Option<String>,
    /// Prefix of any header.
    pub address: Option<String>,
    /// Prefix of the outermost header.
    pub outer: Option<String>,
    /// Prefix of a header inside another.
    pub inner: Option<String>,
    /// Protocol.
    pub protocol: Option<String>,
    /// Verdict.
    pub verdict: Option<String>,
    /// Worker.
    pub worker: Option<usize>,
}

macro_rules! filters {
    ($($params:ident),+) => {$(
        impl $params {
            /// Its filter.
            #[must_use]
            pub fn filter(&self) -> FilterWords {
                FilterWords {
                    port: self.port.clone(),
                    address: self.address.clone(),
                    outer: self.outer.clone(),
                    inner: self.inner.clone(),
                    protocol: self.protocol.clone(),
                    verdict: self.verdict.clone(),
                    worker: self.worker,
                }
            }

            /// The same with another filter.
            #[must_use]
            pub fn with(mut self, filter: FilterWords) -> Self {
                self.port = filter.port;
                self.address = filter.address;
                self.outer = filter.outer;
                self.inner = filter.inner;
                self.protocol = filter.protocol;
                self.verdict = filter.verdict;
                self.worker = filter.worker;
                self
            }
        }
    )+};
}

filters!(TraceParams, CaptureParams);

/// A number that has to be from 1 to `most`.
fn within<T>(name: &str, given: Option<T>, most: T) -> Result<(), RpcError>
where
    T: PartialOrd + From<u8> + std::fmt::Display,
{
    match given {
        Some(given) if given < T::from(1) || given > most => Err(RpcError::new(
            code::INVALID_PARAMS,
            format!("`{name}` of {given} is out of range"),
            format!("give 1 to {most}"),
        )),
        _ => Ok(()),
    }
}

impl TraceParams {
    pub(super) fn check(self) -> Result<Self, RpcError> {
        within("packets", self.packets, LONGEST_TRACE)?;
        Ok(self)
    }
}

impl CaptureParams {
    pub(super) fn check(self) -> Result<Self, RpcError> {
        within("packets", self.packets, u64::MAX)?;
        within("ring", self.ring, LARGEST_RING)?;
        within("snap", self.snap, LARGEST_SNAP)?;
        Ok(self)
    }
}

impl StopParams {
    pub(super) fn check(self) -> Result<Self, RpcError> {
        Ok(self)
    }
}

impl TalkersParams {
    pub(super) fn check(self) -> Result<Self, RpcError> {
        within("limit", self.limit, MOST_TALKERS)?;
        Ok(self)
    }
}
