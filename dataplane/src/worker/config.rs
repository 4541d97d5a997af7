//! What a worker can be told.

use crate::limit::Rate;
use crate::police::PuntRates;
use std::time::Duration;

/// What a worker does when no port has anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Polls on at full speed: shortest latency, one whole core.
    Busy,
    /// Polls on with the processor's pause hint.
    Pause,
    /// Sleeps, from `shortest` longer and longer up to `longest`, once `after_empty_polls` passes in a row have
    /// found nothing. While it sleeps it does not hold reclamation back.
    Sleep {
        /// Passes over all ports without a packet before the first sleep.
        after_empty_polls: u32,
        /// First sleep after a packet; each further one is twice as long.
        shortest: Duration,
        /// Longest sleep, which bounds what a packet may wait.
        longest: Duration,
    },
    /// Waits for the device to write to memory that the processor watches (UMWAIT, MONITORX), once
    /// `after_empty_polls` passes in a row have found nothing: the latency of the pause hint at the power of a sleep.
    /// It takes a device and a processor that can, and queues of its own that alone can bring anything
    /// ([`packet::RxTx::wait`]). While it waits it does not hold reclamation back.
    Monitor {
        /// Passes over all ports without a packet before it waits.
        after_empty_polls: u32,
        /// Longest wait: what control sends waits as long.
        longest: Duration,
    },
}

/// How a worker behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkerConfig {
    /// What it does when there is nothing to do.
    pub idle: Idle,
    /// ICMPv6 errors and echo replies (RFC 4443 section 2.4 f).
    pub icmp_rate: Rate,
    /// The share of one source in them: of an address, on an access link of the sender of the frame.
    pub icmp_source_rate: Rate,
    /// Packets to control.
    pub punt_rates: PuntRates,
    /// How long a packet waits for its neighbour's link-layer address.
    pub hold_time: Duration,
    /// Any value, for all workers the same, that outsiders do not know: identifications of fragments
    /// follow from it (RFC 7739).
    pub fragment_seed: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            idle: Idle::Pause,
            icmp_rate: Rate::new(1_000, 100),
            icmp_source_rate: Rate::new(100, 25),
            punt_rates: PuntRates::default(),
            hold_time: Duration::from_secs(3),
            fragment_seed: 0,
        }
    }
}
