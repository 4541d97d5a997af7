//! Where the time of a pass goes, for whoever measures: one call at the end of each stage of a burst.
//!
//! A [`Worker`](super::Worker) takes its meter as a type. With [`Unmetered`], which is what a gateway
//! runs, nothing of it is left in the program.

/// The stages of a pass, in the order in which a burst meets them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// The pass itself: quiescence, the clock, what control sends, held packets.
    Pass,
    /// The port's receive call, and counting what came.
    Receive,
    /// Link-layer headers.
    Link,
    /// IP headers, and what to look up.
    Plan,
    /// Outer pairs among the tunnels, and decapsulation.
    Tunnels,
    /// The batched lookup of bindings.
    Lookup,
    /// Decision, route and rewriting.
    Act,
    /// Counting what went, and the port's transmit call.
    Output,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Receive,
        Self::Link,
        Self::Plan,
        Self::Tunnels,
        Self::Lookup,
        Self::Act,
        Self::Output,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Receive => "receive",
            Self::Link => "link",
            Self::Plan => "plan",
            Self::Tunnels => "tunnels",
            Self::Lookup => "lookup",
            Self::Act => "act",
            Self::Output => "output",
        }
    }
}

/// Is told when a stage has ended for the packets at hand.
pub trait Meter {
    /// Whether packets that need nothing out of the ordinary take the shorter way, as they do in a
    /// gateway. Without it all go the general way, with the same outcome: for tests that hold the two
    /// against each other.
    const EXPRESS: bool = true;

    /// What has passed since the last lap was `stage`.
    fn lap(&mut self, stage: Stage);
}

/// Measures nothing and takes no time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    #[inline(always)]
    fn lap(&mut self, _: Stage) {}
}
