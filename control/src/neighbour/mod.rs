//! The gateway's neighbours on its core links: address resolution and unreachability detection
//! (RFC 4861 sections 7.2 and 7.3), as a state machine that does no IO. Neighbours with an IPv4 address
//! are asked by ARP and otherwise treated alike (RFC 1122 section 2.3.2.1 leaves room for that).
//!
//! ```text
//!   wanted ──► Incomplete ──NA──► Reachable ──time──► Delay ──5 s──► Probe
//!                  │                  ▲                 │              │
//!                  │3 NS unanswered   └─────────NA──────┴──────────────┤
//!                  ▼                                                   │3 NS unanswered
//!               Failed ◄───────────────────────────────────────────────┘
//! ```
//!
//! The data plane keeps no mark of use per adjacency, so a neighbour counts as used while it is
//! known: STALE lasts no time here, and DELAY follows at once. A neighbour that something stands on
//! (a static route, a tunnel) is *kept*: when it fails it is tried again for ever, ever more
//! slowly. Others are forgotten after a failure, and the next packet for them starts anew.
//!
//! The cache is bounded, and nobody can fill it for others: neighbours that do not answer have a
//! quarter of it, where the one that has been asked for longest makes room (RFC 6583), those that only asked us have another, and when it is full of neighbours that
//! answer, the one that came first makes room. One that is kept is never pushed out.

#[cfg(test)]
mod tests;

use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use wire::ether::MacAddr;

/// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT (RFC 4861 section 10).
const MAX_SOLICIT: u8 = 3;
/// RETRANS_TIMER.
const RETRANS_TIMER: Duration = Duration::from_secs(1);
/// REACHABLE_TIME, before it is varied.
const REACHABLE_TIME: Duration = Duration::from_secs(30);
/// DELAY_FIRST_PROBE_TIME.
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);
/// The longest pause between two attempts at a neighbour that is kept.
const RETRY_LIMIT: Duration = Duration::from_secs(30);

/// A neighbour: its address, on the interface that it is on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Neighbour {
    /// The interface.
    pub interface: InterfaceId,
    /// Its address.
    pub address: IpAddr,
}

/// What is known of a neighbour's reachability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Being resolved.
    Incomplete {
        /// Solicitations sent.
        sent: u8,
    },
    /// Confirmed not long ago.
    Reachable,
    /// In use unconfirmed; about to be probed.
    Delay,
    /// Being probed.
    Probe {
        /// Solicitations sent.
        sent: u8,
    },
    /// Did not answer.
    Failed {
        /// How many times in a row.
        times: u8,
    },
}

impl State {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "incomplete",
            Self::Reachable => "reachable",
            Self::Delay => "delay",
            Self::Probe { .. } => "probe",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What the state machine wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Send a Neighbour Solicitation or an ARP request for it.
    Solicit {
        /// For whom.
        neighbour: Neighbour,
        /// To this link-layer address alone; `None`: to its solicited-node group, or to everyone.
        mac: Option<MacAddr>,
    },
    /// It is resolved, or its link-layer address changed.
    Up {
        /// Who.
        neighbour: Neighbour,
        /// Its link-layer address.
        mac: MacAddr,
    },
    /// It did not answer, and nothing can be sent to it any longer.
    Down {
        /// Who.
        neighbour: Neighbour,
    },
    /// Call [`Neighbours::alarm`] after this time, in place of any earlier such wish.
    Alarm {
        /// For whom.
        neighbour: Neighbour,
        /// When.
        after: Duration,
    },
    /// It is forgotten; no alarm is wanted.
    Forget {
        /// Who.
        neighbour: Neighbour,
    },
}

/// The flags of a Neighbour Advertisement and what it tells (RFC 4861 section 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertised {
    /// The target link-layer address option.
    pub mac: Option<MacAddr>,
    /// S: it answers a solicitation.
    pub solicited: bool,
    /// O: it overrides what is known.
    pub overriding: bool,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    mac: Option<MacAddr>,
    kept: u32,
    /// Whether it has answered since it was resolved.
    confirmed: bool,
    /// When it came, counted in entries.
    serial: u64,
}

