//! `[lma.heartbeat]`, `[mag.heartbeat]`, `[maar.heartbeat]` and `[cmd.heartbeat]`: how peers are watched (RFC
//! 5847).

use super::check::in_range;
use super::document::{place, Document};
use roles::HeartbeatConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The default of HEARTBEAT_INTERVAL in seconds (RFC 5847 section 5).
const INTERVAL: u32 = 60;

/// HEARTBEAT_INTERVAL is not to be more than this.
const LONGEST_INTERVAL: u32 = 3_600;

/// How an LMA watches its MAGs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LmaHeartbeat {
    /// Seconds between two requests to a MAG (HEARTBEAT_INTERVAL); 0: it is not asked.
    pub interval: u32,
    /// Requests in a row that may go unanswered (MISSING_HEARTBEATS_ALLOWED).
    pub missing_allowed: u32,
    /// Whether the bindings of a MAG that is down end; else they live as long as their lifetime.
    pub end_when_down: bool,
    /// Whether the bindings of a MAG that has restarted without them end; else its hosts find them.
    pub end_when_restarted: bool,
    /// Bindings that end in a second because of that.
    pub sessions_per_second: u32,
}

/// How a MAG watches its LMAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MagHeartbeat {
    /// Seconds between two requests to an LMA (HEARTBEAT_INTERVAL); 0: it is not asked.
    pub interval: u32,
    /// Requests in a row that may go unanswered (MISSING_HEARTBEATS_ALLOWED).
    pub missing_allowed: u32,
    /// Whether hosts of an LMA that is down are told that their prefixes are gone; else bindings live
    /// as long as their lifetime.
    pub end_when_down: bool,
    /// Whether the hosts of an LMA that has restarted without its bindings, or is back, are registered
    /// anew at once; else with their next refresh.
    pub renew_when_restarted: bool,
    /// Hosts that are dealt with in a second because of that.
    pub sessions_per_second: u32,
}

/// How a MAAR watches its CMD, and a CMD its MAARs. Nothing ends because a peer is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainHeartbeat {
    /// Seconds between two requests (HEARTBEAT_INTERVAL); 0: nobody is asked.
    pub interval: u32,
    /// Requests in a row that may go unanswered (MISSING_HEARTBEATS_ALLOWED).
    pub missing_allowed: u32,
    /// Whether a peer that has restarted without its sessions, or is back, is told of hosts anew at once.
    pub renew_when_restarted: bool,
    /// Hosts that it is told of in a second because of that.
    pub sessions_per_second: u32,
}

impl Default for LmaHeartbeat {
    fn default() -> Self {
        let config = HeartbeatConfig::default();
        Self {
            interval: INTERVAL,
            missing_allowed: config.missing_allowed,
            end_when_down: config.end_when_down,
            end_when_restarted: false,
            sessions_per_second: config.sessions_per_second,
        }
    }
}

impl Default for MagHeartbeat {
    fn default() -> Self {
        let config = HeartbeatConfig::default();
        Self {
            interval: INTERVAL,
            missing_allowed: config.missing_allowed,
            end_when_down: config.end_when_down,
            renew_when_restarted: true,
            sessions_per_second: config.sessions_per_second,
        }
    }
}

impl Default for DomainHeartbeat {
    fn default() -> Self {
        let config = HeartbeatConfig::default();
        Self {
            interval: INTERVAL,
            missing_allowed: config.missing_allowed,
            renew_when_restarted: true,
            sessions_per_second: config.sessions_per_second,
        }
    }
}

impl DomainHeartbeat {
    /// What a role is given of it.
    pub(crate) fn config(&self) -> HeartbeatConfig {
        HeartbeatConfig {
            interval: Duration::from_secs(self.interval.into()),
            missing_allowed: self.missing_allowed,
            end_when_down: false,
            sessions_per_second: self.sessions_per_second,
        }
    }

    /// Whether the numbers of `role` are what they may be.
    pub(super) fn check(&self, document: &mut Document, role: &'static str) {
        check(document, role, &self.config());
    }
}

impl LmaHeartbeat {
    /// What a role is given of it.
    pub(crate) fn config(&self) -> HeartbeatConfig {
        HeartbeatConfig {
            interval: Duration::from_secs(self.interval.into()),
            missing_allowed: self.missing_allowed,
            end_when_down: self.end_when_down,
            sessions_per_second: self.sessions_per_second,
        }
    }

    /// Whether the numbers are what they may be.
    pub(super) fn check(&self, document: &mut Document) {
        check(document, "lma", &self.config());
    }
}

impl MagHeartbeat {
    /// What a role is given of it.
    pub(crate) fn config(&self) -> HeartbeatConfig {
        HeartbeatConfig {
            interval: Duration::from_secs(self.interval.into()),
            missing_allowed: self.missing_allowed,
            end_when_down: self.end_when_down,
            sessions_per_second: self.sessions_per_second,
        }
    }

    /// Whether the numbers are what they may be.
    pub(super) fn check(&self, document: &mut Document) {
        check(document, "mag", &self.config());
    }
}

/// Checks what both have. `role` is the table that this one is in.
fn check(document: &mut Document, role: &'static str, config: &HeartbeatConfig) {
    let seconds = u32::try_from(config.interval.as_secs()).unwrap_or(u32::MAX);
    for (key, value, range) in [
        ("interval", seconds, 0..=LONGEST_INTERVAL),
        ("missing_allowed", config.missing_allowed, 0..=100),
        (
            "sessions_per_second",
            config.sessions_per_second,
            20..=1_000_000,
        ),
    ] {
        in_range(document, place![role, "heartbeat", key], value, range);
    }
}
