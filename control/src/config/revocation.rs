//! `[lma.revocation]` and `[mag.revocation]`: how binding revocations are sent and taken (RFC 5846).

use super::check::in_range;
use super::document::{place, Document};
use roles::RevocationConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// InitMINDelayBRIs is not to be less than this (RFC 5846 section 11).
const LEAST_DELAY_MS: u32 = 500;

/// How binding revocations are sent and taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Revocation {
    /// Whether peers may revoke bindings here; else they are answered with 135.
    pub accept: bool,
    /// Whether a peer may revoke all that it shares with this gateway in one message; else it is
    /// answered with 130.
    pub accept_global: bool,
    /// How often an indication is sent again for want of an answer (BRIMaxRetriesNumber).
    pub max_retries: u32,
    /// Milliseconds before it is sent again for the first time (InitMINDelayBRIs); they double.
    pub initial_delay_ms: u32,
    /// Milliseconds that they grow to (MAX_BRACK_TIMEOUT).
    pub max_delay_ms: u32,
    /// Indications per second to all peers together; more wait their turn.
    pub pacing_rate: u32,
    /// How many of those may leave at once.
    pub pacing_burst: u32,
}

impl Default for Revocation {
    fn default() -> Self {
        let RevocationConfig {
            accept,
            accept_global,
            max_retries,
            initial_delay,
            max_delay,
            pacing_rate,
            pacing_burst,
        } = RevocationConfig::default();
        let millis = |delay: Duration| u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        Self {
            accept,
            accept_global,
            max_retries,
            initial_delay_ms: millis(initial_delay),
            max_delay_ms: millis(max_delay),
            pacing_rate,
            pacing_burst,
        }
    }
}

impl Revocation {
    /// What a role is given of it.
    pub(crate) fn config(&self) -> RevocationConfig {
        RevocationConfig {
            accept: self.accept,
            accept_global: self.accept_global,
            max_retries: self.max_retries,
            initial_delay: Duration::from_millis(self.initial_delay_ms.into()),
            max_delay: Duration::from_millis(self.max_delay_ms.into()),
            pacing_rate: self.pacing_rate,
            pacing_burst: self.pacing_burst,
        }
    }

    /// Whether the numbers are what they may be. `role` is the table that this one is in.
    pub(super) fn check(&self, document: &mut Document, role: &'static str) {
        in_range(
            document,
            place![role, "revocation", "max_retries"],
            self.max_retries,
            0..=10,
        );
        in_range(
            document,
            place![role, "revocation", "initial_delay_ms"],
            self.initial_delay_ms,
            LEAST_DELAY_MS..=self.max_delay_ms.clamp(LEAST_DELAY_MS, 60_000),
        );
        in_range(
            document,
            place![role, "revocation", "max_delay_ms"],
            self.max_delay_ms,
            LEAST_DELAY_MS..=60_000,
        );
        for (name, value, range) in [
            ("pacing_rate", self.pacing_rate, 1..=1_000_000),
            ("pacing_burst", self.pacing_burst, 1..=65_536),
        ] {
            in_range(document, place![role, "revocation", name], value, range);
        }
    }
}
