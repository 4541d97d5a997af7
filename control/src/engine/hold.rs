//! What waits for the store: messages that say that something is so, until it is kept; and updates that
//! came while the store has as much to do as it may.
//!
//! ```text
//!   event ─► Store, Forget ─► number of the last change
//!         ─► Send ─► rests on a change, or follows a message to the same peer that does?
//!                      │yes: to the end of the line          │no: out
//!                      ▼
//!                    out, in turn, when the change is committed
//! ```

use super::{Engine, Taken, Told};
use crate::counters::Counter;
use crate::routing::{is_access, Link};
use crate::store::{Change, Keeper, RestartCounter, StoreError};
use dataplane::rings::DEPTH;
use dataplane::verdict::Punt;
use hashbrown::HashMap;
use roles::effect::Advertisement;
use roles::event::{HostLink, Timer};
use roles::store::{NodePlace, Record};
use roles::{Event, Now, Role};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use wire::mh::Message;

/// Updates that are put off at most. Those beyond are not taken: their senders send them again.
const PUT_OFF: usize = 16_384;

/// Something to be sent.
pub(super) enum Outgoing {
    /// A mobility message.
    Message {
        from: Ipv6Addr,
        to: Ipv6Addr,
        message: Message,
    },
    /// A Router Advertisement.
    Advertisement {
        link: HostLink,
        to: Ipv6Addr,
        advertisement: Advertisement,
    },
}

impl Outgoing {
    fn peer(&self) -> Peer {
        match self {
            Self::Message { to, .. } => Peer::Gateway(*to),
            Self::Advertisement { link, .. } => Peer::Host(*link),
        }
    }
}

/// Who is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Peer {
    Gateway(Ipv6Addr),
    Host(HostLink),
}

/// Something in the line.
struct Held {
    what: Outgoing,
    /// The change that it waits for.
    change: u64,
    taken_at: Option<Instant>,
}

/// What follows from records that are given back, and can wait until every one of them is: packets are forwarded
/// meanwhile.
#[derive(Default)]
pub(super) struct Later {
    /// Each with the time at which it runs out, on the monotonic clock.
    pub(super) timers: Vec<(Timer, Duration)>,
    /// Hosts to be watched.
    pub(super) watches: Vec<(HostLink, Option<IpAddr>)>,
}

/// The line.
#[derive(Default)]
pub(super) struct Line {
    held: VecDeque<Held>,
    /// How many are in it, by whom they are for.
    peers: HashMap<Peer, usize>,
    /// Updates that are put off, with when they were taken.
    put_off: VecDeque<(Event, Option<Instant>)>,
}

impl Line {
    fn join(&mut self, what: Outgoing, change: u64, taken_at: Option<Instant>) {
        *self.peers.entry(what.peer()).or_default() += 1;
        self.held.push_back(Held {
            what,
            change,
            taken_at,
        });
    }

    fn next(&mut self, committed: u64) -> Option<Held> {
        self.held.front().filter(|it| it.change <= committed)?;
        let held = self.held.pop_front()?;
        let peer = held.what.peer();
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
        Some(held)
    }
}

impl<R: Role> Engine<R> {
    /// Has a change made; the number that it is committed under, where there is a store.
    pub(super) fn keep(&mut self, change: Change) -> Option<u64> {
        self.store.as_mut().map(|store| store.put(change))
    }

    /// Sends, as soon as what it rests on is kept and what was to be sent to the same peer is sent.
    pub(super) fn send_when_kept(&mut self, now: Now, what: Outgoing, change: Option<u64>) {
        if change.is_none() && !self.line.peers.contains_key(&what.peer()) {
            return self.send_now(now, what);
        }
        self.out.counters.count(Counter::SendHeld);
        self.line.join(what, change.unwrap_or(0), self.taken_at);
    }

    fn send_now(&mut self, now: Now, what: Outgoing) {
        match what {
            Outgoing::Message {
                from,
                to,
                mut message,
            } => self.send(now, from, to, &mut message),
            Outgoing::Advertisement {
                link,
                to,
                advertisement,
            } => self.advertise(link, to, &advertisement),
        }
    }

    /// Takes a message from a peer, at once or when the store has caught up.
    pub(super) fn take_message(&mut self, now: Now, event: Event) {
        let full = self.store.as_ref().is_some_and(Keeper::is_full);
        if !full && self.line.put_off.is_empty() {
            self.out.counters.count(Counter::MessageReceived);
            return self.deliver(now, event);
        }
        if self.line.put_off.len() >= PUT_OFF {
            return self.out.counters.count(Counter::MessageStoreBehind);
        }
        self.out.counters.count(Counter::MessagePutOff);
        self.line.put_off.push_back((event, self.taken_at));
    }

