//! What roles share of heartbeats (RFC 5847): who is there, who has failed, who has restarted.
//!
//! ```text
//!   first session shared ──► unknown ──request──► answered ──► up ◄────────── answered
//!                               │                                │               │
//!                               │       more than MISSING_HEARTBEATS_ALLOWED     │
//!                               │       requests in a row without an answer ──► down
//!                               └── Binding Error 2 to a request ──► unsupported, never asked again
//!
//!   a response with another Restart Counter than before: the peer has restarted
//! ```
//!
//! A peer is asked while it shares a session with this node, each by its own clock, so that an anchor
//! does not ask all its gateways in one moment. It is answered whenever policy names it or a session
//! is shared with it, a few times a second at most; a stranger is not.
//!
//! What is done about the sessions of a peer that has failed or restarted is the role's to say. It is
//! done in [`Turns`], a few sessions at a time: a large peer has a hundred thousand of them, and
//! messages of others must not wait for that.

mod counted;
mod turns;

pub(crate) use counted::{heartbeat_counters, HeartbeatCounter};
pub(crate) use turns::{Fate, Turns};

use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::message::PerSecond;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{options, Heartbeat, Message, MobilityOption};

/// The longest time from the first shared session, or from the start, to the first request: the
/// sooner the Restart Counter of a peer is known, the fewer of its restarts go unnoticed.
const FIRST: Duration = Duration::from_secs(1);

/// How far the first requests to different peers are spread.
const SPREAD: Duration = Duration::from_secs(4);

/// Time from the start to the responses that tell of it: ways to peers are found meanwhile.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// How peers are watched (RFC 5847 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeartbeatConfig {
    /// HEARTBEAT_INTERVAL; zero: nobody is asked.
    pub interval: Duration,
    /// MISSING_HEARTBEATS_ALLOWED: requests in a row that may go unanswered.
    pub missing_allowed: u32,
    /// Whether the bindings shared with a peer that is down end; else they live as long as their
    /// lifetime.
    pub end_when_down: bool,
    /// Sessions of a failed or restarted peer that are dealt with in a second.
    pub sessions_per_second: u32,
}

impl Default for HeartbeatConfig {
    /// Nobody is asked; what else there is has the RFC's values.
    fn default() -> Self {
        Self {
            interval: Duration::ZERO,
            missing_allowed: 3,
            end_when_down: false,
            sessions_per_second: 2_000,
        }
    }
}

/// How a peer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It has answered no request yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It has failed to answer more often than is allowed.
    Down,
    /// It does not know heartbeats.
    Unsupported,
}

/// A peer as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PeerView {
    /// Its address.
    pub address: Ipv6Addr,
    /// How it is.
    pub state: PeerState,
    /// Sessions that are shared with it.
    pub sessions: usize,
    /// Requests in a row that it has not answered.
    pub missing: u32,
    /// Its Restart Counter, if it has told one.
    pub restart_counter: Option<u32>,
    /// Time from the last answered request to its answer.
    pub round_trip: Option<Duration>,
    /// Time since it was heard last, by a heartbeat.
    pub heard: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Peer {
    state: PeerState,
    sessions: usize,
    /// Whether its timer runs.
    watched: bool,
    /// The request that is not answered yet: its number, and when it was sent.
    asked: Option<(u32, Duration)>,
    missing: u32,
    /// Its Restart Counter, and when it was heard last.
    restart_counter: Option<(u32, Duration)>,
    round_trip: Option<Duration>,
    heard: Option<Duration>,
    answers: PerSecond<10>,
}

/// What a heartbeat tells, or that it tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its sender is neither named by policy nor shares a session.
    Stranger,
    /// More requests than are answered.
    TooMany,
    /// A request, and it is answered.
    Asked,
    /// A response to no request of ours.
    Unexpected,
    /// The peer is there, as it was.
    There,
    /// The peer is there again; it was down before.
    Back,
    /// The peer has restarted and lost its sessions; those that were last heard of by `until` were
    /// there before that.
    Restarted {
        /// When its earlier Restart Counter was heard last.
        until: Duration,
    },
}

/// What has become of a peer by the time of its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is not asked.
    Not,
    /// It is asked.
    Again,
    /// It is asked, and has just gone down.
    Down,
}

/// The peers that this node has to do with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    peers: BTreeMap<Ipv6Addr, Peer>,
    /// Whom policy names.
    named: BTreeSet<Ipv6Addr>,
    sequence: u32,
    /// Our own Restart Counter.
    restart_counter: u32,
    /// Whether peers are yet to be told that this node has restarted.
    untold: bool,
}

