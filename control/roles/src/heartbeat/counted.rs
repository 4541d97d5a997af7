//! Heartbeats of a role that counts them: what goes for every role, whatever it does about the sessions
//! of a peer that has failed or restarted.

use super::{Asked, HeartbeatConfig, Peers, Told};
use crate::counters::{Counter, Counters};
use crate::effect::Effect;
use crate::message::ignored;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{BindingError, Heartbeat};

/// The counters of heartbeats, which every role has among its own.
pub(crate) trait HeartbeatCounter: Counter {
    /// Requests sent.
    const SENT: Self;
    /// Requests of ours that were answered.
    const ANSWERED: Self;
    /// Requests that were answered here.
    const RECEIVED: Self;
    /// Requests ignored: too many.
    const UNANSWERED: Self;
    /// Responses ignored: they answer nothing.
    const UNEXPECTED: Self;
    /// Heartbeats ignored: of nobody that we have to do with.
    const BY_STRANGERS: Self;
    /// Peers told of our own restart.
    const NOTICES: Self;
    /// Peers that stopped answering.
    const DOWN: Self;
    /// Peers that told of a restart.
    const RESTARTED: Self;
    /// Peers that do not know heartbeats.
    const WITHOUT: Self;
    /// Binding Errors that arrived.
    const ERRORS: Self;
}

/// Names the counters of heartbeats of a role, which are called the same in each.
macro_rules! heartbeat_counters {
    ($counter:ty) => {
        impl $crate::heartbeat::HeartbeatCounter for $counter {
            const SENT: Self = Self::HeartbeatsSent;
            const ANSWERED: Self = Self::HeartbeatsAnswered;
            const RECEIVED: Self = Self::HeartbeatsReceived;
            const UNANSWERED: Self = Self::HeartbeatsUnanswered;
            const UNEXPECTED: Self = Self::HeartbeatsUnexpected;
            const BY_STRANGERS: Self = Self::HeartbeatsByStrangers;
            const NOTICES: Self = Self::RestartNotices;
            const DOWN: Self = Self::PeersDown;
            const RESTARTED: Self = Self::PeersRestarted;
            const WITHOUT: Self = Self::PeersWithoutHeartbeats;
            const ERRORS: Self = Self::BindingErrors;
        }
    };
}

pub(crate) use heartbeat_counters;

impl Peers {
    /// A heartbeat has come, and is counted.
    pub(crate) fn hear<C: HeartbeatCounter>(
        &mut self,
        now: Duration,
        ends: (Ipv6Addr, Ipv6Addr),
        heartbeat: &Heartbeat,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) -> Told {
        let told = self.on_heartbeat(now, ends, heartbeat, effects);
        if heartbeat.response && matches!(told, Told::There | Told::Back | Told::Restarted { .. }) {
            counters.add(C::ANSWERED);
        }
        let why = match told {
            Told::Stranger => C::BY_STRANGERS,
            Told::TooMany => C::UNANSWERED,
            Told::Unexpected => C::UNEXPECTED,
            Told::Asked => {
                counters.add(C::RECEIVED);
                return told;
            }
            Told::Restarted { .. } => {
                counters.add(C::RESTARTED);
                return told;
            }
            Told::There | Told::Back => return told,
        };
        counters.add(why);
        effects.push(ignored(ends.0, why.name()));
        told
    }

    /// Asks a peer, and counts that, and whether it has just gone down.
    pub(crate) fn look<C: HeartbeatCounter>(
        &mut self,
        config: &HeartbeatConfig,
        now: Duration,
        ends: (Ipv6Addr, Ipv6Addr),
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) -> Asked {
        let asked = self.ask(config, now, ends, effects);
        if asked != Asked::Not {
            counters.add(C::SENT);
        }
        if asked == Asked::Down {
            counters.add(C::DOWN);
        }
        asked
    }

    /// Tells everyone whom policy names that this node has restarted and lost its sessions.
    pub(crate) fn tell_of_restart<C: HeartbeatCounter>(
        &mut self,
        local: Ipv6Addr,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) {
        for _ in 0..self.announce(local, effects) {
            counters.add(C::NOTICES);
        }
    }

    /// A Binding Error has come; it may say that a peer does not know heartbeats.
    pub(crate) fn on_binding_error<C: HeartbeatCounter>(
        &mut self,
        from: Ipv6Addr,
        error: &BindingError,
        counters: &mut Counters<C>,
        effects: &mut Vec<Effect>,
    ) {
        let unknown = error.status == BindingError::UNRECOGNIZED_MH_TYPE;
        if unknown && self.on_unknown_type(from, effects) {
            counters.add(C::WITHOUT);
        }
        counters.add(C::ERRORS);
        effects.push(ignored(from, C::ERRORS.name()));
    }
}
