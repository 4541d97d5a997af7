//! The schema of a central mobility database: `[cmd]`, and what is to be said of its domain.

use super::address::{overlap, Ipv6Prefix};
use super::check::{in_range, is_unicast};
use super::document::{place, Document};
use super::heartbeat::DomainHeartbeat;
use super::schema::Config;
use roles::cmd::{CmdConfig, CmdMode, MaarPeer};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `[cmd]`: a central mobility database (RFC 8885 section 3). It carries no data, so it has no ports:
/// its messages go by way of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cmd {
    /// The address that MAARs register hosts at; one that the kernel has.
    pub address: Ipv6Addr,
    /// How serving MAARs hear of previous ones. `anchorctl mode` changes it while the gateway runs.
    #[serde(default)]
    pub mode: CmdMode,
    /// Prefixes that hosts may have, all together.
    #[serde(default = "defaults::capacity")]
    pub capacity: usize,
    /// Prefixes of previous MAARs that one host may keep; the oldest goes when there are more.
    #[serde(default = "defaults::max_previous")]
    pub max_previous: usize,
    /// Longest lifetime in seconds that is granted.
    #[serde(default = "defaults::max_lifetime")]
    pub max_lifetime: u32,
    /// MinDelayBeforeBCEDelete in milliseconds: how long the older prefixes of a host that was
    /// de-registered wait for it (RFC 5213 section 9.1).
    #[serde(default = "defaults::min_delay_before_bce_delete_ms")]
    pub min_delay_before_bce_delete_ms: u32,
    /// TimestampValidityWindow in milliseconds (RFC 5213 section 9.1).
    #[serde(default = "defaults::timestamp_window_ms")]
    pub timestamp_window_ms: u32,
    /// Relay and locator: milliseconds in which previous MAARs are to answer (RFC 8885 section 3.2).
    #[serde(default = "defaults::aggregation_timeout_ms")]
    pub aggregation_timeout_ms: u32,
    /// Wait in milliseconds before an update to a MAAR is sent again (INITIAL_BINDACK_TIMEOUT, RFC
    /// 6275 section 12).
    #[serde(default = "defaults::initial_bindack_timeout_ms")]
    pub initial_bindack_timeout_ms: u32,
    /// What the wait grows to (MAX_BINDACK_TIMEOUT).
    #[serde(default = "defaults::max_bindack_timeout_ms")]
    pub max_bindack_timeout_ms: u32,
    /// How often an update to a MAAR is sent again before it is given up.
    #[serde(default = "defaults::max_retransmissions")]
    pub max_retransmissions: u32,
    /// Updates per second that one MAAR is sent for one host (MAX_UPDATE_RATE, RFC 6275 section 12).
    #[serde(default = "defaults::max_update_rate")]
    pub max_update_rate: u32,
    /// Moves per second of one host that are followed.
    #[serde(default = "defaults::max_move_rate")]
    pub max_move_rate: u32,
    /// Updates and revocations per second to all MAARs together (RFC 8885 section 3.2).
    #[serde(default = "defaults::pacing_rate")]
    pub pacing_rate: u32,
    /// Those that may go out at once when there were none before.
    #[serde(default = "defaults::pacing_burst")]
    pub pacing_burst: u32,
    /// `[cmd.heartbeat]`: whether MAARs are there.
    #[serde(default)]
    pub heartbeat: DomainHeartbeat,
    /// `[[cmd.maar]]`: the MAARs of the domain.
    #[serde(default)]
    pub maar: Vec<Maar>,
}

/// `[[cmd.maar]]`: a MAAR of the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maar {
    /// Its address.
    pub address: Ipv6Addr,
    /// The prefixes that it, and no other, gives hosts prefixes of.
    pub pools: Vec<Ipv6Prefix>,
}

/// An hour in milliseconds.
const HOUR_MS: u32 = 3_600_000;

/// The longest finite lifetime that a Binding Update can say, in seconds.
const MAX_LIFETIME: u32 = (u16::MAX as u32 - 1) * 4;

/// The most MAARs of a domain.
const MOST_MAARS: usize = 65_536;

impl Cmd {
    /// As the role has it.
    pub(crate) fn made(&self, seed: u64) -> CmdConfig {
        let millis = |ms: u32| Duration::from_millis(ms.into());
        CmdConfig {
            mode: self.mode,
            max_previous: self.max_previous,
            max_lifetime: Duration::from_secs(self.max_lifetime.into()),
            min_delay_before_bce_delete: millis(self.min_delay_before_bce_delete_ms),
            timestamp_window: millis(self.timestamp_window_ms),
            aggregation_timeout: millis(self.aggregation_timeout_ms),
            initial_bindack_timeout: millis(self.initial_bindack_timeout_ms),
            max_bindack_timeout: millis(self.max_bindack_timeout_ms),
            max_retransmissions: self.max_retransmissions,
            max_update_rate: self.max_update_rate,
            max_move_rate: self.max_move_rate,
            pacing_rate: self.pacing_rate,
            pacing_burst: self.pacing_burst,
            heartbeat: self.heartbeat.config(),
            renew_when_restarted: self.heartbeat.renew_when_restarted,
            ..CmdConfig::new(self.address, self.capacity, seed)
        }
    }

    /// The MAARs as the role has them.
    pub(crate) fn maars(&self) -> Vec<MaarPeer> {
        let peer = |maar: &Maar| MaarPeer {
            address: maar.address,
            pools: maar.pools.clone(),
        };
        self.maar.iter().map(peer).collect()
    }

