//! The gateway's neighbours on its core links: address resolution and unreachability detection
//! (RFC 4861 sections 7.2 and 7.3), as a state machine that does no IO.
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

#[cfg(test)]
mod tests;

use dataplane::key::InterfaceId;
use hashbrown::HashMap;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::net::Ipv6Addr;
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
    pub address: Ipv6Addr,
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
    /// Send a Neighbour Solicitation for it.
    Solicit {
        /// For whom.
        neighbour: Neighbour,
        /// To this link-layer address alone; `None`: to its solicited-node group.
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
}

/// The neighbour cache.
pub struct Neighbours {
    entries: HashMap<Neighbour, Entry>,
    capacity: usize,
    unresolved: usize,
    rng: SmallRng,
}

/// There is no room for another neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Neighbours {
    /// An empty cache for at most `capacity` neighbours, of which at most a quarter may be
    /// unresolved without being kept: a scan of a prefix must not push out those that answer.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self {
            entries: HashMap::new(),
            capacity: capacity.max(4),
            unresolved: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
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
        if self.entries.len() >= self.capacity || self.unresolved >= self.capacity / 4 {
            return Err(Full);
        }
        self.entries.insert(
            neighbour,
            Entry {
                state: State::Incomplete { sent: 0 },
                mac: None,
                kept: 0,
            },
        );
        self.unresolved += 1;
        self.alarm(neighbour, acts);
        Ok(())
    }

    /// Resolves a neighbour and keeps it so until as many calls of [`Neighbours::release`].
    pub fn keep(&mut self, neighbour: Neighbour, acts: &mut Vec<Act>) {
        match self.entries.get_mut(&neighbour) {
            Some(entry) => {
                if entry.kept == 0 && entry.mac.is_none() {
                    self.unresolved = self.unresolved.saturating_sub(1);
                }
                entry.kept += 1;
            }
            None => {
                self.entries.insert(
                    neighbour,
                    Entry {
                        state: State::Incomplete { sent: 0 },
                        mac: None,
                        kept: 1,
                    },
                );
                self.alarm(neighbour, acts);
            }
        }
    }

    /// Takes back one [`Neighbours::keep`].
    pub fn release(&mut self, neighbour: Neighbour) {
        if let Some(entry) = self.entries.get_mut(&neighbour) {
            if entry.kept == 1 && entry.mac.is_none() {
                self.unresolved += 1;
            }
            entry.kept = entry.kept.saturating_sub(1);
        }
    }

    /// The neighbour told its link-layer address in a solicitation of its own, which is about to be
    /// answered (RFC 4861 section 7.2.3).
    pub fn solicited_by(&mut self, neighbour: Neighbour, mac: MacAddr, acts: &mut Vec<Act>) {
        let Some(entry) = self.entries.get_mut(&neighbour) else {
            if self.entries.len() < self.capacity {
                self.entries.insert(
                    neighbour,
                    Entry {
                        state: State::Delay,
                        mac: Some(mac),
                        kept: 0,
                    },
                );
                acts.push(Act::Up { neighbour, mac });
                acts.push(Act::Alarm {
                    neighbour,
                    after: DELAY_FIRST_PROBE,
                });
            }
            return;
        };
        if entry.mac == Some(mac) {
            return;
        }
        if entry.mac.is_none() && entry.kept == 0 {
            self.unresolved = self.unresolved.saturating_sub(1);
        }
        entry.mac = Some(mac);
        entry.state = State::Delay;
        acts.push(Act::Up { neighbour, mac });
        acts.push(Act::Alarm {
            neighbour,
            after: DELAY_FIRST_PROBE,
        });
    }

    /// A Neighbour Advertisement came (RFC 4861 section 7.2.5).
    pub fn advertised(&mut self, neighbour: Neighbour, told: Advertised, acts: &mut Vec<Act>) {
        let Some(entry) = self.entries.get_mut(&neighbour) else {
            return;
        };
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
        if entry.mac.is_none() && entry.kept == 0 {
            self.unresolved = self.unresolved.saturating_sub(1);
        }
        entry.mac = Some(mac);
        if changed {
            acts.push(Act::Up { neighbour, mac });
        }
        if told.solicited {
            entry.state = State::Reachable;
            let after = REACHABLE_TIME.mul_f64(self.rng.random_range(0.5..1.5));
            acts.push(Act::Alarm { neighbour, after });
        } else if changed {
            entry.state = State::Delay;
            acts.push(Act::Alarm {
                neighbour,
                after: DELAY_FIRST_PROBE,
            });
        }
    }

    /// The time that an [`Act::Alarm`] asked for is over.
    pub fn alarm(&mut self, neighbour: Neighbour, acts: &mut Vec<Act>) {
        let Some(entry) = self.entries.get_mut(&neighbour) else {
            return;
        };
        let (state, after) = match entry.state {
            State::Incomplete { sent } if sent < MAX_SOLICIT => {
                acts.push(Act::Solicit {
                    neighbour,
                    mac: None,
                });
                (State::Incomplete { sent: sent + 1 }, RETRANS_TIMER)
            }
            State::Reachable => (State::Delay, DELAY_FIRST_PROBE),
            State::Delay => {
                acts.push(Act::Solicit {
                    neighbour,
                    mac: entry.mac,
                });
                (State::Probe { sent: 1 }, RETRANS_TIMER)
            }
            State::Probe { sent } if sent < MAX_SOLICIT => {
                acts.push(Act::Solicit {
                    neighbour,
                    mac: entry.mac,
                });
                (State::Probe { sent: sent + 1 }, RETRANS_TIMER)
            }
            State::Incomplete { .. } | State::Probe { .. } => {
                if entry.mac.take().is_some() && entry.kept == 0 {
                    self.unresolved += 1;
                }
                acts.push(Act::Down { neighbour });
                (State::Failed { times: 1 }, RETRANS_TIMER)
            }
            State::Failed { times } if entry.kept > 0 => {
                acts.push(Act::Solicit {
                    neighbour,
                    mac: None,
                });
                let after = RETRANS_TIMER * (1 << times.min(5));
                let times = times.saturating_add(1);
                (State::Failed { times }, after.min(RETRY_LIMIT))
            }
            State::Failed { .. } => {
                self.entries.remove(&neighbour);
                self.unresolved = self.unresolved.saturating_sub(1);
                acts.push(Act::Forget { neighbour });
                return;
            }
        };
        entry.state = state;
        acts.push(Act::Alarm { neighbour, after });
    }
}
