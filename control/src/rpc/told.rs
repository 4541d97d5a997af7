//! What is told to those who have subscribed: notices of hosts and bindings, and of what carries the gateway.

use roles::effect::Notice;
use roles::Now;
use serde::{Deserialize, Serialize};
use wire::ether::MacAddr;

/// The parameters of a notification: a notice, with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedNotice {
    /// When, in seconds since 1970.
    pub time: f64,
    /// When, in microseconds of the gateway's monotonic clock.
    pub monotonic_us: u64,
    /// Name of the interface of the notice's `link`, for a notice that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What happened; its fields stand beside the time.
    #[serde(flatten)]
    pub notice: Told,
}

/// What a notice tells of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// Of hosts and bindings.
    Role(Notice),
    /// Of what carries the gateway.
    Machine(MachineNotice),
}

impl From<Notice> for Told {
    fn from(notice: Notice) -> Self {
        Self::Role(notice)
    }
}

impl From<MachineNotice> for Told {
    fn from(notice: MachineNotice) -> Self {
        Self::Machine(notice)
    }
}

/// What happens to ports and workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum MachineNotice {
    /// The link of a port is gone.
    PortDown {
        /// Its name in the configuration.
        port: String,
    },
    /// It is back.
    PortUp {
        /// Its name in the configuration.
        port: String,
    },
    /// A worker makes no pass over its ports any more.
    WorkerStalled {
        /// Its number.
        worker: usize,
        /// Its core.
        core: usize,
        /// Seconds since it made one, as control saw them.
        secs: f64,
    },
    /// A RADIUS server does not answer any more.
    AaaServerDown {
        /// Its address and port.
        server: String,
    },
    /// It does again.
    AaaServerUp {
        /// Its address and port.
        server: String,
    },
    /// No RADIUS server answered a question about a host.
    AaaUnreachable {
        /// The link-layer address of the host.
        mac: MacAddr,
        /// What became of it: `refuse`, `keep` or `policy-file`.
        so: String,
    },
    /// It does again.
    WorkerRecovered {
        /// Its number.
        worker: usize,
        /// Its core.
        core: usize,
        /// Seconds for which it made none.
        secs: f64,
    },
}

impl MachineNotice {
    /// Whether something went wrong, and not right again.
    pub const fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::PortDown { .. }
                | Self::WorkerStalled { .. }
                | Self::AaaServerDown { .. }
                | Self::AaaUnreachable { .. }
        )
    }
}

impl TimedNotice {
    /// A notice at its time; `interface` is the name of the interface of its `link`.
    pub fn new(now: Now, notice: impl Into<Told>, interface: Option<String>) -> Self {
        Self {
            time: now.wall.as_secs_f64(),
            monotonic_us: u64::try_from(now.monotonic.as_micros()).unwrap_or(u64::MAX),
            interface,
            notice: notice.into(),
        }
    }
}
