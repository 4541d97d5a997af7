//! The worker's end: the packet in hand.

use super::record::{Came, Note, Record};
use super::session::{Session, Tap};
use crate::verdict::Verdict;
use arrayvec::ArrayVec;
use packet::PortId;
use std::cell::Cell;
use std::sync::Arc;

/// Further frames of one packet that are recorded.
const FURTHER: usize = 64;

/// What one worker watches. It goes with the view of a pass, so that every stage can reach it.
pub(crate) struct Watch {
    tap: Arc<Tap>,
    worker: usize,
    session: Option<Arc<Session>>,
    on: Cell<bool>,
    number: Cell<u64>,
    hand: Cell<Option<Hand>>,
}

/// The packet in hand.
struct Hand {
    record: Box<Record>,
    further: ArrayVec<Box<Record>, FURTHER>,
}

impl Watch {
    /// Of worker number `worker`, watching nothing.
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            tap: Arc::default(),
            worker,
            session: None,
            on: Cell::new(false),
            number: Cell::new(0),
            hand: Cell::new(None),
        }
    }

    /// Where control starts sessions.
    pub(crate) fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    /// Once per pass: does what control has asked for, if it has.
    #[inline(always)]
    pub(crate) fn listen(&mut self) {
        if self.tap.is_asked() {
            self.turn();
        }
    }

    #[cold]
    fn turn(&mut self) {
        self.tap.hear();
        if self.session.is_none() {
            self.session = self.tap.order();
            self.number.set(0);
        }
        if let Some(session) = self.session.take_if(|session| session.is_stopped()) {
            self.tap.give_back(session);
        }
        self.on.set(self.session.is_some());
    }

    /// Whether packets are watched: what every hook asks first.
    #[inline(always)]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// Whether the filter wants this packet.
    pub(crate) fn wants(&self, came: Came, data: &[u8]) -> bool {
        let session = self.session.as_ref().filter(|_| self.on.get());
        session.is_some_and(|session| session.config().filter.wants(came, data))
    }

    /// Takes a packet in hand. Whether there was a record for it.
    pub(crate) fn begin(&self, came: Came, data: &[u8], now: u64) -> bool {
        let Some(session) = &self.session else {
            return false;
        };
        if session.is_complete() {
            self.on.set(false);
            return false;
        }
        let Some(mut record) = session.take(self.worker) else {
            return false;
        };
        record.time = now;
        record.came = came;
        record.before.fill(data);
        self.hand.set(Some(Hand {
            record,
            further: ArrayVec::new(),
        }));
        true
    }

    /// Changes what is in hand, if anything is.
    fn with(&self, change: impl FnOnce(&mut Hand)) {
        if let Some(mut hand) = self.hand.take() {
            change(&mut hand);
            self.hand.set(Some(hand));
        }
    }

    /// Whether notes of stages are wanted about a packet in hand.
    pub(crate) fn notes(&self) -> bool {
        let mut held = false;
        self.with(|_| held = true);
        let session = self.session.as_ref();
        held && session.is_some_and(|session| session.config().notes)
    }

    /// Notes down what a stage found.
    #[cold]
    pub(crate) fn note(&self, note: Note) {
        self.with(|hand| {
            // A packet that has more to tell than there is room for has gone in circles.
            let _ = hand.record.notes.try_push(note);
        });
    }

    /// A frame of the packet goes to a port, with this verdict if the port takes it.
    #[cold]
    pub(crate) fn sends(&self, port: PortId, data: &[u8], verdict: Verdict) {
        let Some(session) = &self.session else {
            return;
        };
        self.with(|hand| {
            let sent = Some(port);
            if hand.record.sent.is_none() {
                hand.record.sent = sent;
                hand.record.after.fill(data);
            } else if !hand.further.is_full() {
                if let Some(mut record) = session.take(self.worker) {
                    record.further = true;
                    record.time = hand.record.time;
                    record.came = hand.record.came;
                    record.sent = sent;
                    record.after.fill(data);
                    record.verdict = Some(verdict);
                    hand.further.push(record);
                }
            }
        });
    }

    /// The packet has met its verdict. Of several, as of one that became fragments, the first counts.
    #[cold]
    pub(crate) fn ends(&self, verdict: Verdict) {
        self.with(|hand| {
            if hand.record.verdict.is_none() {
                hand.record.verdict = Some(verdict);
            }
        });
    }

    /// Lets go of the packet in hand, with all that was written down of it.
    pub(crate) fn finish(&self) {
        let (Some(Hand { record, further }), Some(session)) = (self.hand.take(), &self.session)
        else {
            return;
        };
        let filter = &session.config().filter;
        if !filter.keeps(&record) || !session.claim() {
            for record in std::iter::once(record).chain(further) {
                session.give_back(self.worker, record);
            }
            return;
        }
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        for mut record in std::iter::once(record).chain(further) {
            record.number = number;
            session.put(self.worker, record);
        }
    }

    /// The worker ends: a session is not kept waiting for it.
    pub(crate) fn close(&mut self) {
        self.finish();
        self.on.set(false);
        if let Some(session) = self.session.take() {
            self.tap.give_back(session);
        }
    }
}
