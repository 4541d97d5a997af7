//! Timestamps of proxy binding updates (RFC 5213 section 5.5).

use crate::Now;
use std::time::Duration;
use wire::mh::{NtpTime, Status};

/// Whether a timestamp that came now may be accepted.
///
/// One that is not above the last accepted one is an old or repeated message and answers with
/// status 157, also when it is outside of the window: its sender has nothing wrong with its clock.
/// The RFC names no status for a timestamp equal to the last one; it is treated like a lower one.
pub(crate) fn check(
    now: Now,
    window: Duration,
    last: Option<NtpTime>,
    received: NtpTime,
) -> Result<(), Status> {
    if last.is_some_and(|last| received <= last) {
        return Err(Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    }
    if received.abs_diff(NtpTime::from_unix(now.wall)) > window {
        return Err(Status::TIMESTAMP_MISMATCH);
    }
    Ok(())
}

/// Makes timestamps that rise with each update, also when two are sent within one tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamper {
    last: NtpTime,
    /// The clock at the last stamp, which stamps run ahead of when there are many at once.
    clock: NtpTime,
}

impl Stamper {
    /// How far back the clock may go for it to count as the same moment; farther back, somebody has
    /// set the clock and it is followed.
    const SAME_MOMENT: Duration = Duration::from_millis(10);

    /// The timestamp of an update that is sent now.
    pub(crate) fn stamp(&mut self, now: Now) -> NtpTime {
        let clock = NtpTime::from_unix(now.wall);
        let was_set = clock < self.clock && clock.abs_diff(self.clock) >= Self::SAME_MOMENT;
        self.last = if was_set {
            clock
        } else {
            clock.max(NtpTime(self.last.0.saturating_add(1)))
        };
        self.clock = clock;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: u64) -> Now {
        Now {
            monotonic: Duration::ZERO,
            wall: Duration::from_millis(wall_ms),
        }
    }

    fn stamp(ms: u64) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(ms))
    }

    #[test]
    fn window_and_replay() {
        let window = Duration::from_millis(300);
        let check = |last, received| check(at(10_000), window, last, stamp(received));
        assert_eq!(check(None, 10_000), Ok(()));
        assert_eq!(check(None, 9_701), Ok(()));
        assert_eq!(check(None, 10_299), Ok(()));
        assert_eq!(check(None, 9_699), Err(Status::TIMESTAMP_MISMATCH));
        assert_eq!(check(None, 10_301), Err(Status::TIMESTAMP_MISMATCH));
        let replay = Err(Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
        assert_eq!(check(Some(stamp(10_000)), 9_999), replay);
        assert_eq!(check(Some(stamp(10_000)), 10_000), replay);
        assert_eq!(check(Some(stamp(10_000)), 5_000), replay);
        assert_eq!(check(Some(stamp(10_000)), 10_001), Ok(()));
    }

    #[test]
    fn many_stamps_at_once_rise() {
        let mut stamper = Stamper::default();
        let mut last = stamper.stamp(at(10_000));
        for _ in 0..10_000 {
            let next = stamper.stamp(at(10_000));
            assert!(next > last);
            last = next;
        }
        assert!(stamper.stamp(at(10_001)) > last);
        assert_eq!(stamper.stamp(at(20_000)), stamp(20_000));
    }

    #[test]
    fn stamps_rise_but_follow_a_clock_that_was_set() {
        let mut stamper = Stamper::default();
        let first = stamper.stamp(at(10_000));
        let second = stamper.stamp(at(10_000));
        assert!(second > first);
        assert!(stamper.stamp(at(10_001)) > second);
        assert_eq!(stamper.stamp(at(4_000)), stamp(4_000));
    }
}
