//! How a local mobility anchor is set up.

use crate::pool::Pools;
use crate::revocation::RevocationConfig;
use serde::Serialize;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Configuration of a local mobility anchor (RFC 5213 section 9.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LmaConfig {
    /// The anchor's address (LMAA): where updates come to, and our end of every tunnel.
    pub address: Ipv6Addr,
    /// Where the prefixes of hosts come from for which policy fixes none.
    pub pools: Pools,
    /// Prefixes that may be bound at once; below what the table is guaranteed to hold.
    pub capacity: usize,
    /// The longest lifetime that is granted.
    pub max_lifetime: Duration,
    /// MinDelayBeforeBCEDelete: how long a de-registered binding waits for its host to come back.
    pub min_delay_before_bce_delete: Duration,
    /// MaxDelayBeforeNewBCEAssign: how long an update waits for the de-registration of the session
    /// that is in its way.
    pub max_delay_before_new_bce_assign: Duration,
    /// TimestampValidityWindow: how far a timestamp may be from our clock.
    pub timestamp_window: Duration,
    /// Binding Refresh Advice to give with a lifetime that is longer (RFC 6275 section 6.2.4); to
    /// be left out where bindings survive a restart (RFC 6275 section 10.3.1).
    pub refresh_advice: Option<Duration>,
    /// How many released prefixes are remembered for their former holders.
    pub remembered_prefixes: usize,
    /// Whether a gateway that a host has left is told so by a revocation (RFC 5846 section 3.4.1).
    pub revoke_on_handover: bool,
    /// How revocations are sent and taken.
    pub revocation: RevocationConfig,
}

impl LmaConfig {
    /// An anchor at `address` with room for `capacity` prefixes out of `pools`, and the RFC's
    /// values for everything else.
    pub fn new(address: Ipv6Addr, pools: Pools, capacity: usize) -> Self {
        Self {
            address,
            pools,
            capacity,
            max_lifetime: Duration::from_secs(3600),
            min_delay_before_bce_delete: Duration::from_millis(10_000),
            max_delay_before_new_bce_assign: Duration::from_millis(1500),
            timestamp_window: Duration::from_millis(300),
            refresh_advice: None,
            remembered_prefixes: capacity,
            revoke_on_handover: true,
            revocation: RevocationConfig::default(),
        }
    }
}