    /// Gives the store what is to be kept, and sends what it has kept by now; returns how much was
    /// done.
    pub(super) fn settle(&mut self, now: Now) -> usize {
        let Some(store) = &mut self.store else {
            return 0;
        };
        store.flush();
        let mut count = 0;
        let committed = store.committed();
        while let Some(held) = self.line.next(committed) {
            self.taken_at = held.taken_at;
            self.send_now(now, held.what);
            count += 1;
        }
        while !self.store.as_ref().is_some_and(Keeper::is_full) {
            let Some((event, taken_at)) = self.line.put_off.pop_front() else {
                break;
            };
            self.taken_at = taken_at;
            if self.draining {
                self.out.counters.count(Counter::MessageDraining);
            } else {
                self.out.counters.count(Counter::MessageReceived);
                self.deliver(now, event);
            }
            count += 1;
        }
        self.taken_at = None;
        if let Some(store) = &mut self.store {
            store.flush();
        }
        count
    }

    /// Gives the store what is to be kept, for whoever has delivered events otherwise than by
    /// [`Engine::poll`] and [`Engine::tick`].
    pub fn flush(&mut self) {
        if let Some(store) = &mut self.store {
            store.flush();
        }
    }

    /// Tells the role that the gateway has started.
    pub fn start(&mut self, now: Now) {
        let kept = self.store.as_ref().map(Keeper::restart_counter);
        let counter = kept.unwrap_or_else(|| RestartCounter::without_store(now.wall));
        let event = Event::Started {
            restart_counter: counter.value,
            lost: counter.lost,
            keeps: self.store.is_some(),
        };
        self.deliver(now, event);
    }

    /// Gives the role back what was kept, at the times that `clock` tells. Policy has been read, and
    /// no message been taken. Returns how many records there were.
    ///
    /// Bindings come first: packets are forwarded from then on, each as soon as it is there, for neighbours on core links
    /// are heard meanwhile. Timers are set when all are there; hosts on our links have their turns later, some at a time.
    ///
    /// # Errors
    /// What reading the store says; what was read before that is in force.
    pub fn restore(&mut self, clock: impl Fn() -> Now) -> Result<u64, StoreError> {
        self.restoring = true;
        let restored = self.restore_records(&clock);
        self.restoring = false;
        self.do_later(clock());
        self.restored = restored?;
        self.flush();
        Ok(self.restored)
    }

    fn restore_records(&mut self, clock: &impl Fn() -> Now) -> Result<u64, StoreError> {
        let mut count = 0;
        while let Some(store) = &mut self.store {
            let Some(records) = store.next_records()? else {
                break;
            };
            let now = clock();
            for record in records {
                count += 1;
                match &record {
                    Record::Visitor(visitor) => {
                        self.expect_session(now, visitor.link, &visitor.profile);
                        self.unresumed.push_back(visitor.link);
                    }
                    Record::Node(node) => {
                        if let NodePlace::Here { link, profile, .. } = &node.place {
                            self.expect_session(now, *link, profile);
                        }
                    }
                    _ => {}
                }
                self.deliver(now, Event::Restored { record });
            }
            // Those asked for with the first of these have answered by now: what is back is forwarded while the
            // rest comes.
            self.hear_neighbours(now);
        }
        Ok(count)
    }

    /// Deals with what neighbours on core links tell, and with nothing else: the rest stays where it is, in its
    /// order, for the next [`Engine::poll`].
    fn hear_neighbours(&mut self, now: Now) {
        let before = self.batch.len();
        if before >= DEPTH {
            return;
        }
        self.take_told();
        for (worker, told) in self.batch.split_off(before) {
            self.out.prefer(worker);
            match told {
                Told::Punted(taken) if self.is_of_neighbours(&taken) => {
                    self.punted(now, taken.reason, taken.interface, &taken.frame);
                    self.spare.push(taken.frame);
                }
                Told::Wanted(interface, address) => self.wanted(now, interface, address),
                told => self.batch.push((worker, told)),
            }
        }
        self.publish(now);
    }

    /// Whether a packet only says where a neighbour on a core link is, or asks that of us.
    fn is_of_neighbours(&self, taken: &Taken) -> bool {
        let core = |link: &Link| !is_access(link);
        matches!(taken.reason, Punt::NeighbourDiscovery | Punt::Arp)
            && self.routing.link(taken.interface).is_some_and(core)
    }

    /// Does what has waited for the records to be back, in the order in which it was wanted.
    pub(super) fn do_later(&mut self, now: Now) {
        for (timer, at) in std::mem::take(&mut self.later.timers) {
            self.wheel.set(timer.into(), at);
        }
        for (link, address) in std::mem::take(&mut self.later.watches) {
            self.watch(now, link, address);
        }
    }

    /// The store, if there is one.
    pub fn store(&self) -> Option<&Keeper> {
        self.store.as_ref()
    }

    /// Records that were there at start.
    pub const fn restored(&self) -> u64 {
        self.restored
    }

    /// Records of these that found no room in the tables, and are still in the store. Such a gateway is not
    /// to go on: what it would bind from now on could contradict what it has acknowledged.
    pub const fn lacking(&self) -> u64 {
        self.lacking
    }

    /// Messages that wait for the store: to be sent, and to be taken.
    pub fn held(&self) -> (usize, usize) {
        (self.line.held.len(), self.line.put_off.len())
    }
}
