//! A host: where it is, what it has, and what it is waiting for.

use super::ground::Place;
use super::routes::{Prefix, Routes};

/// A host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The gateway that it is on a link of.
    pub at: Option<Place>,
    /// How often it has come somewhere or gone.
    pub moves: u32,
    /// When that was last, in microseconds.
    pub since: u64,
    /// Whether it has been advertised an address to begin sessions with since it came to where it is.
    pub served: bool,
    /// Its moves when it began to ask the DHCPv6 server for such an address, while it does.
    pub asking: Option<u32>,
    /// The prefix of that address.
    pub current: Option<Prefix>,
    /// What it has been advertised.
    pub held: Vec<Held>,
    /// What the gateways do with its prefixes.
    pub routes: Routes,
    /// How far its coming to where it is has got; none when that is over.
    pub arrival: Option<Box<Arrival>>,
}

/// A prefix of a host.
#[derive(Clone, Debug)]
pub struct Held {
    /// The prefix.
    pub prefix: Prefix,
    /// Who anchors it.
    pub anchor: Place,
    /// When those of its sessions end that have outlasted a stay, in microseconds.
    pub sessions: Vec<u64>,
}

/// A host that has come to a link and is not settled there.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// When its first frame came, in microseconds.
    pub began: u64,
    /// How many other gateways anchor a prefix of it; none: it is new.
    pub anchors: usize,
    /// Signalling messages about it since.
    pub messages: u32,
    /// Prefixes whose sessions are interrupted.
    pub waiting: Vec<Prefix>,
    /// When the last session that was interrupted was through again.
    pub resumed: u64,
    /// Whether it has an address to begin sessions with.
    pub addressed: bool,
}

impl Host {
    /// Enters that it has a prefix.
    pub fn hold(&mut self, prefix: Prefix, anchor: Place) -> &mut Held {
        let place = self.held.iter().position(|held| held.prefix == prefix);
        let place = place.unwrap_or_else(|| {
            self.held.push(Held {
                prefix,
                anchor,
                sessions: Vec::new(),
            });
            self.held.len() - 1
        });
        &mut self.held[place]
    }

    /// It has a prefix no longer. Returns how many of its sessions that breaks.
    pub fn lose(&mut self, prefix: Prefix, now: u64) -> u64 {
        let Some(place) = self.held.iter().position(|held| held.prefix == prefix) else {
            return 0;
        };
        if self.current == Some(prefix) {
            self.current = None;
            self.served = false;
        }
        let held = self.held.swap_remove(place);
        held.sessions.iter().filter(|end| **end > now).count() as u64
    }
}

impl Held {
    /// Whether a session of it that outlasted a stay goes on.
    pub fn is_used(&self, now: u64) -> bool {
        self.sessions.iter().any(|end| *end > now)
    }
}