impl Peers {
    /// This node has started. `lost`: without the sessions that it may have had.
    pub(crate) fn start(&mut self, restart_counter: u32, lost: bool) {
        self.restart_counter = restart_counter;
        self.untold = lost;
    }

    /// Policy names these peers, and no others.
    pub(crate) fn name(&mut self, addresses: &[Ipv6Addr], effects: &mut Vec<Effect>) {
        self.named = addresses.iter().copied().collect();
        let named = &self.named;
        self.peers
            .retain(|address, peer| peer.sessions > 0 || named.contains(address));
        for &address in named {
            self.peers.entry(address).or_default();
        }
        if std::mem::take(&mut self.untold) && !addresses.is_empty() {
            effects.push(Effect::SetTimer {
                timer: Timer::RestartNotice,
                after: ANNOUNCE,
            });
        }
    }

    /// Tells everyone whom policy names that this node has restarted and lost its sessions (RFC 5847
    /// section 3.2); returns how many are told.
    fn announce(&mut self, local: Ipv6Addr, effects: &mut Vec<Effect>) -> usize {
        let to_tell = self.named.iter().filter(|&&peer| peer != local);
        let options = [MobilityOption::RestartCounter(self.restart_counter)];
        let before = effects.len();
        effects.extend(to_tell.map(|&peer| Effect::Send {
            from: local,
            to: peer,
            message: Message::Heartbeat(Heartbeat {
                unsolicited: true,
                response: true,
                sequence: 0,
                options: options.to_vec(),
            }),
        }));
        effects.len() - before
    }

    /// One more session is shared with a peer.
    pub(crate) fn share(
        &mut self,
        config: &HeartbeatConfig,
        address: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        let peer = self.peers.entry(address).or_default();
        peer.sessions += 1;
        if peer.sessions > 1 || config.interval.is_zero() || peer.state == PeerState::Unsupported {
            return;
        }
        // It was there a moment ago: it has just shared a session.
        peer.missing = 0;
        peer.watched = true;
        if peer.state == PeerState::Down {
            peer.state = PeerState::Unknown;
        }
        effects.push(Effect::SetTimer {
            timer: Timer::Heartbeat { peer: address },
            after: FIRST.min(config.interval) + spread(address, SPREAD.min(config.interval)),
        });
    }

