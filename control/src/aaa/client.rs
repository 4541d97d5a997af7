//! Requests and their answers, over several servers: identifiers, retransmission, failover, dead servers.
//! Without IO: what is to be sent is returned, and time is given.
//!
//! ```text
//!   begin ──► the first server that is well and was not tried ──none──► given up
//!                │ send; wait `timeout`, then twice that, and so on      ▲
//!                ▼                                                       │
//!             answer that can be trusted ──► done                        │
//!                │ sent `transmissions` times without                    │
//!                └──► the next server ───────────────────────────────────┘
//! ```
//!
//! A server that has answered nothing since a request was first sent to it, when that request is given
//! up, is dead: nothing is sent to it for `dead_time`, then one request tries it again. Every answer
//! brings it back.
//!
//! A request is known by server, lane and identifier. A lane is a source port with 256 identifiers; there
//! are as many as are needed, up to [`LANES`]. Beyond that requests wait.

use super::codec::{answer, Answer};
use super::counters::{AaaCounter, AaaCounters};
use crate::secret::Secret;
use hashbrown::HashMap;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Lanes to one server.
const LANES: u16 = 8;

/// Identifiers of a lane.
const IDENTIFIERS: u16 = 256;

/// Share of a lane's identifiers in use, in percent, from which on there is another lane: an
/// identifier is not used again at once.
const FULL: usize = 75;

/// Requests that may wait for an identifier.
const WAITING: usize = 4_096;

/// The longest wait between two transmissions.
const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// What can be written as a request.
pub(super) trait Work {
    /// The request; `None` when it does not fit its format.
    fn write(&self, identifier: u8, secret: &Secret) -> Option<Vec<u8>>;

    /// What to count it as.
    const COUNTED: AaaCounter;
}

/// When requests are sent again, and for how long dead servers are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// Wait after the first transmission.
    pub timeout: Duration,
    /// Transmissions to one server.
    pub transmissions: u32,
    /// Time for which nothing is sent to a dead server.
    pub dead_time: Duration,
}

/// Where a request is open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct Key {
    server: usize,
    lane: u16,
    identifier: u8,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Act<W> {
    /// Send this.
    Send {
        /// To this server.
        server: usize,
        /// From this source port.
        lane: u16,
        /// The datagram.
        datagram: Arc<[u8]>,
    },
    /// No server answered this.
    GivenUp(W),
    /// A server was found dead.
    Lost(usize),
    /// A dead server answered.
    Back(usize),
}

/// A request that is open.
struct Pending<W> {
    work: W,
    datagram: Arc<[u8]>,
    /// When it was first sent to this server.
    began: Duration,
    sent: u32,
    due: Duration,
    /// Servers that were tried, as bits.
    tried: u64,
}

/// A server.
struct Server {
    secret: Secret,
    dead: bool,
    /// When a dead one is tried again.
    retry: Duration,
    heard: Option<Duration>,
    lanes: u16,
    open: usize,
    cursor: u32,
    view: ServerView,
}

/// How a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerView {
    /// Whether it counts as dead.
    pub dead: bool,
    /// Requests sent to it, retransmissions left out.
    pub requests: u64,
    /// Requests that it answered.
    pub answers: u64,
    /// Requests that it did not answer.
    pub timeouts: u64,
    /// How long its last answer took.
    pub round_trip: Option<Duration>,
}

/// Requests to one group of servers.
pub(super) struct Client<W> {
    servers: Vec<Server>,
    timing: Timing,
    pending: HashMap<Key, Pending<W>>,
    due: BTreeSet<(Duration, Key)>,
    /// Requests without an identifier, with the servers that were tried.
    waiting: VecDeque<(W, u64)>,
    rng: StdRng,
    counters: AaaCounters,
    acts: Vec<Act<W>>,
}

impl<W: Work> Client<W> {
    /// Servers by their secrets, the preferred one first.
    pub(super) fn new(
        secrets: impl IntoIterator<Item = Secret>,
        timing: Timing,
        seed: u64,
        counters: AaaCounters,
    ) -> Self {
        let server = |secret| Server {
            secret,
            dead: false,
            retry: Duration::ZERO,
            heard: None,
            lanes: 1,
            open: 0,
            cursor: 0,
            view: ServerView::default(),
        };
        Self {
            servers: secrets.into_iter().map(server).collect(),
            timing,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            waiting: VecDeque::new(),
            rng: StdRng::seed_from_u64(seed),
            counters,
            acts: Vec::new(),
        }
    }

    /// Begins a request.
    ///
    /// # Errors
    /// The request, when too many wait.
    pub(super) fn begin(&mut self, now: Duration, work: W) -> Result<(), W> {
        if self.waiting.len() >= WAITING {
            return Err(work);
        }
        self.go(now, work, 0);
        Ok(())
    }

    /// What is to be done since the last call.
    pub(super) fn acts(&mut self) -> Vec<Act<W>> {
        std::mem::take(&mut self.acts)
    }

    /// When [`Client::expire`] is to be called.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Requests that are open, and that wait.
    pub(super) fn open(&self) -> (usize, usize) {
        (self.pending.len(), self.waiting.len())
    }

