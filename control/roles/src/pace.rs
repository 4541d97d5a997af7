//! Pacing: messages leave one after the other and not in a burst (RFC 8885 sections 3.2 and 3.6). Where there is
//! no database, a host that comes may have many anchors to be told, and many hosts may come at once; and what is
//! revoked may have been with many peers.
//!
//! ```text
//!   message ──► its turn has come? ──┬─ yes ──► goes out
//!                 ▲                  └─ no ───► its own timer is set for its turn ──┐
//!                 └─────────────────────────────────────────────────────────────────┘
//! ```
//!
//! There is no line: a turn is a time, and each message keeps its own. What is called off meanwhile leaves its
//! turn unused.

use std::time::Duration;

/// Nobody waits for a turn that is further away: it asks again then.
const FARTHEST: Duration = Duration::from_secs(10);

/// The turns of messages.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Time between two turns.
    interval: Duration,
    /// How far ahead of that they may be.
    slack: Duration,
    /// When the next turn would be if all had kept their distance.
    due: Duration,
}

impl Pace {
    /// `rate` a second, `burst` of them at once.
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self {
            interval,
            slack: interval * burst.max(1).saturating_sub(1),
            due: Duration::ZERO,
        }
    }

    /// Lets one go that has this turn, if it has one and that has come; else gives it one, and lets it go if
    /// that is now. How long it has to wait otherwise.
    pub(crate) fn pass(
        &mut self,
        now: Duration,
        turn: &mut Option<Duration>,
    ) -> Result<(), Duration> {
        let mine = match *turn {
            Some(mine) => mine,
            None => {
                let mine = self.due.saturating_sub(self.slack).max(now);
                if mine > now + FARTHEST {
                    return Err(FARTHEST);
                }
                self.due = self.due.max(now) + self.interval;
                mine
            }
        };
        if mine > now {
            *turn = Some(mine);
            return Err(mine - now);
        }
        *turn = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut pace = Pace::new(1000, 4);
        let now = Duration::from_secs(1);
        let mut turns = vec![None; 50];
        let waits: Vec<_> = turns.iter_mut().map(|it| pace.pass(now, it)).collect();
        assert_eq!(waits.iter().filter(|it| it.is_ok()).count(), 4);
        let others = waits.iter().filter_map(|it| it.err());
        assert!(others.eq((1..=46).map(|n| MS * n)), "{waits:?}");
        // Each goes in its turn, however often it asks before.
        assert_eq!(pace.pass(now + MS * 2, &mut turns[9]), Err(MS * 4));
        assert_eq!(pace.pass(now + MS * 6, &mut turns[9]), Ok(()));
        // A new one is behind all that have turns.
        assert_eq!(pace.pass(now + MS * 6, &mut None), Err(MS * 41));
        assert_eq!(pace.pass(now + Duration::from_secs(1), &mut None), Ok(()));
    }

    #[test]
    fn nobody_waits_for_longer_than_is_bearable() {
        let mut pace = Pace::new(10, 1);
        let now = Duration::from_secs(1);
        let waits = (0..1000).map(|_| pace.pass(now, &mut None));
        let longest = waits.filter_map(Result::err).max();
        assert_eq!(longest, Some(FARTHEST));
        // And what all of them did not take is not taken.
        let later = now + FARTHEST + Duration::from_secs(1);
        assert_eq!(pace.pass(later, &mut None), Ok(()));
    }
}
