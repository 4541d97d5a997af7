//! Options of authenticated signalling (RFC 4285).

use super::mh_type;
use super::option::kind;
use serde::{Deserialize, Serialize};
use std::ops::Range;
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

/// Where an authentication option stands in the octets of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Between whom, as in [`Authentication::subtype`].
    pub subtype: u8,
    /// Security parameter index.
    pub spi: u32,
    /// How many octets from the first one on it covers: up to and including the SPI.
    pub covered: usize,
    /// Its authentication data.
    pub data: Range<usize>,
}

/// The authentication options of a message that parses, in their order. `message` starts at the
/// Payload Proto field. What follows an option that is cut short is not looked at.
pub fn placed(message: &[u8]) -> impl Iterator<Item = Placed> + '_ {
    let first = match message.get(2) {
        Some(&mh_type::BINDING_REFRESH_REQUEST) => 8,
        Some(&mh_type::BINDING_ERROR) => 24,
        Some(
            &mh_type::BINDING_UPDATE
            | &mh_type::BINDING_ACKNOWLEDGEMENT
            | &mh_type::HEARTBEAT
            | &mh_type::BINDING_REVOCATION,
        ) => 12,
        _ => message.len(),
    };
    let mut at = first;
    std::iter::from_fn(move || loop {
        let option = at;
        if *message.get(option)? == kind::PAD1 {
            at += 1;
            continue;
        }
        let length = usize::from(*message.get(option + 1)?);
        at = option + 2 + length;
        if message.get(option) != Some(&kind::AUTHENTICATION) {
            continue;
        }
        let [subtype, spi @ ..] = *message.get(option + 2..at)?.first_chunk::<5>()?;
        let covered = option + 2 + 5;
        return Some(Placed {
            subtype,
            spi: u32::from_be_bytes(spi),
            covered,
            data: covered..at,
        });
    })
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

    /// Time since 1970-01-01T00:00:00Z in units of 2^-32 s. Wraps in 2106.
    pub const fn unix(self) -> u64 {
        self.0.wrapping_sub(Self::UNIX_EPOCH << 32)
    }

    /// The timestamp of a time since 1970 in units of 2^-32 s.
    pub const fn of_unix(since_epoch: u64) -> Self {
        Self(since_epoch.wrapping_add(Self::UNIX_EPOCH << 32))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mh::{Heartbeat, Message, MobilityOption};
    use std::net::Ipv6Addr;

    /// RFC 4285 sections 5.1 and 5.2.
    #[test]
    fn what_an_authentication_option_covers_ends_with_its_spi() {
        let option = |subtype, spi, octet| {
            MobilityOption::Authentication(Authentication {
                subtype,
                spi,
                data: vec![octet; 12],
            })
        };
        let message = Message::Heartbeat(Heartbeat {
            unsolicited: false,
            response: false,
            sequence: 7,
            options: vec![
                MobilityOption::ReplayProtection(ReplayTimestamp(1)),
                option(Authentication::MN_HA, 0x0102_0304, 0xaa),
                option(Authentication::MN_AAA, 3, 0xbb),
            ],
        });
        let mut octets = Vec::new();
        let nobody = Ipv6Addr::UNSPECIFIED;
        message.emit(nobody, nobody, &mut octets).expect("emitted");
        let found: Vec<_> = placed(&octets).collect();
        let [first, second] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((first.subtype, first.spi), (1, 0x0102_0304));
        assert_eq!(octets[first.covered - 4..first.covered], [1, 2, 3, 4]);
        assert_eq!(octets[first.data.clone()], [0xaa; 12]);
        assert_eq!((second.subtype, second.spi), (2, 3));
        assert_eq!(octets[second.data.clone()], [0xbb; 12]);
        assert!(first.data.end <= second.covered - 7);
        for cut in 0..octets.len() {
            assert!(placed(&octets[..cut]).count() <= 2);
        }
    }

    #[test]
    fn a_replay_timestamp_counts_from_1970_over_the_wrap_of_its_seconds() {
        let in_2036 = Duration::new(2_085_978_496 + 5, 500_000_000);
        let stamp = ReplayTimestamp::from_unix(in_2036);
        assert_eq!(stamp.0 >> 32, 5);
        assert_eq!(stamp.unix(), (2_085_978_496 + 5) << 32 | 1 << 31);
        assert_eq!(ReplayTimestamp::of_unix(stamp.unix()), stamp);
    }
}
