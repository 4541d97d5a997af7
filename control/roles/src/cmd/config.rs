//! How a central mobility database is set up.

use crate::{HeartbeatConfig, RevocationConfig};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// How the MAAR that a host comes to hears of those that it came by (RFC 8885 sections 3.2 to 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CmdMode {
    /// From the CMD, once the previous MAARs have answered it.
    Relay,
    /// From the previous MAARs themselves; the CMD only says to them where the host is.
    Locator,
    /// From the CMD at once; the previous MAARs are told at the same time.
    #[default]
    Proxy,
}

impl CmdMode {
    /// Every mode, in the order of RFC 8885.
    pub const ALL: [Self; 3] = [Self::Relay, Self::Locator, Self::Proxy];

    /// `relay`, `locator` or `proxy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Locator => "locator",
            Self::Proxy => "proxy",
        }
    }
}

/// A MAAR of the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaarPeer {
    /// Its address: where its messages come from and the end of its tunnels.
    pub address: Ipv6Addr,
    /// The prefixes that it, and nobody else, gives hosts prefixes of (S2-01).
    pub pools: Vec<HomeNetworkPrefix>,
}

/// Configuration of a central mobility database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CmdConfig {
    /// The address that MAARs register hosts at.
    pub address: Ipv6Addr,
    /// The mode at start; [`Event::Mode`](crate::Event::Mode) changes it.
    pub mode: CmdMode,
    /// Prefixes that hosts may have, all together.
    pub capacity: usize,
    /// Prefixes of previous MAARs that one host may keep: the oldest goes when there are more (RFC
    /// 8885 section 6). Up to [`CmdConfig::MOST_PREVIOUS`], which is what one message holds.
    pub max_previous: usize,
    /// The longest lifetime that is granted.
    pub max_lifetime: Duration,
    /// How long the prefixes of a host that was de-registered wait for it to come back
    /// (MinDelayBeforeBCEDelete, RFC 5213 section 9.1).
    pub min_delay_before_bce_delete: Duration,
    /// TimestampValidityWindow: how far a timestamp may be from our clock.
    pub timestamp_window: Duration,
    /// Relay: how long answers of previous MAARs are waited for before the serving one is answered
    /// with what there is (S2-18). Locator: how long until it is answered if nobody else did.
    pub aggregation_timeout: Duration,
    /// Wait before an update to a MAAR is sent again; doubled each time (RFC 8885 section 3.6).
    pub initial_bindack_timeout: Duration,
    /// What that wait grows to.
    pub max_bindack_timeout: Duration,
    /// How often an update to a MAAR is sent again before it is given up.
    pub max_retransmissions: u32,
    /// MAX_UPDATE_RATE: updates and indications per second that one MAAR is sent for one host.
    pub max_update_rate: u32,
    /// Moves of one host per second that are followed.
    pub max_move_rate: u32,
    /// Updates and indications per second that go out, to all MAARs together (RFC 8885 section 3.2).
    pub pacing_rate: u32,
    /// Those that may go out at once when there were none before.
    pub pacing_burst: u32,
    /// How MAARs are watched; nothing ends because one is down.
    pub heartbeat: HeartbeatConfig,
    /// Whether a MAAR that has restarted without its sessions, or is back, is told again where the hosts are
    /// whose prefixes it anchors.
    pub renew_when_restarted: bool,
    /// Seed of the jitter of retransmissions, and of the first sequence number.
    pub seed: u64,
}

impl CmdConfig {
    /// How serving MAARs are told of the end of sessions: as often and as patiently as they are told
    /// of anything.
    pub(super) const fn revocation(&self) -> RevocationConfig {
        RevocationConfig {
            accept: true,
            accept_global: false,
            max_retries: self.max_retransmissions,
            initial_delay: self.initial_bindack_timeout,
            max_delay: self.max_bindack_timeout,
            pacing_rate: self.pacing_rate,
            pacing_burst: self.pacing_burst,
        }
    }

    /// Prefixes of previous MAARs that a message holds in any case, with all that is told of each.
    pub const MOST_PREVIOUS: usize = 24;

    /// A database at `address` with room for `capacity` prefixes, and the values of the RFCs.
    pub fn new(address: Ipv6Addr, capacity: usize, seed: u64) -> Self {
        Self {
            address,
            mode: CmdMode::default(),
            capacity,
            max_previous: 16,
            max_lifetime: Duration::from_secs(3600),
            min_delay_before_bce_delete: Duration::from_millis(10_000),
            timestamp_window: Duration::from_millis(300),
            aggregation_timeout: Duration::from_millis(500),
            initial_bindack_timeout: Duration::from_secs(1),
            max_bindack_timeout: Duration::from_secs(32),
            max_retransmissions: 8,
            max_update_rate: 3,
            max_move_rate: 5,
            pacing_rate: 20_000,
            pacing_burst: 64,
            heartbeat: HeartbeatConfig::default(),
            renew_when_restarted: true,
            seed,
        }
    }
}
