//! The order of updates (RFC 5213 section 5.5): by their timestamps or, where they have none, by their
//! sequence numbers.

use crate::message::ProxyOptions;
use crate::{sequence, timestamp, Now};
use std::time::Duration;
use wire::mh::{BindingUpdate, NtpTime, Status};

/// What tells when an update was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) sequence: u16,
    pub(crate) timestamp: Option<NtpTime>,
}

impl Sent {
    /// What an update says of it.
    pub(crate) fn read(update: &BindingUpdate, options: &ProxyOptions<'_>) -> Self {
        Self {
            sequence: update.sequence,
            timestamp: options.timestamp,
        }
    }
}

/// Whether an update that came now is newer than the `last` one that was accepted, and its timestamp
/// within the window.
pub(crate) fn check(
    now: Now,
    window: Duration,
    last: Option<Sent>,
    received: Sent,
) -> Result<(), Status> {
    if let Some(stamp) = received.timestamp {
        let last = last.and_then(|last| last.timestamp);
        return timestamp::check(now, window, last, stamp);
    }
    match last {
        Some(last) if !sequence::is_newer(received.sequence, last.sequence) => {
            Err(Status::SEQUENCE_OUT_OF_WINDOW)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_decides_where_there_is_one_and_else_the_number() {
        let wall = Duration::from_secs(10);
        let now = Now {
            monotonic: Duration::ZERO,
            wall,
        };
        let stamp = |ms| NtpTime::from_unix(Duration::from_millis(ms));
        let sent = |sequence, timestamp: Option<u64>| Sent {
            sequence,
            timestamp: timestamp.map(stamp),
        };
        let late = Err(Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
        let old = Err(Status::SEQUENCE_OUT_OF_WINDOW);
        for (last, received, expected) in [
            (None, sent(1, None), Ok(())),
            (None, sent(1, Some(10_000)), Ok(())),
            (Some(sent(5, Some(9_900))), sent(1, Some(10_000)), Ok(())),
            (Some(sent(5, Some(10_000))), sent(9, Some(9_900)), late),
            (Some(sent(5, None)), sent(1, Some(10_000)), Ok(())),
            (Some(sent(5, Some(9_900))), sent(6, None), Ok(())),
            (Some(sent(5, Some(9_900))), sent(5, None), old),
        ] {
            let window = Duration::from_millis(300);
            assert_eq!(check(now, window, last, received), expected, "{received:?}");
        }
    }
}