    /// How the servers do, in their order.
    pub(super) fn servers(&self) -> impl Iterator<Item = ServerView> + '_ {
        self.servers.iter().map(|server| ServerView {
            dead: server.dead,
            ..server.view
        })
    }

    /// When a server last answered.
    pub(super) fn heard(&self) -> Option<Duration> {
        self.servers.iter().filter_map(|server| server.heard).max()
    }

    /// Takes a datagram that came to a lane of a server; returns a request with its answer.
    pub(super) fn received(
        &mut self,
        now: Duration,
        server: usize,
        lane: u16,
        datagram: &[u8],
    ) -> Option<(W, Answer)> {
        let Some(&identifier) = datagram.get(1) else {
            self.counters.count(AaaCounter::AnswerMalformed);
            return None;
        };
        let key = Key {
            server,
            lane,
            identifier,
        };
        let from = self.servers.get_mut(server)?;
        let Some(pending) = self.pending.get(&key) else {
            self.counters.count(AaaCounter::AnswerUnexpected);
            return None;
        };
        let answer = match answer(datagram, &pending.datagram, &from.secret) {
            Ok(answer) => answer,
            Err(why) => {
                self.counters.count(why);
                return None;
            }
        };
        from.heard = Some(now);
        from.view.answers += 1;
        from.view.round_trip = Some(now.saturating_sub(pending.began));
        if std::mem::take(&mut from.dead) {
            self.acts.push(Act::Back(server));
        }
        let pending = self.close(key)?;
        self.next_waiting(now);
        Some((pending.work, answer))
    }

    /// Sends again what is due, or lets it go on to another server.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some(&(due, key)) = self.due.first() {
            if due > now {
                return;
            }
            self.due.pop_first();
            let Some(pending) = self.pending.get_mut(&key) else {
                continue;
            };
            if pending.sent < self.timing.transmissions {
                let wait = self.timing.timeout * 2u32.saturating_pow(pending.sent);
                pending.sent += 1;
                let jitter = self.rng.random_range(0.9..1.1);
                pending.due = now + wait.min(LONGEST_WAIT).mul_f64(jitter);
                self.due.insert((pending.due, key));
                self.counters.count(AaaCounter::Retransmitted);
                let datagram = Arc::clone(&pending.datagram);
                let Key { server, lane, .. } = key;
                self.acts.push(Act::Send {
                    server,
                    lane,
                    datagram,
                });
                continue;
            }
            let Some(pending) = self.close(key) else {
                continue;
            };
            self.missed(now, key.server, pending.began);
            self.go(now, pending.work, pending.tried);
            self.next_waiting(now);
        }
    }

    /// A server did not answer a request that was first sent to it then.
    fn missed(&mut self, now: Duration, server: usize, began: Duration) {
        let dead_time = self.timing.dead_time;
        let Some(it) = self.servers.get_mut(server) else {
            return;
        };
        it.view.timeouts += 1;
        if it.heard.is_some_and(|heard| heard >= began) {
            return;
        }
        it.retry = now + dead_time;
        if !std::mem::replace(&mut it.dead, true) {
            self.counters.count(AaaCounter::ServersLost);
            self.acts.push(Act::Lost(server));
        }
    }

    /// Takes a request off the list of those that are open.
    fn close(&mut self, key: Key) -> Option<Pending<W>> {
        let pending = self.pending.remove(&key)?;
        self.due.remove(&(pending.due, key));
        if let Some(server) = self.servers.get_mut(key.server) {
            server.open = server.open.saturating_sub(1);
        }
        Some(pending)
    }

    /// An identifier has become free.
    fn next_waiting(&mut self, now: Duration) {
        if let Some((work, tried)) = self.waiting.pop_front() {
            self.go(now, work, tried);
        }
    }

    /// Sends a request to the first server that is well and was not tried.
    fn go(&mut self, now: Duration, work: W, tried: u64) {
        let usable = |(index, server): &(usize, &mut Server)| {
            tried & 1 << index == 0 && (!server.dead || now >= server.retry)
        };
        let mut servers = self.servers.iter_mut().enumerate();
        let Some((index, server)) = servers.find(usable) else {
            return self.acts.push(Act::GivenUp(work));
        };
        let Some((lane, identifier)) = server.identifier(index, &self.pending) else {
            return self.waiting.push_back((work, tried));
        };
        let Some(datagram) = work.write(identifier, &server.secret) else {
            return self.acts.push(Act::GivenUp(work));
        };
        let datagram: Arc<[u8]> = datagram.into();
        // One request tries a dead server, not all there are.
        server.retry = now + self.timing.dead_time;
        server.open += 1;
        server.view.requests += 1;
        self.counters.count(match tried {
            0 => W::COUNTED,
            _ => AaaCounter::FailedOver,
        });
        let key = Key {
            server: index,
            lane,
            identifier,
        };
        let jitter = self.rng.random_range(0.9..1.1);
        let due = now + self.timing.timeout.mul_f64(jitter);
        self.due.insert((due, key));
        self.acts.push(Act::Send {
            server: index,
            lane,
            datagram: Arc::clone(&datagram),
        });
        let pending = Pending {
            work,
            datagram,
            began: now,
            sent: 1,
            due,
            tried: tried | 1 << index,
        };
        self.pending.insert(key, pending);
    }
}

impl Server {
    /// A lane and an identifier of it that are free.
    fn identifier<W>(
        &mut self,
        server: usize,
        pending: &HashMap<Key, Pending<W>>,
    ) -> Option<(u16, u8)> {
        let room = usize::from(self.lanes) * usize::from(IDENTIFIERS);
        if self.open * 100 >= room * FULL && self.lanes < LANES {
            self.lanes += 1;
        }
        let room = u32::from(self.lanes) * u32::from(IDENTIFIERS);
        if self.open >= room as usize {
            return None;
        }
        for _ in 0..room {
            let at = self.cursor % room;
            self.cursor = (at + 1) % room;
            let [_, _, lane, identifier] = at.to_be_bytes();
            let lane = u16::from(lane);
            let key = Key {
                server,
                lane,
                identifier,
            };
            if !pending.contains_key(&key) {
                return Some((lane, identifier));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
