//! An update that is not acknowledged yet, for whoever sends proxy binding updates: what it says, how
//! often it went out, and which answers are answers to it (RFC 5213 section 6.9.4).

use crate::backoff::Backoff;
use std::collections::VecDeque;
use std::time::Duration;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, Lifetime, NtpTime};

/// Transmissions of one update that an acknowledgement may answer.
const ANSWERABLE: usize = 4;

/// How often an update is corrected and sent again at once before it waits its turn.
const CORRECTIONS: u8 = 3;

/// One sending of an update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transmission {
    pub(crate) sequence: u16,
    pub(crate) at: Duration,
    pub(crate) timestamp: Option<NtpTime>,
}

/// An update that is not acknowledged yet.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) handoff: HandoffIndicator,
    /// Zero: a de-registration.
    pub(crate) lifetime: Lifetime,
    /// The prefixes that it names; none: the anchor is to choose.
    pub(crate) prefixes: Vec<HomeNetworkPrefix>,
    pub(crate) backoff: Backoff,
    /// When it may go out, where it has to wait for that.
    pub(crate) turn: Option<Duration>,
    sent: VecDeque<Transmission>,
    /// When it went out first.
    pub(crate) first: Option<Duration>,
    /// How often it went out.
    pub(crate) transmissions: u32,
    corrections: u8,
}

impl Update {
    /// One that has not gone out yet.
    pub(crate) fn new(
        handoff: HandoffIndicator,
        lifetime: Lifetime,
        prefixes: Vec<HomeNetworkPrefix>,
        backoff: Backoff,
    ) -> Self {
        Self {
            handoff,
            lifetime,
            prefixes,
            backoff,
            turn: None,
            sent: VecDeque::with_capacity(ANSWERABLE),
            first: None,
            transmissions: 0,
            corrections: 0,
        }
    }

    /// It goes out now; whether it did before.
    pub(crate) fn goes_out(&mut self, sending: Transmission) -> bool {
        if self.sent.len() == ANSWERABLE {
            self.sent.pop_front();
        }
        self.sent.push_back(sending);
        self.first.get_or_insert(sending.at);
        let again = self.transmissions > 0;
        self.transmissions = self.transmissions.saturating_add(1);
        again
    }

    /// Whether it says that its host has come, rather than that it still is there or has left.
    pub(crate) fn moves(&self) -> bool {
        self.handoff != HandoffIndicator::NOT_CHANGED && self.lifetime != Lifetime::ZERO
    }

    /// The sending that has this sequence number.
    pub(crate) fn transmission(&self, sequence: u16) -> Option<Transmission> {
        let mut sent = self.sent.iter().rev();
        sent.find(|one| one.sequence == sequence).copied()
    }

    /// Timestamp of its last sending.
    pub(crate) fn last_timestamp(&self) -> Option<NtpTime> {
        self.sent.back()?.timestamp
    }

    /// It no longer says what it said: answers to what was sent are no answers to it.
    pub(crate) fn forget_transmissions(&mut self) {
        self.sent.clear();
    }

    /// Whether it may be corrected and sent again at once.
    pub(crate) fn correct(&mut self) -> bool {
        self.corrections = self.corrections.saturating_add(1);
        self.corrections <= CORRECTIONS
    }
}