    /// Notes all that is wrong with the table.
    pub(super) fn check(&self, document: &mut Document, config: &Config) {
        for (key, given) in [
            ("port", config.port.is_empty()),
            ("interface", config.interface.is_empty()),
            ("route", config.route.is_empty()),
            ("workers", config.workers.cores.is_empty()),
        ] {
            if !given {
                let text =
                    format!("a CMD carries no data and sends by way of the kernel; remove `{key}`");
                document.problem(place![key], text);
            }
        }
        if !is_unicast(self.address) || self.address.is_unicast_link_local() {
            let text = format!(
                "MAARs cannot send to `{}`; give a global address of this machine",
                self.address
            );
            document.problem(place!["cmd", "address"], text);
        }
        self.check_numbers(document);
        self.heartbeat.check(document, "cmd");
        if self.maar.is_empty() || self.maar.len() > MOST_MAARS {
            let text =
                format!("a domain has 1 to {MOST_MAARS} MAARs; add a table [[cmd.maar]] for each");
            document.problem(place!["cmd"], text);
        }
        for (index, maar) in self.maar.iter().enumerate() {
            self.check_maar(document, index, maar);
        }
    }

    fn check_numbers(&self, document: &mut Document) {
        let longest_wait = self.max_bindack_timeout_ms.clamp(10, HOUR_MS);
        let numbers: [(&'static str, u32, RangeInclusive<u32>); 11] = [
            ("max_lifetime", self.max_lifetime, 4..=MAX_LIFETIME),
            (
                "min_delay_before_bce_delete_ms",
                self.min_delay_before_bce_delete_ms,
                0..=HOUR_MS,
            ),
            ("timestamp_window_ms", self.timestamp_window_ms, 1..=HOUR_MS),
            (
                "aggregation_timeout_ms",
                self.aggregation_timeout_ms,
                1..=HOUR_MS,
            ),
            (
                "initial_bindack_timeout_ms",
                self.initial_bindack_timeout_ms,
                10..=longest_wait,
            ),
            (
                "max_bindack_timeout_ms",
                self.max_bindack_timeout_ms,
                10..=HOUR_MS,
            ),
            ("max_retransmissions", self.max_retransmissions, 0..=1_000),
            ("max_update_rate", self.max_update_rate, 1..=1_000),
            ("max_move_rate", self.max_move_rate, 1..=1_000),
            ("pacing_rate", self.pacing_rate, 1..=1_000_000),
            ("pacing_burst", self.pacing_burst, 1..=65_536),
        ];
        for (key, value, range) in numbers {
            in_range(document, place!["cmd", key], value, range);
        }
        in_range(
            document,
            place!["cmd", "capacity"],
            self.capacity,
            1..=64 << 20,
        );
        in_range(
            document,
            place!["cmd", "max_previous"],
            self.max_previous,
            1..=CmdConfig::MOST_PREVIOUS,
        );
    }

    /// A MAAR is one, is there once, and its pools are its own (S2-01).
    fn check_maar(&self, document: &mut Document, index: usize, maar: &Maar) {
        let earlier = self.maar.get(..index).unwrap_or_default();
        let address = maar.address;
        let way = place!["cmd", "maar", index, "address"];
        if !is_unicast(address) || address.is_unicast_link_local() || address == self.address {
            let text = format!("`{address}` is no MAAR's; give its global address");
            document.problem(way, text);
        } else if earlier.iter().any(|other| other.address == address) {
            let text = format!("`{address}` stands here twice; name all its pools in one table");
            document.problem(way, text);
        }
        if maar.pools.is_empty() {
            let text = "a MAAR without a pool anchors nothing; name the prefixes that it gives out";
            document.problem(place!["cmd", "maar", index, "pools"], text);
        }
        for (at, pool) in maar.pools.iter().enumerate() {
            let way = place!["cmd", "maar", index, "pools", at];
            if pool.is_request() || !is_unicast(pool.prefix) {
                let text = format!("{pool} cannot be given to hosts; use a prefix of yours");
                document.problem(way, text);
                continue;
            }
            let own = maar.pools.iter().take(at).map(|it| (it, address));
            let others = earlier.iter();
            let others = others.flat_map(|it| it.pools.iter().map(|pool| (pool, it.address)));
            if let Some((other, whose)) =
                own.chain(others).find(|(other, _)| overlap(**other, *pool))
            {
                let text = format!(
                    "{pool} overlaps {other} of {whose}: a prefix belongs to one MAAR; make one of \
                     them smaller"
                );
                document.problem(way, text);
            }
        }
    }
}

/// Values of keys that the file leaves out.
mod defaults {
    pub(super) const fn capacity() -> usize {
        1_000_000
    }
    pub(super) const fn max_previous() -> usize {
        16
    }
    pub(super) const fn max_lifetime() -> u32 {
        3_600
    }
    pub(super) const fn min_delay_before_bce_delete_ms() -> u32 {
        10_000
    }
    pub(super) const fn timestamp_window_ms() -> u32 {
        300
    }
    pub(super) const fn aggregation_timeout_ms() -> u32 {
        500
    }
    pub(super) const fn initial_bindack_timeout_ms() -> u32 {
        1_000
    }
    pub(super) const fn max_bindack_timeout_ms() -> u32 {
        32_000
    }
    pub(super) const fn max_retransmissions() -> u32 {
        8
    }
    pub(super) const fn max_update_rate() -> u32 {
        3
    }
    pub(super) const fn max_move_rate() -> u32 {
        5
    }
    pub(super) const fn pacing_rate() -> u32 {
        20_000
    }
    pub(super) const fn pacing_burst() -> u32 {
        64
    }
}
