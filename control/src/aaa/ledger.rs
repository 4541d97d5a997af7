//! Accounting records on their way to the servers (RFC 2866).

use super::counters::{AaaCounter, AaaCounters};
use dataplane::counters::Traffic;
use roles::event::{Departure, HostLink};
use roles::{BoundPrefix, Event, Now};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use wire::mh::MnIdentifier;

/// Why a session ended (RFC 2866 section 5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The link of the host went down.
    LostCarrier,
    /// The host does not answer any more.
    LostService,
    /// It was idle for too long.
    IdleTimeout,
    /// Its time was over.
    SessionTimeout,
    /// Operator or AAA ended it.
    AdminReset,
    /// The gateway goes down.
    AdminReboot,
    /// The tables had no room.
    NasError,
    /// The anchor ended or refused it, or did not answer.
    NasRequest,
    /// The host attached anew, elsewhere or as somebody else.
    PortPreempted,
}

impl Cause {
    /// Its number.
    pub const fn code(self) -> u32 {
        match self {
            Self::LostCarrier => 2,
            Self::LostService => 3,
            Self::IdleTimeout => 4,
            Self::SessionTimeout => 5,
            Self::AdminReset => 6,
            Self::AdminReboot => 7,
            Self::NasError => 9,
            Self::NasRequest => 10,
            Self::PortPreempted => 13,
        }
    }

    /// Why a session ends with that event.
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::HostGone { why, .. } => match why {
                Departure::LinkDown => Self::LostCarrier,
                Departure::Unreachable => Self::LostService,
                Departure::IdleTimeout => Self::IdleTimeout,
                Departure::SessionTimeout => Self::SessionTimeout,
                _ => Self::AdminReset,
            },
            Event::Authenticated { profile: None, .. } | Event::Delete { .. } => Self::AdminReset,
            Event::Authenticated { .. } => Self::PortPreempted,
            Event::Refused { .. } => Self::NasError,
            Event::Shutdown => Self::AdminReboot,
            _ => Self::NasRequest,
        }
    }
}

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// The gateway has begun: there are no sessions from before.
    On,
    /// The gateway ends: there are no sessions any more.
    Off,
    /// A session has begun.
    Start,
    /// A session goes on.
    Interim,
    /// A session has ended.
    Stop(Cause),
}

impl RecordKind {
    /// Acct-Status-Type (RFC 2866 section 5.1, RFC 2869 section 5.16 for 3).
    pub const fn status_type(self) -> u32 {
        match self {
            Self::Start => 1,
            Self::Stop(_) => 2,
            Self::Interim => 3,
            Self::On => 7,
            Self::Off => 8,
        }
    }
}

/// What a record says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The host.
    pub link: HostLink,
    /// Name of its access interface.
    pub port: String,
    /// User-Name.
    pub user_name: String,
    /// Its identity in mobility messages.
    pub mn_identifier: MnIdentifier,
    /// Its anchor.
    pub lma: Ipv6Addr,
    /// Its prefixes and its IPv4 home address.
    pub prefixes: Vec<BoundPrefix>,
    /// Class, as AAA gave it.
    pub class: Vec<Vec<u8>>,
    /// Chargeable-User-Identity, as AAA gave it.
    pub chargeable: Option<Vec<u8>>,
    /// How long the session has lasted.
    pub time: Duration,
    /// From the host.
    pub up: Traffic,
    /// To the host.
    pub down: Traffic,
}

/// An accounting record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it tells of.
    pub kind: RecordKind,
    /// When that was, in time since 1970.
    pub at: Duration,
    /// Acct-Session-Id.
    pub session: Arc<str>,
    /// Of which session; none for the gateway's own records.
    pub facts: Option<Box<Facts>>,
}

/// Where records go. What finds no room is lost, and counted.
#[derive(Debug)]
pub struct Ledger {
    records: mpsc::Sender<Record>,
    counters: AaaCounters,
    /// Tells the sessions of one start of the gateway from those of another.
    start: u64,
    next: u64,
}

impl Ledger {
    /// A ledger with room for `room` records that are not sent yet, and where they come out.
    pub fn new(now: Now, room: usize, counters: AaaCounters) -> (Self, mpsc::Receiver<Record>) {
        let (records, out) = mpsc::channel(room.max(1));
        let start = u64::try_from(now.wall.as_micros()).unwrap_or(u64::MAX);
        let ledger = Self {
            records,
            counters,
            start,
            next: 0,
        };
        (ledger, out)
    }

    /// An Acct-Session-Id that no session of this gateway had before, in this run or an earlier one.
    pub fn session(&mut self) -> Arc<str> {
        self.next += 1;
        format!("{:014x}-{:x}", self.start, self.next).into()
    }

    /// Takes a record.
    pub fn put(&self, record: Record) {
        if self.records.try_send(record).is_err() {
            self.counters.count(AaaCounter::RecordsLost);
        }
    }

    /// A record of the gateway itself.
    pub fn put_own(&mut self, now: Now, kind: RecordKind) {
        let session = self.session();
        self.put(Record {
            kind,
            at: now.wall,
            session,
            facts: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            monotonic: Duration::ZERO,
            wall: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn sessions_of_two_starts_have_different_names() {
        let mut names = std::collections::BTreeSet::new();
        for start in [1_700_000_000, 1_700_000_001] {
            let (mut ledger, _records) = Ledger::new(at(start), 1, AaaCounters::default());
            names.extend((0..100).map(|_| ledger.session()));
        }
        assert_eq!(names.len(), 200);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let counters = AaaCounters::default();
        let (mut ledger, mut records) = Ledger::new(at(1), 2, counters.clone());
        for _ in 0..5 {
            ledger.put_own(at(2), RecordKind::On);
        }
        assert_eq!(counters.get(AaaCounter::RecordsLost), 3);
        assert!(records.try_recv().is_ok() && records.try_recv().is_ok());
        assert!(records.try_recv().is_err());
    }
}
