//! What is counted of AAA, declared once with its description.

use crate::counters::counters;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

counters! {
    /// Something that is counted of AAA.
    pub enum AaaCounter {
        Asked = "access_requests", "Access-Requests sent, retransmissions left out.";
        Accepted = "access_accepted", "Access-Accepts taken.";
        Rejected = "access_rejected", "Access-Rejects taken, and challenges, which count as such.";
        AcceptUnusable = "access_accept_unusable", "Access-Accepts that count as rejects: an attribute is broken, or nobody names an LMA.";
        Unanswered = "access_unanswered", "Questions that no server answered.";
        QuestionsLost = "access_questions_lost", "Times that a question had to wait because too many were open.";
        Retransmitted = "retransmitted", "Requests sent again to the same server.";
        FailedOver = "failed_over", "Requests that went on to another server.";
        ServersLost = "servers_lost", "Times that a server was found dead.";
        AnswerMalformed = "answer_malformed", "Answers dropped: not RADIUS, or of the wrong kind.";
        AnswerUnexpected = "answer_unexpected", "Answers dropped: nothing with their identifier is open.";
        AnswerForged = "answer_bad_authenticator", "Answers dropped: their response authenticator is wrong.";
        AnswerUnsigned = "answer_without_message_authenticator", "Answers dropped: they have no Message-Authenticator.";
        AnswerMissigned = "answer_bad_message_authenticator", "Answers dropped: their Message-Authenticator is wrong.";
        RecordsSent = "accounting_requests", "Accounting-Requests sent, retransmissions left out.";
        RecordsAcknowledged = "accounting_acknowledged", "Accounting-Requests that a server acknowledged.";
        RecordsRetried = "accounting_retried", "Accounting records that no server acknowledged and that are tried again later.";
        RecordsLost = "accounting_lost", "Accounting records given up: the queue was full, servers answered others but not these, or the gateway ended.";
        DisconnectTaken = "disconnect_acknowledged", "Disconnect-Requests followed.";
        DisconnectRefused = "disconnect_refused", "Disconnect-Requests answered with an error.";
        ChangeTaken = "change_acknowledged", "CoA-Requests followed.";
        ChangeRefused = "change_refused", "CoA-Requests answered with an error.";
        OrderStranger = "order_from_stranger", "CoA- and Disconnect-Requests dropped: not from a configured client.";
        OrderMalformed = "order_malformed", "CoA- and Disconnect-Requests dropped: not RADIUS, or of another kind.";
        OrderForged = "order_bad_authenticator", "CoA- and Disconnect-Requests dropped: an authenticator is wrong.";
        OrderStale = "order_stale", "CoA- and Disconnect-Requests dropped: their Event-Timestamp is missing or outside the window.";
        OrderRepeated = "order_repeated", "CoA- and Disconnect-Requests that came again and got the answer that they had got.";
        OrderTooMany = "order_too_many", "CoA- and Disconnect-Requests dropped: a client sent more within the window than can be told apart.";
    }
}

/// The counts. Clones count together.
#[derive(Clone, Debug)]
pub struct AaaCounters(Arc<Vec<AtomicU64>>);

impl Default for AaaCounters {
    fn default() -> Self {
        Self(Arc::new(
            AaaCounter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        ))
    }
}

impl AaaCounters {
    /// Counts one.
    pub fn count(&self, counter: AaaCounter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&self, counter: AaaCounter, several: u64) {
        if let Some(count) = self.0.get(counter as usize) {
            count.fetch_add(several, Relaxed);
        }
    }

    /// How many of one were counted.
    pub fn get(&self, counter: AaaCounter) -> u64 {
        self.0
            .get(counter as usize)
            .map_or(0, |count| count.load(Relaxed))
    }

    /// All counts with their names and what they count, zeros included.
    pub fn snapshot(&self) -> impl Iterator<Item = (&'static str, u64, &'static str)> + '_ {
        let all = AaaCounter::ALL.iter();
        all.map(|it| (it.name(), self.get(*it), it.describe()))
    }
}