/// What entries are counted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// Something stands on it.
    Kept,
    /// Its link-layer address is not known.
    Unresolved,
    /// It told its link-layer address and has not confirmed it.
    Told,
    /// It has answered.
    Confirmed,
}

impl Entry {
    const fn class(&self) -> Class {
        match (self.kept, self.mac, self.confirmed) {
            (1.., ..) => Class::Kept,
            (0, None, _) => Class::Unresolved,
            (0, Some(_), false) => Class::Told,
            (0, Some(_), true) => Class::Confirmed,
        }
    }
}

/// The neighbour cache.
pub struct Neighbours {
    entries: HashMap<Neighbour, Entry>,
    capacity: usize,
    /// Entries of each class.
    classes: [usize; 4],
    /// Entries in the order in which they came; one whose serial number differs is gone.
    order: VecDeque<(u64, Neighbour)>,
    /// Those of them that were asked for and had not answered then, in the same order.
    unanswered: VecDeque<(u64, Neighbour)>,
    serial: u64,
    rng: SmallRng,
}

/// There is no room for another neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Neighbours {
    /// An empty cache for at most `capacity` neighbours, those that are kept apart.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self {
            entries: HashMap::new(),
            capacity: capacity.max(4),
            classes: [0; 4],
            order: VecDeque::new(),
            unanswered: VecDeque::new(),
            serial: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Entries of a class.
    fn count(&self, class: Class) -> usize {
        self.classes.get(class as usize).copied().unwrap_or(0)
    }

    fn recount(&mut self, before: Option<Class>, after: Option<Class>) {
        let mut add = |class: Option<Class>, by: isize| {
            if let Some(count) = class.and_then(|class| self.classes.get_mut(class as usize)) {
                *count = count.saturating_add_signed(by);
            }
        };
        add(before, -1);
        add(after, 1);
    }

    /// Changes an entry; `None` when there is none.
    fn change<T>(
        &mut self,
        neighbour: Neighbour,
        change: impl FnOnce(&mut Entry, &mut SmallRng) -> T,
    ) -> Option<T> {
        let entry = self.entries.get_mut(&neighbour)?;
        let before = entry.class();
        let changed = change(entry, &mut self.rng);
        let after = entry.class();
        self.recount(Some(before), Some(after));
        Some(changed)
    }

    fn insert(&mut self, neighbour: Neighbour, state: State, mac: Option<MacAddr>, kept: u32) {
        self.serial += 1;
        let entry = Entry {
            state,
            mac,
            kept,
            confirmed: false,
            serial: self.serial,
        };
        self.recount(None, Some(entry.class()));
        self.entries.insert(neighbour, entry);
        let most = 2 * self.entries.len().max(self.capacity);
        let entries = &self.entries;
        for order in [&mut self.order, &mut self.unanswered] {
            if order.len() > most {
                order.retain(|(serial, neighbour)| {
                    let entry = entries.get(neighbour);
                    entry.is_some_and(|entry| entry.serial == *serial)
                });
            }
        }
        self.order.push_back((self.serial, neighbour));
    }

    fn remove(&mut self, neighbour: Neighbour) {
        if let Some(entry) = self.entries.remove(&neighbour) {
            self.recount(Some(entry.class()), None);
        }
    }

    /// Forgets the resolved neighbour that came first and is not kept; whether there was one.
    fn make_room(&mut self, acts: &mut Vec<Act>) -> bool {
        if self.count(Class::Told) + self.count(Class::Confirmed) == 0 {
            return false;
        }
        for _ in 0..self.order.len() {
            let Some((serial, neighbour)) = self.order.pop_front() else {
                break;
            };
            let entry = self.entries.get(&neighbour);
            match entry.filter(|entry| entry.serial == serial) {
                None => {}
                Some(entry) if matches!(entry.class(), Class::Told | Class::Confirmed) => {
                    self.remove(neighbour);
                    acts.push(Act::Forget { neighbour });
                    return true;
                }
                Some(_) => self.order.push_back((serial, neighbour)),
            }
        }
        false
    }

    /// Forgets the neighbour that has been without an answer for longest.
    fn give_up_first(&mut self, acts: &mut Vec<Act>) {
        while let Some((serial, neighbour)) = self.unanswered.pop_front() {
            let entry = self.entries.get(&neighbour);
            let same = entry.filter(|entry| entry.serial == serial);
            if same.is_some_and(|entry| entry.class() == Class::Unresolved) {
                self.remove(neighbour);
                return acts.push(Act::Forget { neighbour });
            }
        }
    }

    /// Whether something stands on this neighbour.
    pub fn is_kept(&self, neighbour: Neighbour) -> bool {
        self.entries
            .get(&neighbour)
            .is_some_and(|entry| entry.kept > 0)
    }

    /// The link-layer address of a neighbour, if it is known.
    pub fn mac(&self, neighbour: Neighbour) -> Option<MacAddr> {
        self.entries.get(&neighbour)?.mac
    }

    /// The neighbours with their state and link-layer address, sorted.
    pub fn list(&self) -> Vec<(Neighbour, State, Option<MacAddr>)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(neighbour, entry)| (*neighbour, entry.state, entry.mac))
            .collect();
        all.sort_unstable_by_key(|(neighbour, ..)| *neighbour);
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The state of a neighbour.
    pub fn state(&self, neighbour: Neighbour) -> Option<State> {
        self.entries.get(&neighbour).map(|entry| entry.state)
    }

    /// A packet waits for this neighbour.
    ///
    /// # Errors
    ///
    /// [`Full`]: it is not known, and there is no room for it.
    pub fn want(&mut self, neighbour: Neighbour, acts: &mut Vec<Act>) -> Result<(), Full> {
        if let Some(entry) = self.entries.get_mut(&neighbour) {
            // Resolved, being resolved, or failed so lately that asking again must wait. One that
            // is kept and tried but seldom by now is tried at once.
            if matches!(entry.state, State::Failed { times } if times > 2 && entry.kept > 0) {
                entry.state = State::Failed { times: 1 };
                self.alarm(neighbour, acts);
            }
            return Ok(());
        }
        if self.count(Class::Unresolved) >= self.capacity / 4 {
            self.give_up_first(acts);
        } else if self.entries.len() >= self.capacity && !self.make_room(acts) {
            return Err(Full);
        }
        self.insert(neighbour, State::Incomplete { sent: 0 }, None, 0);
        self.unanswered.push_back((self.serial, neighbour));
        self.alarm(neighbour, acts);
        Ok(())
    }

    /// A neighbour that is being asked for, or has failed, has just shown itself: it is asked once more
    /// without a wait. The question before may have gone out while its link was down.
    pub fn ask_at_once(&self, neighbour: Neighbour, acts: &mut Vec<Act>) {
        let entry = self.entries.get(&neighbour);
        if entry.is_some_and(|entry| entry.mac.is_none()) {
            let mac = None;
            acts.push(Act::Solicit { neighbour, mac });
        }
    }

    /// A link has come up: those that something stands on and that have not answered are asked once more without
    /// a wait, for the question before may never have gone out.
    pub fn ask_kept(&self, acts: &mut Vec<Act>) {
        let kept = self.entries.iter().filter(|(_, entry)| entry.kept > 0);
        for (neighbour, _) in kept {
            self.ask_at_once(*neighbour, acts);
        }
    }

    /// Resolves a neighbour and keeps it so until as many calls of [`Neighbours::release`].
    pub fn keep(&mut self, neighbour: Neighbour, acts: &mut Vec<Act>) {
        if self.change(neighbour, |entry, _| entry.kept += 1).is_none() {
            self.insert(neighbour, State::Incomplete { sent: 0 }, None, 1);
            self.alarm(neighbour, acts);
        }
    }

    /// Takes back one [`Neighbours::keep`].
    pub fn release(&mut self, neighbour: Neighbour) {
        self.change(neighbour, |entry, _| {
            entry.kept = entry.kept.saturating_sub(1);
        });
    }

    /// The neighbour told its link-layer address in a solicitation of its own, which is about to be
    /// answered (RFC 4861 section 7.2.3).
    pub fn solicited_by(&mut self, neighbour: Neighbour, mac: MacAddr, acts: &mut Vec<Act>) {
        let known = self.change(neighbour, |entry, _| {
            let changed = entry.mac != Some(mac);
            if changed {
                entry.mac = Some(mac);
                entry.state = State::Delay;
            }
            changed
        });
        let tells = known.unwrap_or_else(|| {
            // Its question is answered without an entry too: anyone can send such questions, in
            // the name of any address of the link.
            let room =
                self.entries.len() < self.capacity && self.count(Class::Told) < self.capacity / 4;
            if room {
                self.insert(neighbour, State::Delay, Some(mac), 0);
            }
            room
        });
        if tells {
            acts.push(Act::Up { neighbour, mac });
            acts.push(Act::Alarm {
                neighbour,
                after: DELAY_FIRST_PROBE,
            });
        }
    }

    /// A Neighbour Advertisement came (RFC 4861 section 7.2.5).
    pub fn advertised(&mut self, neighbour: Neighbour, told: Advertised, acts: &mut Vec<Act>) {
        self.change(neighbour, |entry, rng| {
            let mac = match (entry.mac, told.mac) {
                (None, None) => return,
                (Some(known), None) => known,
                (None, Some(told)) => told,
                (Some(known), Some(told_mac)) if known != told_mac && !told.overriding => {
                    // Somebody else claims the address without overriding: find out who has it.
                    if entry.state == State::Reachable {
                        entry.state = State::Delay;
                        acts.push(Act::Alarm {
                            neighbour,
                            after: DELAY_FIRST_PROBE,
                        });
                    }
                    return;
                }
                (Some(_), Some(told)) => told,
            };
            let changed = entry.mac != Some(mac);
            entry.mac = Some(mac);
            if changed {
                acts.push(Act::Up { neighbour, mac });
            }
            if told.solicited {
                entry.state = State::Reachable;
                entry.confirmed = true;
                let after = REACHABLE_TIME.mul_f64(rng.random_range(0.5..1.5));
                acts.push(Act::Alarm { neighbour, after });
            } else if changed {
                entry.state = State::Delay;
                acts.push(Act::Alarm {
                    neighbour,
                    after: DELAY_FIRST_PROBE,
                });
            }
        });
    }

    /// The time that an [`Act::Alarm`] asked for is over.
    pub fn alarm(&mut self, neighbour: Neighbour, acts: &mut Vec<Act>) {
        let solicit = |mac| Act::Solicit { neighbour, mac };
        let next = self.change(neighbour, |entry, _| {
            let (state, after) = match entry.state {
                State::Incomplete { sent } if sent < MAX_SOLICIT => {
                    acts.push(solicit(None));
                    (State::Incomplete { sent: sent + 1 }, RETRANS_TIMER)
                }
                State::Reachable => (State::Delay, DELAY_FIRST_PROBE),
                State::Delay => {
                    acts.push(solicit(entry.mac));
                    (State::Probe { sent: 1 }, RETRANS_TIMER)
                }
                State::Probe { sent } if sent < MAX_SOLICIT => {
                    acts.push(solicit(entry.mac));
                    (State::Probe { sent: sent + 1 }, RETRANS_TIMER)
                }
                State::Incomplete { .. } | State::Probe { .. } => {
                    entry.mac = None;
                    entry.confirmed = false;
                    acts.push(Act::Down { neighbour });
                    (State::Failed { times: 1 }, RETRANS_TIMER)
                }
                State::Failed { times } if entry.kept > 0 => {
                    acts.push(solicit(None));
                    let after = RETRANS_TIMER * (1 << times.min(5));
                    let times = times.saturating_add(1);
                    (State::Failed { times }, after.min(RETRY_LIMIT))
                }
                State::Failed { .. } => return None,
            };
            entry.state = state;
            Some(after)
        });
        match next {
            Some(Some(after)) => acts.push(Act::Alarm { neighbour, after }),
            Some(None) => {
                self.remove(neighbour);
                acts.push(Act::Forget { neighbour });
            }
            None => {}
        }
    }
}
