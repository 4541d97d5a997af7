//! Meaning: the role state machines.
//!
//! A role is a plain value. It is told what happened ([`Event`]) and when ([`Now`]), and answers
//! with what shall be done ([`Effect`]), in order. It does no IO and never waits; randomness comes
//! from the seed that it was made with; timers are effects; nothing depends on the order of a hash
//! map. So a running gateway can record its events, any test can replay them, and thousands of nodes
//! run in one process on virtual time.
//!
//! ```text
//!            Event                       Effect
//!   signal ─────────►  role.on(now, …)  ─────────►  apply: table, then store, then send
//! ```
#![forbid(unsafe_code)]

mod advertising;
mod answer;
mod backoff;
mod bound;
pub mod cmd;
pub mod counters;
pub mod domain;
pub mod effect;
pub mod event;
mod heartbeat;
pub mod keyed;
mod lifetime;
pub mod lma;
pub mod maar;
pub mod mag;
mod message;
mod ordering;
mod outstanding;
mod pace;
pub mod policy;
pub mod pool;
mod presence;
mod refusal;
mod revocation;
mod sequence;
mod sessions;
mod several;
mod signalling;
pub mod store;
mod timestamp;

pub use advertising::Advertising;
pub use bound::BoundPrefix;
pub use effect::Effect;
pub use event::Event;
pub use heartbeat::{HeartbeatConfig, PeerState, PeerView};
pub use revocation::RevocationConfig;
pub use signalling::SignallingProfile;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The time of an event, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic time since an arbitrary start: what timers and lifetimes are measured by.
    pub monotonic: Duration,
    /// Wall-clock time since 1970-01-01T00:00:00Z: what timestamps on the wire are made of.
    pub wall: Duration,
}

/// A role: `lma`, `mag`, and those to come.
pub trait Role {
    /// Takes one event and appends its effects, in the order in which they apply.
    fn on(&mut self, now: Now, event: &Event, effects: &mut Vec<Effect>);
}
