//! Pacing: updates and indications leave one after the other, not in a burst (RFC 8885 sections 3.2 and 6).

use hashbrown::HashSet;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;

/// What waits for its turn: of which session, and to which MAAR. What it says is made when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Turn {
    /// Where the host is, or what is to be let go of.
    Update { session: u64, maar: Ipv6Addr },
    /// What has ended of all that a MAAR serves.
    Indication { session: u64, maar: Ipv6Addr },
}

/// The line of messages that are to go out.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    line: VecDeque<Turn>,
    /// Those in the line: nobody stands there twice, so it is at most twice as long as there are anchors.
    waiting: HashSet<Turn>,
    /// Time between two messages.
    interval: Duration,
    /// How far ahead of that they may be.
    slack: Duration,
    /// When the next would go if all had kept their distance.
    due: Duration,
}

impl Pacer {
    /// `rate` a second, `burst` of them at once.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self {
            line: VecDeque::new(),
            waiting: HashSet::new(),
            interval,
            slack: interval * burst.max(1).saturating_sub(1),
            due: Duration::ZERO,
        }
    }

    /// Whether one may go now, ahead of nobody.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        self.line.is_empty() && self.take(now)
    }

    /// Puts one at the end of the line, unless it stands there already.
    pub(super) fn join(&mut self, turn: Turn) {
        if self.waiting.insert(turn) {
            self.line.push_back(turn);
        }
    }

    /// The first of the line, if it may go now.
    pub(super) fn next(&mut self, now: Duration) -> Option<Turn> {
        self.line.front()?;
        if !self.take(now) {
            return None;
        }
        let turn = self.line.pop_front()?;
        self.waiting.remove(&turn);
        Some(turn)
    }

    /// Time until the first of the line may go; none when nobody waits.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        self.line.front()?;
        let ready = self.due.saturating_sub(self.slack);
        Some(ready.saturating_sub(now).max(Duration::from_millis(1)))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    fn take(&mut self, now: Duration) -> bool {
        if self.due > now + self.slack {
            return false;
        }
        self.due = self.due.max(now) + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut pacer = Pacer::new(1000, 4);
        let now = Duration::from_secs(1);
        assert_eq!((0..10).filter(|_| pacer.pass(now)).count(), 4);
        let maar = Ipv6Addr::LOCALHOST;
        for session in 0..100 {
            pacer.join(Turn::Update { session, maar });
            pacer.join(Turn::Update { session, maar });
        }
        assert!(!pacer.pass(now + Duration::from_secs(9)), "behind the line");
        let mut gone = 0;
        for ms in 1..=50 {
            let now = now + Duration::from_millis(ms);
            while let Some(turn) = pacer.next(now) {
                let session = gone;
                assert_eq!(turn, Turn::Update { session, maar });
                gone += 1;
            }
            assert_eq!(gone, ms, "one a millisecond");
        }
        assert_eq!(
            (pacer.len(), pacer.wait(now + Duration::from_millis(50))),
            (50, Some(Duration::from_millis(1)))
        );
    }
}
