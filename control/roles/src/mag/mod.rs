//! The mobile access gateway (RFC 5213 section 6).
mod config;
mod counters;
mod view;
use crate::counters::{CounterView, Counters};
use crate::{Effect, Event, Now, Role};
pub use config::{Advertising, AttachOn, MagConfig};
pub use counters::MagCounter;
pub use view::{VisitorState, VisitorView};

/// A mobile access gateway.
#[derive(Clone, Debug)]
pub struct Mag {
    config: MagConfig,
    counters: Counters<MagCounter>,
}

impl Mag {
    /// A gateway without visitors.
    pub fn new(config: MagConfig) -> Self {
        Self {
            config,
            counters: Counters::new(),
        }
    }

    /// The configuration that it was made with.
    pub const fn config(&self) -> &MagConfig {
        &self.config
    }

    /// The visitor list at `now`: attached hosts by link, then those that are leaving.
    pub fn visitors(&self, _now: Now) -> impl Iterator<Item = VisitorView> + '_ {
        std::iter::empty()
    }

    /// Every counter, with its description.
    pub fn counters(&self) -> impl Iterator<Item = CounterView> + '_ {
        self.counters.views()
    }

    /// The value of one counter.
    pub fn counter(&self, counter: MagCounter) -> u64 {
        self.counters.get(counter)
    }
}

impl Role for Mag {
    fn on(&mut self, _now: Now, _event: &Event, _effects: &mut Vec<Effect>) {}
}
