//! Options of authenticated signalling (RFC 4285).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Mobility Message Authentication option (RFC 4285 section 5). It covers the message from its
/// first octet up to and including the SPI, so only another of its kind may stand behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// Between whom: [`MN_HA`](Self::MN_HA) or [`MN_AAA`](Self::MN_AAA).
    pub subtype: u8,
    /// Security parameter index: which key and algorithm. Below 256 the values are reserved.
    pub spi: u32,
    /// Authentication data; 12 octets for HMAC-SHA1 cut to 96 bits.
    pub data: Vec<u8>,
}

impl Authentication {
    /// Subtype: between mobile node and home agent, or between two gateways.
    pub const MN_HA: u8 = 1;
    /// Subtype: between mobile node and its AAA server.
    pub const MN_AAA: u8 = 2;
}

/// Timestamp of the Mobility Message Replay Protection option (RFC 4285 section 6): 32 bits of
/// seconds since 1900 and 32 bits of their fraction, as NTP has them. Seconds wrap in 2036.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplayTimestamp(pub u64);

impl ReplayTimestamp {
    /// Seconds from 1900-01-01 to 1970-01-01.
    const UNIX_EPOCH: u64 = 2_208_988_800;

    /// The time that is `since_epoch` after 1970-01-01T00:00:00Z.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(Self::UNIX_EPOCH);
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// The time between the two, whichever is the earlier, over the wrap of the seconds if that is
    /// the shorter way.
    pub fn abs_diff(self, other: Self) -> Duration {
        let ahead = self.0.wrapping_sub(other.0);
        let span = ahead.min(ahead.wrapping_neg());
        let nanos = ((span & 0xffff_ffff) * 1_000_000_000) >> 32;
        Duration::from_secs(span >> 32) + Duration::from_nanos(nanos)
    }

    /// Whether this is later than `other`, by at most half of the range.
    pub const fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 63
    }
}