    /// One session less is shared with a peer. Without any it is not asked any more.
    pub(crate) fn unshare(&mut self, address: Ipv6Addr, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&address) else {
            return;
        };
        peer.sessions = peer.sessions.saturating_sub(1);
        if peer.sessions > 0 {
            return;
        }
        peer.asked = None;
        if std::mem::take(&mut peer.watched) {
            effects.push(Effect::CancelTimer {
                timer: Timer::Heartbeat { peer: address },
            });
        }
        if !self.named.contains(&address) {
            self.peers.remove(&address);
        }
    }

    /// So many sessions are shared with a peer now.
    pub(crate) fn share_all(
        &mut self,
        config: &HeartbeatConfig,
        address: Ipv6Addr,
        sessions: usize,
        effects: &mut Vec<Effect>,
    ) {
        let peer = self.peers.get_mut(&address);
        let before = peer.as_ref().map_or(0, |peer| peer.sessions);
        match (before, sessions, peer) {
            (0, 0, _) => {}
            (0, _, _) => {
                self.share(config, address, effects);
                if let Some(peer) = self.peers.get_mut(&address) {
                    peer.sessions = sessions;
                }
            }
            (_, 0, Some(peer)) => {
                peer.sessions = 1;
                self.unshare(address, effects);
            }
            (_, _, Some(peer)) => peer.sessions = sessions,
            (_, _, None) => {}
        }
    }

    /// Asks a peer, and looks whether it has answered the time before.
    fn ask(
        &mut self,
        config: &HeartbeatConfig,
        now: Duration,
        (local, address): (Ipv6Addr, Ipv6Addr),
        effects: &mut Vec<Effect>,
    ) -> Asked {
        let Some(peer) = self.peers.get_mut(&address) else {
            return Asked::Not;
        };
        if !peer.watched {
            return Asked::Not;
        }
        let mut outcome = Asked::Again;
        if peer.asked.is_some() {
            peer.missing = peer.missing.saturating_add(1);
            if peer.missing > config.missing_allowed && peer.state != PeerState::Down {
                peer.state = PeerState::Down;
                outcome = Asked::Down;
                let notice = Notice::PeerDown {
                    peer: address,
                    sessions: peer.sessions,
                };
                effects.push(Effect::Notify { notice });
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        peer.asked = Some((self.sequence, now));
        effects.push(Effect::Send {
            from: local,
            to: address,
            message: Message::Heartbeat(Heartbeat {
                sequence: self.sequence,
                ..Heartbeat::default()
            }),
        });
        effects.push(Effect::SetTimer {
            timer: Timer::Heartbeat { peer: address },
            after: config.interval,
        });
        outcome
    }

    /// A heartbeat has come.
    fn on_heartbeat(
        &mut self,
        now: Duration,
        (from, to): (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        effects: &mut Vec<Effect>,
    ) -> Told {
        let Some(peer) = self.peers.get_mut(&from) else {
            return Told::Stranger;
        };
        if !heartbeat.response {
            if !peer.answers.take(now) {
                return Told::TooMany;
            }
            peer.heard = Some(now);
            let options = vec![MobilityOption::RestartCounter(self.restart_counter)];
            effects.push(Effect::Send {
                from: to,
                to: from,
                message: Message::Heartbeat(Heartbeat {
                    unsolicited: false,
                    response: true,
                    sequence: heartbeat.sequence,
                    options,
                }),
            });
            return Told::Asked;
        }
        if !heartbeat.unsolicited {
            let asked = peer.asked.take_if(|asked| asked.0 == heartbeat.sequence);
            let Some((_, at)) = asked else {
                return Told::Unexpected;
            };
            peer.round_trip = Some(now.saturating_sub(at));
        }
        peer.heard = Some(now);
        peer.missing = 0;
        let before = peer.state;
        if before != PeerState::Unsupported {
            peer.state = PeerState::Up;
        }
        if before == PeerState::Down {
            let notice = Notice::PeerUp { peer: from };
            effects.push(Effect::Notify { notice });
        }
        if let Some(counter) = options::restart_counter(&heartbeat.options) {
            match peer.restart_counter.replace((counter, now)) {
                Some((earlier, until)) if earlier != counter => {
                    let notice = Notice::PeerRestarted {
                        peer: from,
                        restart_counter: counter,
                    };
                    effects.push(Effect::Notify { notice });
                    return Told::Restarted { until };
                }
                _ => {}
            }
        }
        match before {
            PeerState::Down => Told::Back,
            _ => Told::There,
        }
    }

    /// A peer does not know a message type of ours: the heartbeat's, if it has one to answer. It is never
    /// asked again (RFC 5847 section 3). Returns whether that was so.
    fn on_unknown_type(&mut self, from: Ipv6Addr, effects: &mut Vec<Effect>) -> bool {
        let peer = self.peers.get_mut(&from);
        let Some(peer) = peer.filter(|peer| peer.asked.is_some()) else {
            return false;
        };
        peer.asked = None;
        peer.missing = 0;
        peer.watched = false;
        peer.state = PeerState::Unsupported;
        effects.push(Effect::CancelTimer {
            timer: Timer::Heartbeat { peer: from },
        });
        let notice = Notice::PeerWithoutHeartbeats { peer: from };
        effects.push(Effect::Notify { notice });
        true
    }

    /// Whether a peer is down.
    pub(crate) fn is_down(&self, address: Ipv6Addr) -> bool {
        let peer = self.peers.get(&address);
        peer.is_some_and(|peer| peer.state == PeerState::Down)
    }

    /// Every peer at `now`, by address.
    pub(crate) fn views(&self, now: Duration) -> impl ExactSizeIterator<Item = PeerView> + '_ {
        self.peers.iter().map(move |(&address, peer)| PeerView {
            address,
            state: peer.state,
            sessions: peer.sessions,
            missing: peer.missing,
            restart_counter: peer.restart_counter.map(|(counter, _)| counter),
            round_trip: peer.round_trip,
            heard: peer.heard.map(|at| now.saturating_sub(at)),
        })
    }
}

/// A part of `most` that follows from an address.
fn spread(address: Ipv6Addr, most: Duration) -> Duration {
    let mixed = address.octets().iter().fold(0_u32, |sum, &octet| {
        sum.wrapping_mul(31).wrapping_add(octet.into())
    });
    most * (mixed % 64) / 64
}
