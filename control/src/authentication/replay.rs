//! Timestamps against replay (RFC 4285 section 6), in units of 2^-32 s since 1970.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use wire::mh::ReplayTimestamp;

/// Timestamps of each way that are remembered: more messages than are under way between two gateways
/// in the time that they may take.
pub(super) const REMEMBERED: usize = 1 << 16;

/// What is known of one peer's timestamps, and of ours towards it.
#[derive(Debug)]
pub(super) struct Replay {
    close_enough: Duration,
    /// How far the peer's clock is before ours, in seconds: it said so, and refuses our own time.
    ahead: i64,
    /// The last timestamp that we sent.
    last: u64,
    /// Of updates that have not been acknowledged.
    unanswered: BTreeSet<u64>,
    /// Those that came last, in their order, which is nearly that in which they come.
    taken: VecDeque<u64>,
    /// What is not above this was taken, or is too old to tell.
    floor: u64,
}

fn fixed(time: Duration) -> u64 {
    ReplayTimestamp::from_unix(time).unix()
}

impl Replay {
    pub(super) fn new(close_enough: Duration) -> Self {
        Self {
            close_enough,
            ahead: 0,
            last: 0,
            unanswered: BTreeSet::new(),
            taken: VecDeque::new(),
            floor: 0,
        }
    }

    /// Goes on with what an earlier one remembers.
    pub(super) fn take_over(&mut self, earlier: Self) {
        *self = Self {
            close_enough: self.close_enough,
            ..earlier
        };
    }

    /// The timestamp for a message that is sent now, above all before it.
    pub(super) fn stamp(&mut self, wall: Duration, update: bool) -> ReplayTimestamp {
        let now = fixed(wall).saturating_add_signed(self.ahead << 32);
        self.last = now.max(self.last + 1);
        if update {
            self.unanswered.insert(self.last);
            if self.unanswered.len() > REMEMBERED {
                self.unanswered.pop_first();
            }
        }
        ReplayTimestamp::of_unix(self.last)
    }

    /// Whether an acknowledgement with this timestamp answers an update of ours, and is the first.
    pub(super) fn answered(&mut self, stamp: ReplayTimestamp) -> bool {
        self.unanswered.remove(&stamp.unix())
    }

    /// The same where the peer minds our time, and has put its own seconds in the place of ours,
    /// which we go by from then on.
    pub(super) fn corrected(&mut self, wall: Duration, stamp: ReplayTimestamp) -> bool {
        let theirs = stamp.unix();
        let mut unanswered = self.unanswered.iter().rev();
        let Some(&ours) = unanswered.find(|it| **it as u32 == theirs as u32) else {
            return false;
        };
        self.unanswered.remove(&ours);
        self.ahead = (theirs >> 32) as i64 - wall.as_secs() as i64;
        // Their time may be before what we have sent; what they would take must not be sent again.
        if ReplayTimestamp::of_unix(self.last).abs_diff(stamp) > self.close_enough {
            self.last = 0;
        }
        true
    }

    /// Whether a message with this timestamp is new. If so, it is not from then on.
    pub(super) fn is_new(&mut self, wall: Duration, stamp: ReplayTimestamp) -> bool {
        let close = stamp.abs_diff(ReplayTimestamp::from_unix(wall)) <= self.close_enough;
        let stamp = stamp.unix();
        if !close || stamp <= self.floor {
            return false;
        }
        if self.taken.back().is_none_or(|last| *last < stamp) {
            self.taken.push_back(stamp);
        } else {
            match self.taken.binary_search(&stamp) {
                Ok(_) => return false,
                Err(place) => self.taken.insert(place, stamp),
            }
        }
        if self.taken.len() > REMEMBERED {
            self.floor = self.taken.pop_front().unwrap_or(self.floor);
        }
        true
    }
}
