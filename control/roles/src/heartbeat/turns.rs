//! Sessions of peers that have failed or restarted, some at a time.

use super::HeartbeatConfig;
use crate::effect::Effect;
use crate::event::Timer;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Time between two turns of sessions.
const TURN: Duration = Duration::from_millis(50);

/// What has happened to a peer whose sessions have their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is down. Sessions heard of since `until` are left alone.
    Down {
        /// When that was noticed.
        until: Duration,
    },
    /// It has restarted, or is back. Sessions heard of since `until` are left alone.
    Anew {
        /// Until when it was as before.
        until: Duration,
    },
}

/// Sessions of peers that have failed or restarted, of which some at a time are dealt with.
#[derive(Clone, Debug)]
pub(crate) struct Turns<K> {
    waiting: VecDeque<(Ipv6Addr, Fate, VecDeque<K>)>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<K> Turns<K> {
    /// Something is to be done about the sessions of a peer, in the place of what was to be done about
    /// them before.
    pub(crate) fn put(
        &mut self,
        peer: Ipv6Addr,
        fate: Fate,
        sessions: impl IntoIterator<Item = K>,
        effects: &mut Vec<Effect>,
    ) {
        self.waiting.retain(|(other, _, _)| *other != peer);
        let sessions: VecDeque<K> = sessions.into_iter().collect();
        if sessions.is_empty() {
            return;
        }
        self.waiting.push_back((peer, fate, sessions));
        effects.push(Effect::SetTimer {
            timer: Timer::PeerSessions,
            after: Duration::ZERO,
        });
    }

    /// The sessions whose turn it is now; the timer for the next ones is set.
    pub(crate) fn take(
        &mut self,
        config: &HeartbeatConfig,
        effects: &mut Vec<Effect>,
    ) -> Vec<(Ipv6Addr, Fate, K)> {
        let a_second = usize::try_from(config.sessions_per_second).unwrap_or(usize::MAX);
        let turns = usize::try_from(Duration::from_secs(1).as_millis() / TURN.as_millis());
        let most = (a_second / turns.unwrap_or(1)).max(1);
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some((peer, fate, sessions)) = self.waiting.front_mut() else {
                break;
            };
            match sessions.pop_front() {
                Some(session) => taken.push((*peer, *fate, session)),
                None => {
                    self.waiting.pop_front();
                }
            }
        }
        self.waiting.retain(|(_, _, sessions)| !sessions.is_empty());
        if !self.waiting.is_empty() {
            effects.push(Effect::SetTimer {
                timer: Timer::PeerSessions,
                after: TURN,
            });
        }
        taken
    }
}
