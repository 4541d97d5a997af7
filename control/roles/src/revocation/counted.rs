//! Revocations of a role that counts them: what goes for every role, whatever it revokes.

use super::{Gate, Overdue, RevocationConfig, Revocations};
use crate::counters::{Counter, Counters};
use crate::effect::Effect;
use crate::message::ignored;
use std::net::Ipv6Addr;
use wire::mh::{MobilityOption, RevocationAcknowledgement, RevocationTrigger};

/// The counters of revocations, which every role has among its own.
pub(crate) trait RevocationCounter: Counter {
    /// Indications sent, each counted once.
    const SENT: Self;
    /// Indications sent again.
    const RETRANSMITTED: Self;
    /// Indications that were followed.
    const ACKNOWLEDGED: Self;
    /// Indications that were answered with a refusal.
    const REFUSED: Self;
    /// Indications that were never answered, or for which there was no room.
    const GIVEN_UP: Self;
    /// Indications that waited for their turn.
    const PACED: Self;
    /// Answers ignored: to nothing that was sent to their sender.
    const UNEXPECTED: Self;
}

/// Names the counters of revocations of a role, which are called the same in each but for that of those which
/// waited for their turn: where all messages share a pace, all of them are counted there.
macro_rules! revocation_counters {
    ($counter:ty, $paced:ident) => {
        impl $crate::revocation::RevocationCounter for $counter {
            const SENT: Self = Self::RevocationsSent;
            const RETRANSMITTED: Self = Self::RevocationsRetransmitted;
            const ACKNOWLEDGED: Self = Self::RevocationsAcknowledged;
            const REFUSED: Self = Self::RevocationsRefused;
            const GIVEN_UP: Self = Self::RevocationsGivenUp;
            const PACED: Self = Self::$paced;
            const UNEXPECTED: Self = Self::UnexpectedRevocationAnswer;
        }
    };
}

pub(crate) use revocation_counters;

impl Revocations {
    /// Sends an indication from one end to the other, now or when its turn has come, and returns its number;
    /// `None` when too many are outstanding already. What became of it is counted.
    pub(crate) fn revoke<C: RevocationCounter>(
        &mut self,
        config: &RevocationConfig,
        (local, peer): (Ipv6Addr, Ipv6Addr),
        (trigger, options): (RevocationTrigger, Vec<MobilityOption>),
        gate: Gate<'_>,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) -> Option<u16> {
        let made = self.make(config, peer, trigger, options);
        match made {
            Some(sequence) => {
                self.pursue(config, local, sequence, gate, counters, effects);
            }
            None => counters.add(C::GIVEN_UP),
        }
        made
    }

    /// An acknowledgement has come, and is counted; whether it answers anything.
    pub(crate) fn answered<C: RevocationCounter>(
        &mut self,
        from: Ipv6Addr,
        answer: &RevocationAcknowledgement,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let expected = self.acknowledge(from, answer, effects);
        counters.add(match (expected, answer.status.is_accepted()) {
            (false, _) => C::UNEXPECTED,
            (true, true) => C::ACKNOWLEDGED,
            (true, false) => C::REFUSED,
        });
        if !expected {
            effects.push(ignored(from, C::UNEXPECTED.name()));
        }
        expected
    }

    /// No acknowledgement came in time, or the turn of an indication has come: sends it or gives it up, and
    /// counts that.
    pub(crate) fn pursue<C: RevocationCounter>(
        &mut self,
        config: &RevocationConfig,
        local: Ipv6Addr,
        sequence: u16,
        gate: Gate<'_>,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) -> Overdue {
        let overdue = self.overdue(config, local, sequence, gate, effects);
        match overdue {
            Overdue::Sent => counters.add(C::SENT),
            Overdue::Again => counters.add(C::RETRANSMITTED),
            Overdue::Paced => counters.add(C::PACED),
            Overdue::GivenUp => counters.add(C::GIVEN_UP),
            Overdue::Unknown => {}
        }
        overdue
    }
}
